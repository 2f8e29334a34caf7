from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from evergrant import journal
from evergrant.errors import InvalidInput, NotAllowed, NotFound
from evergrant.ports.things import Account, Application, ClientInstance, JournalLine
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right, command_line, partner
from evergrant.rules.secrecy import Secret
from evergrant.testing.store import MemoryStore

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def api_key(*rights: Right, instance: str | None = None) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id="key_1",
        name="ERP",
        rights=frozenset(rights),
        client_instance_id=instance,
    )


async def write(store: MemoryStore, by: Caller = SYSTEM, **values: Any) -> JournalLine:
    values = {"verb": "account.added", "subject": "acc_1", **values}
    async with store.transaction() as tx:
        await journal.write(tx, now=NOW, by=by, **values)
        (line,) = await tx.journal.read(newest_first=True, limit=1)
    return line


async def facts(**given: Any) -> Any:
    return (await write(MemoryStore(), **given)).facts


# --- writing -----------------------------------------------------------------------------------


async def test_a_line_says_who_did_what_to_whom() -> None:
    line = await write(MemoryStore(), account_id="acc_1", name="Heron Books")
    assert line == JournalLine(
        id=1,
        at=NOW,
        caller="system",
        verb="account.added",
        subject="acc_1",
        account_id="acc_1",
        facts={"name": "Heron Books"},
    )


@pytest.mark.parametrize(
    ("by", "name"),
    [
        (SYSTEM, "system"),
        (partner(), "partner"),
        (command_line("root"), "command_line:root"),
        (api_key(), "api_key:key_1"),
    ],
)
async def test_callers_by_name(by: Caller, name: str) -> None:
    assert (await write(MemoryStore(), by)).caller == name


async def test_facts_become_plain() -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert await facts(
        state=State.ACTIVE,
        at=tokyo,
        kinds=frozenset({PartnerKind.VENDOR, PartnerKind.SELLER}),
        codes=("b", "a"),
        changed={"region": Region.EU, "count": 2},
        share=0.5,
        yes=True,
        none=None,
    ) == {
        "state": "active",
        "at": "2026-03-02T09:00:00+00:00",
        "kinds": ["seller", "vendor"],
        "codes": ["b", "a"],
        "changed": {"region": "eu", "count": 2},
        "share": 0.5,
        "yes": True,
        "none": None,
    }


@pytest.mark.parametrize(
    "given",
    [
        {"x": Secret("a")},
        {"x": {"y": [Secret("a")]}},
        {"x": (Secret("a"),)},
    ],
)
async def test_a_secret_is_a_mistake_and_nothing_is_written(given: dict[str, Any]) -> None:
    store = MemoryStore()
    with pytest.raises(TypeError, match="secret"):
        await write(store, **given)
    async with store.transaction() as tx:
        assert await tx.journal.read() == []


async def test_an_unknown_kind_of_fact_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="'x'"):
        await facts(x=object())


async def test_text_under_a_secrets_name_is_masked() -> None:
    value = secrets.token_hex(8)
    written = await facts(client_secret=value, inner={"refresh_token": [value]}, empty_secret="")
    assert value not in str(written)
    assert written["empty_secret"] == ""


async def test_what_is_no_secret_stays_readable() -> None:
    assert await facts(secret_set=True, secret_expires_at=NOW, merchant_token="A1B2C3") == {
        "secret_set": True,
        "secret_expires_at": "2026-03-02T09:00:00+00:00",
        "merchant_token": "A1B2C3",
    }


async def test_text_in_the_shape_of_a_secret_is_scrubbed() -> None:
    value = "Atzr|" + secrets.token_hex(20)
    written = await facts(reason=f"Amazon said: {value} is bad", inner=[{"note": value}])
    assert value not in str(written)
    assert "Amazon said" in written["reason"]


# --- reading -----------------------------------------------------------------------------------


