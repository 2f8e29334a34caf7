"""Looking again: what changed is told to everybody once, and what surprises is said twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from evergrant import notices
from evergrant.consent import Ended, Looked
from evergrant.errors import AmazonUnavailable, CallDenied, Throttled
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.things import Account, Authorization
from evergrant.ports.watched import EventRecord, Notice
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import STANDARD, PartnerKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.secrecy import Secret
from evergrant.testing.selling_partner_api import EXPIRED
from tests.rooms.conftest import Reception

SHOP = "A2HERON"
DENIED = CallDenied(403, "Unauthorized", "Access to requested resource is denied.")


class Eye:
    """One connected account, looked at again and again."""

    def __init__(self, reception: Reception, account: Account) -> None:
        self.reception = reception
        self.account = account

    async def look(self, access_token: Secret | None = None) -> Looked:
        self.reception.clock.move(hours=1)
        seen = self.row
        if access_token is None:
            client_id = await self.reception.client_id(self.account.application_id)
            refresh_token = self.reception.lwa.grant(client_id, SHOP)
            answer = await self.reception.lwa.refresh(
                await self.reception.registry.lwa_client(self.account.application_id),
                refresh_token,
            )
            access_token = answer.access_token
        assert seen.grant_id is not None
        return await self.reception.consent.look_again(self.account.id, access_token, seen.grant_id)

    @property
    def row(self) -> Authorization:
        return self.reception.authorization(self.account)

    async def board(self, kind: NoticeKind) -> list[Notice]:
        async with self.reception.store.transaction() as tx:
            return await tx.notices.all(kind=kind, subject=self.row.id, settled_at=None)

    async def told(self) -> list[EventRecord]:
        async with self.reception.store.transaction() as tx:
            return await tx.events.read(topic="account.changed", account_ids=[self.account.id])

    def verbs(self) -> list[str]:
        return self.reception.verbs(self.account)


def sells(
    reception: Reception, *countries: str, suspended: Sequence[str] = (), gone: Sequence[str] = ()
) -> None:
    rows = [(STANDARD.by_country(one).marketplace_id, one) for one in countries if len(one) == 2]
    rows += [(one, "") for one in countries if len(one) > 2]
    reception.api.participate(
        SHOP,
        [
            ReportedParticipation(
                marketplace_id=marketplace_id,
                country_code=country,
                name=country,
                participating=country not in gone,
                suspended=country in suspended,
            )
            for marketplace_id, country in rows
        ],
    )


@pytest.fixture
async def eye(reception: Reception) -> Eye:
    sells(reception, "DE", "FR")
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    return Eye(reception, account)


def stands(event: EventRecord, when: str) -> dict[str, tuple[bool, bool]]:
    rows: list[dict[str, Any]] = event.facts[when]["marketplaces"]
    return {row["country_code"]: (row["participating"], row["suspended"]) for row in rows}


async def test_what_is_as_it_was_is_told_to_nobody(reception: Reception, eye: Eye) -> None:
    before = eye.verbs()
    assert await eye.look() == Looked(ended=Ended.PASSED)
    assert reception.permits.importance is Importance.LEAST
    assert reception.permits.given[-1][-1] == 0.0, "it waits for no permit"
    assert (eye.verbs(), await eye.told()) == (before, [])
    assert eye.row.checked_at == reception.clock.now()
    assert eye.row.finding == ""


@pytest.mark.parametrize("gone", [[], ["FR"]])
async def test_a_marketplace_that_was_left_until_it_is_joined_again(
    reception: Reception, eye: Eye, gone: list[str]
) -> None:
    async with reception.store.transaction() as tx:
        await tx.instances.change(eye.account.client_instance_id, webhook_url="https://erp.example")
    sells(reception, "DE", *gone, gone=gone)
    assert (await eye.look()).ended is Ended.PASSED
    assert eye.row.finding == "No longer sells in FR."
    (notice,) = await eye.board(NoticeKind.MARKETPLACE_LEFT)
    assert (notice.account_id, notice.times) == (eye.account.id, 1)
    (event,) = await eye.told()
    assert event.facts["changed"] == ["marketplaces"]
    assert stands(event, "before") == {"DE": (True, False), "FR": (True, False)}
    assert stands(event, "after") == {"DE": (True, False)} | dict.fromkeys(gone, (False, False))
    assert reception.bell.rung[-1] == reception.outbox("account.changed")[0].id
    assert "account.participations_changed" in eye.verbs()
    await eye.look()
    (notice,) = await eye.board(NoticeKind.MARKETPLACE_LEFT)
    assert (notice.times, len(await eye.told())) == (1, 1), "once"
    assert eye.row.finding == "No longer sells in FR."
    sells(reception, "DE", "FR")
    await eye.look()
    assert await eye.board(NoticeKind.MARKETPLACE_LEFT) == []
    assert (eye.row.finding, len(await eye.told())) == ("", 2)


async def test_two_left_and_one_joined_again(reception: Reception, eye: Eye) -> None:
    sells(reception, "DE", "FR", "IT")
    await eye.look()
    sells(reception, "DE")
    await eye.look()
    sells(reception, "DE", "IT")
    await eye.look()
    (notice,) = await eye.board(NoticeKind.MARKETPLACE_LEFT)
    assert list(notice.facts["marketplaces"].values()) == ["FR"]
    assert "FR" in notice.message
    assert "IT" not in notice.message


async def test_suspended_listings_until_they_are_freed(reception: Reception, eye: Eye) -> None:
    sells(reception, "DE", "FR", suspended=["DE"])
    await eye.look()
    assert eye.row.finding == "Listings are suspended in DE."
    (notice,) = await eye.board(NoticeKind.LISTINGS_SUSPENDED)
    async with reception.store.transaction() as tx:
        await notices.settle(
            tx,
            now=reception.clock.now(),
            kinds=[NoticeKind.LISTINGS_SUSPENDED],
            subject=eye.row.id,
            by="operator:opr_1",
        )
    await eye.look()
    assert await eye.board(NoticeKind.LISTINGS_SUSPENDED) == [], "somebody has seen to it"
    assert eye.row.finding == "Listings are suspended in DE."
    sells(reception, "DE", "FR", suspended=["DE", "FR"])
    await eye.look()
    (notice,) = await eye.board(NoticeKind.LISTINGS_SUSPENDED)
    assert "DE, FR" in notice.message
    sells(reception, "DE", "FR")
    await eye.look()
    assert await eye.board(NoticeKind.LISTINGS_SUSPENDED) == []
    assert eye.row.finding == ""
    assert len(await eye.told()) == 3


async def test_the_home_marketplace_is_missed(reception: Reception, eye: Eye) -> None:
    sells(reception, "FR")
    await eye.look()
    assert "does not name DE" in eye.row.finding
    assert "No longer sells in DE." in eye.row.finding


async def test_marketplaces_that_nobody_knows_do_no_harm(reception: Reception, eye: Eye) -> None:
    sells(reception, "DE", "FR", "A38D8NSA03LJTC")
    assert (await eye.look()).ended is Ended.PASSED
    assert "A38D8NSA03LJTC" in {row.marketplace_id for row in reception.rows("participations")}
    sells(reception, "DE", "FR")
    await eye.look()
    (notice,) = await eye.board(NoticeKind.MARKETPLACE_LEFT)
    assert "A38D8NSA03LJTC" in notice.message


async def test_an_empty_answer_is_believed_when_it_comes_twice(
    reception: Reception, eye: Eye
) -> None:
    sells(reception)
    assert (await eye.look()).ended is Ended.DOUBTFUL
    assert len(reception.rows("participations")) == 2
    assert (eye.row.finding, await eye.told()) == ("", [])
    sells(reception, "DE", "FR")
    assert (await eye.look()).ended is Ended.PASSED
    assert await eye.told() == []
    sells(reception)
    assert (await eye.look()).ended is Ended.DOUBTFUL, "each time from the beginning"
    assert (await eye.look()).ended is Ended.PASSED
    assert reception.rows("participations") == []
    (notice,) = await eye.board(NoticeKind.MARKETPLACE_LEFT)
    assert "DE, FR" in notice.message
    assert len(await eye.told()) == 1


async def test_a_role_that_is_lost_is_believed_the_second_time(
    reception: Reception, eye: Eye
) -> None:
    reception.api.fail(lambda: DENIED)
    assert (await eye.look()).ended is Ended.DOUBTFUL
    assert (eye.row.finding, await eye.board(NoticeKind.ROLE_LOST)) == ("", [])
    assert (await eye.look()).ended is Ended.DENIED
    assert "denies what it allowed before" in eye.row.finding
    (notice,) = await eye.board(NoticeKind.ROLE_LOST)
    assert "Access to requested resource is denied" in notice.message
    assert (await eye.look()).ended is Ended.DENIED
    (event,) = await eye.told()
    assert (event.facts["before"], event.facts["after"]) == (
        {"access": "allowed"},
        {"access": "denied"},
    )
    assert eye.verbs().count("authorization.access_lost") == 1
    assert len(reception.rows("participations")) == 2, "what was known stays known"
    reception.api.clear()
    assert (await eye.look()).ended is Ended.PASSED
    assert await eye.board(NoticeKind.ROLE_LOST) == []
    assert eye.row.finding == ""
    assert (await eye.told())[-1].facts["after"] == {"access": "allowed"}
    assert eye.verbs()[-1] == "authorization.access_restored"


async def test_a_renewal_brings_a_lost_role_back(reception: Reception, eye: Eye) -> None:
    reception.api.fail(lambda: DENIED)
    await eye.look()
    await eye.look()
    reception.api.clear()
    await reception.connect(eye.account, SHOP)
    assert await eye.board(NoticeKind.ROLE_LOST) == []
    assert (await eye.told())[-1].facts["after"] == {"access": "allowed"}


async def test_who_was_never_allowed_has_lost_nothing(reception: Reception) -> None:
    account = await reception.add_account(partner_kind=PartnerKind.VENDOR)
    await reception.connect(account, SHOP)
    eye = Eye(reception, account)
    for _ in range(3):
        assert (await eye.look()).ended is Ended.DENIED
    assert eye.row.finding.startswith("The first call was denied.")
    assert await eye.board(NoticeKind.ROLE_LOST) == []
    reception.api.vendor(SHOP)
    assert (await eye.look()).ended is Ended.PASSED
    assert eye.row.finding == ""
    reception.api.fail(lambda: DENIED)
    assert (await eye.look()).ended is Ended.DOUBTFUL
    assert (await eye.look()).ended is Ended.DENIED
    assert await eye.board(NoticeKind.ROLE_LOST)


@pytest.mark.parametrize(
    ("trouble", "ended"),
    [
        (AmazonUnavailable(), Ended.UNANSWERED),
        (Throttled(), Ended.UNANSWERED),
        (CallDenied(400, "InvalidInput", "What?"), Ended.UNANSWERED),
        (CallDenied(403, "Unauthorized", "", EXPIRED), Ended.TOKEN_REFUSED),
        (
            CallDenied(403, "Unauthorized", "", "The LWA secret token you provided has expired."),
            Ended.UNANSWERED,
        ),
    ],
)
async def test_what_says_nothing_of_the_account_changes_nothing(
    reception: Reception, eye: Eye, trouble: Exception, ended: Ended
) -> None:
    before = eye.row
    reception.api.fail(lambda: trouble)  # type: ignore[arg-type, return-value]
    for _ in range(3):
        looked = await eye.look()
        assert looked.ended is ended
        assert looked.said
    assert eye.row == before
    assert await eye.told() == []


async def test_without_a_permit_it_says_for_how_long(reception: Reception, eye: Eye) -> None:
    reception.permits.spent_for_s = 42.0
    looked = await eye.look()
    assert (looked.ended, looked.wait_s) == (Ended.PUT_OFF, 42.0)


async def test_a_grant_that_was_replaced_is_not_judged(reception: Reception, eye: Eye) -> None:
    former = eye.row.grant_id
    assert former is not None
    await reception.connect(eye.account, SHOP)
    calls = reception.api.count()
    looked = await reception.consent.look_again(eye.account.id, Secret("Atza|old"), former)
    assert looked.ended is Ended.OVERTAKEN
    assert reception.api.count() == calls


async def test_a_renewal_whose_first_look_sees_nothing_at_all_forgets_nothing(
    reception: Reception, eye: Eye
) -> None:
    sells(reception)
    await reception.connect(eye.account, SHOP)
    assert len(reception.rows("participations")) == 2
    assert "(it names: none)" in eye.row.finding
    assert (await eye.look()).ended is Ended.DOUBTFUL
    sells(reception, "DE", "FR")
    await eye.look()
    assert (eye.row.finding, await eye.told()) == ("", [])


async def test_a_first_look_after_a_renewal_tells_what_changed_meanwhile(
    reception: Reception, eye: Eye
) -> None:
    sells(reception, "DE")
    await reception.connect(eye.account, SHOP)
    assert eye.row.finding == "No longer sells in FR."
    assert len(await eye.told()) == 1
