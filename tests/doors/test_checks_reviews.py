"""The list of reviews as it stands, signing what is there, and what the watch lets checks find."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from evergrant import notices
from evergrant.checks import Finding, Reviewed, item_of, look_at, sign_off
from evergrant.errors import Conflict, NotAllowed, NotFound
from evergrant.people import NewApiKey
from evergrant.ports.things import OutboxItem, OutboxKind, OutboxState
from evergrant.registry import Credentials, NewApplication
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.marketplaces import Region
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reviews import ITEMS, About, ReviewState
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right, command_line
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from tests.doors import mint_house

ME = command_line("tests")
DAY = timedelta(days=1)
OURS = {
    "EVERGRANT_PUBLIC_URL": "https://connect.northwind.example",
    "EVERGRANT_HOUSE_NAME": "Northwind",
    "EVERGRANT_MAIL_FROM": "connect@northwind.example",
    "EVERGRANT_SUPPORT_EMAIL": "dev-support@northwind.example",
}


class House(mint_house.House):
    """A desk with one application, one instance and one account, and what is found there."""

    environ: dict[str, str]

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(self.environ)

    @property
    def now(self) -> datetime:
        return self.fakes.clock.now()

    async def item(self, name: str) -> Reviewed:
        about = ITEMS[name].about
        subject = {
            About.HOUSE: "",
            About.APPLICATION: self.application_id,
            About.INSTANCE: self.instance_id,
        }[about]
        return await item_of(self.desk, self.settings, name, subject)

    async def sign(
        self, item: str, *, by: Caller = ME, name: str = "Ada Lovelace", **more: Any
    ) -> Reviewed:
        more.setdefault("subject", (await self.item(item)).subject)
        return await sign_off(self.desk, self.settings, item, by=by, name=name, **more)

    async def state(self, name: str) -> ReviewState:
        return (await self.item(name)).state

    async def found(self) -> dict[str, list[Finding]]:
        found: dict[str, list[Finding]] = {}
        for finding in (await look_at(self.desk, self.settings)).findings:
            found.setdefault(finding.code, []).append(finding)
        return found

    async def change(self, shelf: str, id: str, **values: Any) -> None:
        async with self.desk.store.transaction() as tx:
            await getattr(tx, shelf).change(id, **values)

    async def put_up(self, kind: NoticeKind, subject: str, message: str, **more: Any) -> None:
        async with self.desk.store.transaction() as tx:
            await notices.put(tx, now=self.now, kind=kind, subject=subject, message=message, **more)

    async def takes_an_event(self) -> None:
        async with self.desk.store.transaction() as tx:
            await tx.outbox.put(
                OutboxItem(
                    id=f"out_{secrets.token_hex(4)}",
                    kind=OutboxKind.WEBHOOK,
                    topic="authorization.granted",
                    subject="aut_1",
                    to=self.instance_id,
                    state=OutboxState.SENT,
                    next_at=self.now,
                    created_at=self.now,
                    ended_at=self.now,
                )
            )


@pytest.fixture
async def house() -> House:
    house = House()
    house.environ = dict(OURS)
    await house.open()
    return house


# --- the list -------------------------------------------------------------------------------------


async def test_everything_is_on_the_list_once_for_each_thing(house: House) -> None:
    survey = await look_at(house.desk, house.settings)
    assert [one.item for one in survey.items] == list(ITEMS)
    assert {one.state for one in survey.items if not one.by_machine} == {ReviewState.WAITING}
    assert not survey.is_ready
    (open_ones,) = (await house.found())["EG097"]
    assert open_ones.message.startswith(f"{sum(not one.by_machine for one in survey.items)}: ")
    await house.desk.registry.add_application(
        NewApplication(name="Second", application_id=f"amzn1.sp.solution.{mint_house._uuid()}"),
        by=ME,
    )
    (open_ones,) = (await house.found())["EG097"]
    assert "registration (2)" in open_ones.message


async def test_when_all_is_signed_the_house_is_ready(house: House) -> None:
    await house.account()
    await house.takes_an_event()
    for name, item in ITEMS.items():
        if not item.by_machine:
            signed = await house.sign(name, note="looked")
            assert signed.state is ReviewState.SIGNED
            assert (signed.signed_by, signed.note) == ("Ada Lovelace", "looked")
            assert signed.signed_as == "command_line:tests"
            assert signed.signed_at == house.now
    survey = await look_at(house.desk, house.settings)
    assert {one.state for one in survey.items} == {ReviewState.SIGNED, ReviewState.PASSED}
    assert survey.is_ready
    assert not {"EG097", "EG098"} & {finding.code for finding in survey.findings}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("local-settings", {"EVERGRANT_WEBHOOK_TARGETS": "any"}),
        ("local-settings", {"EVERGRANT_JOURNAL_MONTHS": "12"}),
        ("mail-relay", {"EVERGRANT_MAIL_FROM": "other@northwind.example"}),
        ("mail-relay", {"EVERGRANT_OPERATORS_EMAIL": "ops@northwind.example"}),
        ("reminder-windows", {"EVERGRANT_REMINDER_DAYS": "20,5"}),
        ("backups", {"EVERGRANT_DATABASE_URL": "postgresql://u@127.0.0.1:1/x"}),
    ],
)
async def test_another_setting_makes_it_stale(
    house: House, name: str, more: dict[str, str]
) -> None:
    await house.sign(name)
    house.environ |= more
    assert await house.state(name) is ReviewState.STALE
    (stale,) = [one for one in (await house.found())["EG098"] if one.subject == name]
    assert "Ada Lovelace" in stale.message
    for added in more:
        del house.environ[added]
    house.environ |= OURS
    assert await house.state(name) is ReviewState.SIGNED, "it is as it was signed"


async def test_what_is_of_one_process_is_not_reviewed(house: House) -> None:
    await house.sign("local-settings")
    house.environ |= {"EVERGRANT_PORT": "9000", "EVERGRANT_LOG_LEVEL": "debug"}
    assert await house.state("local-settings") is ReviewState.SIGNED


async def test_what_is_stored_makes_it_stale(house: House) -> None:
    async def stale_after(name: str, shelf: str, id: str, **values: Any) -> bool:
        await house.sign(name)
        assert await house.state(name) is ReviewState.SIGNED
        await house.change(shelf, id, **values)
        return await house.state(name) is ReviewState.STALE

    app, ins = house.application_id, house.instance_id
    assert await stale_after(
        "registration", "applications", app, redirect_uri="https://x.example/callback"
    )
    assert await stale_after("registration", "credentials", app, lwa_client_id="other")
    assert await stale_after("secret-rotation", "credentials", app, queue_url="https://sqs…")
    assert await stale_after("secret-rotation", "credentials", app, access_key_hint="WXYZ")
    assert await stale_after(
        "instance-webhooks", "instances", ins, webhook_url="https://erp.example/hook"
    )
    await house.sign("instance-webhooks")
    house.fakes.clock.move(hours=1)
    await house.desk.registry.renew_signing_secret(ins, by=SYSTEM)
    assert await house.state("instance-webhooks") is ReviewState.STALE
    assert await stale_after("reminder-windows", "applications", app, reminder_days=(10, 0))
    await house.sign("key-ring-copy")
    await house.fakes.keyring.add_key()
    assert await house.state("key-ring-copy") is ReviewState.STALE
    await house.sign("operators")
    await house.api_key("read")
    assert await house.state("operators") is ReviewState.SIGNED, "it may not manage"
    await house.api_key("manage")
    assert await house.state("operators") is ReviewState.STALE


async def test_what_amazon_has_to_have_registered_follows_the_public_address(house: House) -> None:
    await house.change("applications", house.application_id, kind=ApplicationKind.PUBLIC)
    await house.sign("registration")
    house.environ["EVERGRANT_PUBLIC_URL"] = "https://moved.house.example"
    assert await house.state("registration") is ReviewState.STALE
    await house.change("applications", house.application_id, kind=ApplicationKind.PRIVATE)
    await house.sign("registration")
    house.environ["EVERGRANT_PUBLIC_URL"] = "https://again.house.example"
    assert await house.state("registration") is ReviewState.SIGNED, "it has no page of consent"


async def test_a_rotated_secret_needs_no_new_signature(house: House) -> None:
    await house.sign("registration")
    await house.sign("secret-rotation")
    await house.desk.registry.set_credentials(
        house.application_id, Credentials(lwa_client_secret=Secret(secrets.token_hex(20))), by=ME
    )
    assert await house.state("registration") is ReviewState.SIGNED
    assert await house.state("secret-rotation") is ReviewState.SIGNED


async def test_backups_are_tried_again_after_half_a_year(house: House) -> None:
    await house.sign("backups")
    house.fakes.clock.move(days=190)
    assert await house.state("backups") is ReviewState.EXPIRED
    assert "long ago" in (await house.found())["EG098"][0].message


async def test_one_signs_what_one_saw(house: House) -> None:
    seen = await house.item("local-settings")
    house.environ["EVERGRANT_JOURNAL_MONTHS"] = "24"
    with pytest.raises(Conflict, match="changed"):
        await house.sign("local-settings", digest=seen.digest)
    assert await house.state("local-settings") is ReviewState.WAITING
    now = await house.item("local-settings")
    assert (await house.sign("local-settings", digest=now.digest)).state is ReviewState.SIGNED
    with pytest.raises(NotFound):
        await house.sign("registration", subject="app_x")
    with pytest.raises(NotFound):
        await sign_off(house.desk, house.settings, "made-up", by=ME, name="Ada")
    reader = Caller(kind=CallerKind.API_KEY, id="key_1", rights=frozenset({Right.READ}))
    with pytest.raises(NotAllowed):
        await house.sign("backups", by=reader)


async def test_no_secret_is_looked_at(house: House) -> None:
    url = f"postgresql://u:{secrets.token_hex(8)}@127.0.0.1:1/x"
    keys = f"k1:{secrets.token_urlsafe(32)}"
    house.environ |= {"EVERGRANT_DATABASE_URL": url, "EVERGRANT_KEYRING": keys}
    seen = str([one.looked_at for one in (await look_at(house.desk, house.settings)).items])
    assert url.partition("@")[0].rpartition(":")[2] not in seen
    assert keys.partition(":")[2] not in seen


# --- what the machine decides ---------------------------------------------------------------------


async def test_credentials_are_complete_and_the_same_for_every_account(house: House) -> None:
    name = "integration-credentials"
    account_id = await house.account()
    assert await house.state(name) is ReviewState.PASSED
    await house.change("credentials", house.application_id, role_arn="arn:aws:iam::1:role/r")
    assert "AWS" in (await house.item(name)).says
    await house.change("credentials", house.application_id, role_arn="")
    await house.change("accounts", account_id, region=Region.NA)
    one = await house.item(name)
    assert one.state is ReviewState.FAILED
    assert "another application" in one.says
    await house.change("accounts", account_id, region=Region.EU)
    other = await house.desk.registry.add_application(
        NewApplication(name="Second", application_id=f"amzn1.sp.solution.{mint_house._uuid()}"),
        by=ME,
    )
    async with house.desk.store.transaction() as tx:
        mine = await tx.credentials.get(house.application_id)
        assert mine is not None
        await tx.credentials.put(replace(mine, id=other.id))
    assert "same client id" in (await house.item(name)).says
    async with house.desk.store.transaction() as tx:
        await tx.credentials.drop(other.id)
    await house.change("credentials", house.application_id, secret_set=False)
    assert "no client secret" in (await house.item(name)).says
    (awaited,) = (await house.found())["EG086"]
    assert awaited.subject == house.application_id
    assert "1 account" in awaited.message
    with pytest.raises(Conflict):
        await house.sign(name)


async def test_an_instance_is_known_and_answers(house: House) -> None:
    name = "instance-answers"
    assert await house.state(name) is ReviewState.PASSED, "nothing depends on it"
    await house.account()
    assert await house.state(name) is ReviewState.FAILED
    assert "EG087" not in await house.found(), "added just now"
    house.fakes.clock.move(days=2)
    assert (await house.found())["EG087"][0].subject == house.instance_id
    await house.desk.registry.note_seen(house.instance_id)
    assert await house.state(name) is ReviewState.PASSED
    assert "EG087" not in await house.found()
    house.fakes.clock.move(days=31)
    assert await house.state(name) is ReviewState.FAILED
    assert "last on" in (await house.found())["EG087"][0].message
    await house.takes_an_event()
    assert await house.state(name) is ReviewState.PASSED
    assert "EG087" not in await house.found()
    await house.put_up(NoticeKind.EVENTS_UNDELIVERED, house.instance_id, "It answered 503.")
    assert (await house.item(name)).says == "It answered 503."
    assert (await house.found())["EG088"][0].subject == house.instance_id


# --- what the watch brings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "queue", "code"),
    [
        (100, False, None),
        (80, False, "EG090"),
        (5, False, "EG090"),
        (80, True, None),
        (25, True, None),
        (20, True, "EG089"),
        (-1, True, None),
    ],
)
async def test_the_end_of_a_secret_with_and_without_a_queue(
    house: House, days: int, queue: bool, code: str | None
) -> None:
    await house.change(
        "credentials",
        house.application_id,
        secret_expires_at=house.now + timedelta(days=days),
        queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/q" if queue else "",
    )
    assert set(await house.found()) & {"EG089", "EG090"} == ({code} if code else set())


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (NoticeKind.QUEUE_TROUBLE, "EG091"),
        (NoticeKind.NOTIFICATIONS_TROUBLE, "EG052"),
        (NoticeKind.ROTATION_STUCK, "EG092"),
        (NoticeKind.TERM_BELIEVED, "EG094"),
        (NoticeKind.LETTER_UNDELIVERED, "EG095"),
    ],
)
async def test_what_hangs_on_the_board(house: House, kind: NoticeKind, code: str) -> None:
    account_id = await house.account()
    assert code not in await house.found()
    await house.put_up(kind, account_id, "AWS refuses it.", account_id=account_id)
    (finding,) = (await house.found())[code]
    assert "AWS refuses it." in finding.message or "1: Shop" in finding.message
    async with house.desk.store.transaction() as tx:
        await notices.settle(tx, now=house.now, kinds=[kind], subject=account_id)
    assert code not in await house.found()


async def test_grants_without_a_date_and_without_probes(house: House) -> None:
    ids = [await house.account() for _ in range(7)]
    async with house.desk.store.transaction() as tx:
        for row in await tx.authorizations.all(account_id=ids):
            await tx.authorizations.change(row.id, granted_at=house.now)
    assert not {"EG093", "EG096"} & set(await house.found())
    async with house.desk.store.transaction() as tx:
        for row in await tx.authorizations.all(account_id=ids):
            await tx.authorizations.change(
                row.id, granted_at=None, probe_due_at=house.now - 2 * DAY
            )
    found = await house.found()
    assert found["EG093"][0].message.startswith("7: Shop")
    assert found["EG093"][0].message.endswith(" and 2 more.")
    assert found["EG096"][0].message.startswith("7, ")
    async with house.desk.store.transaction() as tx:
        for row in await tx.authorizations.all(account_id=ids):
            await tx.authorizations.change(row.id, probe_due_at=house.now + DAY)
    assert "EG096" not in await house.found()


async def test_a_key_is_named_where_it_signs(house: House) -> None:
    made: NewApiKey = await house.desk.people.add_api_key(
        name="go-live script", rights=["manage"], by=SYSTEM
    )
    by = Caller(kind=CallerKind.API_KEY, id=made.key.id, name=made.key.name, rights=made.key.rights)
    signed = await house.sign("backups", by=by, name="")
    assert signed.signed_by == "go-live script"
    assert signed.signed_as == f"api_key:{made.key.id}"