async def house() -> MemoryStore:
    """Two instances with an account each, two lines of each account, one of the application."""
    store = MemoryStore()
    async with store.transaction() as tx:
        await tx.applications.add(
            Application(
                id="app_1",
                name="Northwind",
                kind=ApplicationKind.PUBLIC,
                partner_kinds=frozenset({PartnerKind.SELLER}),
                status=ApplicationStatus.PUBLISHED,
                application_id="amzn1.sp.solution.1",
                created_at=NOW,
                changed_at=NOW,
            )
        )
        await journal.write(tx, now=NOW, by=SYSTEM, verb="application.added", subject="app_1")
        for number in (1, 2):
            instance, account = f"ins_{number}", f"acc_{number}"
            await tx.instances.add(
                ClientInstance(id=instance, name=instance, created_at=NOW, changed_at=NOW)
            )
            await tx.accounts.add(
                Account(
                    id=account,
                    name=account,
                    partner_kind=PartnerKind.SELLER,
                    client_email="a@partner.example",
                    application_id="app_1",
                    client_instance_id=instance,
                    region=Region.EU,
                    home_marketplace="DE",
                    created_at=NOW,
                    changed_at=NOW,
                )
            )
            for verb, subject in (("account.added", account), ("invitation.sent", f"inv_{number}")):
                await journal.write(
                    tx, now=NOW, by=SYSTEM, verb=verb, subject=subject, account_id=account
                )
    return store


READER = api_key(Right.READ)
BOUND = api_key(Right.READ, instance="ins_1")


async def told(by: Caller, **wishes: Any) -> list[tuple[str, str]]:
    lines = await journal.read(await house(), by, **wishes)
    return [(line.verb, line.subject) for line in lines]


async def test_the_newest_comes_first_and_pages_follow() -> None:
    store = await house()
    first = await journal.read(store, READER, limit=2)
    assert [line.id for line in first] == [5, 4]
    second = await journal.read(store, READER, limit=2, after=first[-1].id)
    assert [line.id for line in second] == [3, 2]
    forward = await journal.read(store, READER, after=3, newest_first=False)
    assert [line.id for line in forward] == [4, 5]


async def test_wishes() -> None:
    assert await told(READER, subject="app_1") == [("application.added", "app_1")]
    assert await told(READER, account_id="acc_2", verb="account.added") == [
        ("account.added", "acc_2")
    ]


async def test_without_the_right_nothing_is_shown() -> None:
    for by in (api_key(Right.WRITE), partner()):
        with pytest.raises(NotAllowed):
            await told(by)


async def test_a_bound_caller_reads_of_its_own_accounts_only() -> None:
    own = [("invitation.sent", "inv_1"), ("account.added", "acc_1")]
    assert await told(BOUND, account_id="acc_1") == own
    assert await told(BOUND, subject="acc_1") == own[1:]
    for wishes in ({"account_id": "acc_2"}, {"subject": "acc_2"}, {"account_id": "acc_9"}):
        with pytest.raises(NotFound):
            await told(BOUND, **wishes)
    with pytest.raises(InvalidInput) as refused:
        await told(BOUND)
    assert [flaw.field for flaw in refused.value.flaws] == ["account_id"]


async def test_a_bound_caller_cannot_reach_lines_through_the_subject() -> None:
    assert await told(BOUND, account_id="acc_1", subject="inv_2") == []
    with pytest.raises(NotFound):
        await told(BOUND, subject="app_1")


@pytest.mark.parametrize("wishes", [{"limit": 0}, {"limit": 501}, {"after": -1}])
async def test_bad_wishes(wishes: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        await told(READER, **wishes)


async def test_by_person_and_time() -> None:
    store = MemoryStore()
    ada = Caller(kind=CallerKind.OPERATOR, id="opr_1", name="Ada")
    async with store.transaction() as tx:
        for number, by in enumerate((SYSTEM, ada, SYSTEM, ada)):
            at = NOW + timedelta(hours=number)
            await journal.write(tx, now=at, by=by, verb="a.b", subject="s", n=number)

    async def read(**wishes: Any) -> list[int]:
        return [line.facts["n"] for line in await journal.read(store, READER, **wishes)]

    assert await read(caller="operator:opr_1") == [3, 1]
    assert await read(since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=3)) == [2, 1]
    assert await read(caller="system", since=NOW + timedelta(hours=1)) == [2]
