"""Support reports: everything needed to solve it, for those who may see it, and no secret."""

from __future__ import annotations

import pytest

from evergrant import letters
from evergrant.errors import ConsentRefused, InvalidInput, NotAllowed, NotFound
from evergrant.ports.things import Account, SupportReport
from evergrant.rules.rights import Caller, CallerKind, Right
from tests.rooms.conftest import BOSS, Reception

SHOP = "A1SHOPSHOPSHOP"


def bound(instance_id: str | None, *rights: Right) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id="key_x",
        name="key",
        rights=frozenset(rights),
        client_instance_id=instance_id,
    )


async def failed(reception: Reception, account: Account) -> SupportReport:
    reception.tick()
    trip = await reception.begin(account)
    refused = await reception.refused(
        trip, await reception.callback(trip, account, SHOP, error="server_error")
    )
    (report,) = reception.reports(reference=refused.reference)
    return report


async def test_a_report_holds_what_solves_it(reception: Reception) -> None:
    account = await reception.add_account()
    report = await failed(reception, account)
    assert report.blame == "amazon"
    facts = report.facts
    assert facts["account_name"] == account.name
    assert facts["client_email"] == account.client_email
    assert facts["application_id"] == reception.application.application_id
    assert facts["consent_host"] == "https://sellercentral-europe.amazon.com"
    assert facts["selling_partner_reported"] == SHOP
    assert facts["amazon_error"] == "server_error"
    assert facts["happened"]
    assert facts["advice"]


async def test_its_letter_can_be_printed(reception: Reception) -> None:
    account = await reception.add_account()
    report = await failed(reception, account)
    (item,) = reception.outbox("support_report")
    known = await reception.consent.letter_facts(item)
    assert known is not None
    assert known.link is None
    house = {"house_name": reception.house.name, "support_email": reception.house.support_email}
    words = letters.render(item.topic, item.language, house | dict(known.facts))
    assert report.reference in words.subject
    for told in (SHOP, account.name, account.client_email, "server_error"):
        assert told in words.text


async def test_what_was_seen_to_is_no_longer_written_about(reception: Reception) -> None:
    report = await failed(reception, await reception.add_account())
    (item,) = reception.outbox("support_report")
    await reception.consent.resolve(report.reference, by=BOSS)
    assert await reception.consent.letter_facts(item) is None


async def test_a_report_is_found_as_people_type_its_number(reception: Reception) -> None:
    report = await failed(reception, await reception.add_account())
    typed = f" {report.reference.lower().replace('-', ' ')} "
    assert (await reception.consent.report(typed, by=BOSS)).id == report.id
    with pytest.raises(NotFound):
        await reception.consent.report("EG-0000-0000", by=BOSS)
    for wrong in ("", "EG-1", "x" * 500):
        with pytest.raises(InvalidInput):
            await reception.consent.report(wrong, by=BOSS)


async def test_who_sees_which_reports(reception: Reception) -> None:
    elsewhere = await reception.add_instance()
    mine = await failed(reception, await reception.add_account())
    theirs = await failed(reception, await reception.add_account(instance=elsewhere))
    reception.tick()
    with pytest.raises(ConsentRefused):
        await reception.consent.open("r" * 43)
    (nobodys,) = reception.reports(account_id=None)

    async def seen(by: Caller) -> list[str]:
        return [report.id for report in await reception.consent.reports(by=by)]

    assert await seen(BOSS) == [mine.id, theirs.id, nobodys.id]
    key = bound(elsewhere.id, Right.READ, Right.WRITE)
    assert await seen(key) == [theirs.id]
    assert (await reception.consent.report(theirs.reference, by=key)).id == theirs.id
    for hidden in (mine, nobodys):
        with pytest.raises(NotFound):
            await reception.consent.report(hidden.reference, by=key)
        with pytest.raises(NotFound):
            await reception.consent.resolve(hidden.reference, by=key)
    with pytest.raises(NotFound):
        await reception.consent.reports(by=key, account_id=mine.account_id)
    nobody = bound(None)
    for verb in (
        reception.consent.report(mine.reference, by=nobody),
        reception.consent.reports(by=nobody),
        reception.consent.resolve(mine.reference, by=bound(None, Right.READ)),
    ):
        with pytest.raises(NotAllowed):
            await verb


async def test_reports_come_in_pages(reception: Reception) -> None:
    made = [await failed(reception, await reception.add_account()) for _ in range(5)]
    first = await reception.consent.reports(by=BOSS, limit=2)
    rest = await reception.consent.reports(by=BOSS, limit=10, after=first[-1].id)
    assert [one.id for one in (*first, *rest)] == [one.id for one in made]
    only = await reception.consent.reports(by=BOSS, account_id=made[3].account_id)
    assert [one.id for one in only] == [made[3].id]
    for limit in (0, 501):
        with pytest.raises(InvalidInput):
            await reception.consent.reports(by=BOSS, limit=limit)


async def test_resolving_once(reception: Reception) -> None:
    report = await failed(reception, await reception.add_account())
    first = await reception.consent.resolve(report.reference, by=BOSS)
    assert first.resolved_at == reception.clock.now()
    reception.clock.move(days=1)
    again = await reception.consent.resolve(report.reference, by=BOSS)
    assert again.resolved_at == first.resolved_at
    assert reception.verbs().count("report.resolved") == 1


async def test_secrets_in_what_people_say_are_taken_out(reception: Reception) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    pasted = "Atzr|" + "x1" * 20
    told = await reception.consent.tell_trouble(link, "", f"it said {pasted} at /connect/{link}")
    (report,) = reception.reports(reference=told.reference)
    assert pasted not in str(report)
    assert link not in str(report)
