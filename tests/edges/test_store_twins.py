"""The store in memory and PostgreSQL are twins: the same verbs, the same answers.

Rooms are tested on the first and run on the second, so a difference is a bug that no room's test
can find. Hypothesis looks for one.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant.adapters.store import open_store
from evergrant.ports import signed_in as o
from evergrant.ports import things as t
from evergrant.ports import watched as w
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Role
from evergrant.testing.store import MemoryStore
from tests.searching import cases

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ACCOUNTS = [f"acc_{letter}" for letter in "abcde"]

Verb = tuple[str, str, tuple[Any, ...], dict[str, Any]]


class RolledBackError(Exception):
    pass


def an_account(id: str) -> t.Account:
    return t.Account(
        id=id,
        name=id,
        partner_kind=PartnerKind.SELLER,
        client_email="a@partner.example",
        application_id="app_1",
        client_instance_id="ins_1",
        region=Region.EU,
        home_marketplace="DE",
        created_at=NOW,
        changed_at=NOW,
    )


async def furnish(tx: Transaction) -> None:
    await tx.applications.add(
        t.Application(
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
    await tx.instances.add(t.ClientInstance(id="ins_1", name="ERP", created_at=NOW, changed_at=NOW))
    for name in ACCOUNTS:
        await tx.accounts.add(an_account(name))


# --- what may be asked -------------------------------------------------------------------------

instants = st.none() | st.integers(-2, 2).map(lambda days: NOW + timedelta(days=days))
accounts = st.sampled_from(ACCOUNTS)
partners = st.sampled_from(["", "A1", "A2"])
states = st.sampled_from(State)
authorization_fields: dict[str, st.SearchStrategy[Any]] = {
    "state": states,
    "selling_partner_id": partners,
    "region": st.sampled_from([Region.EU, Region.FE]),
    "account_id": accounts,
    "term_ends_at": instants,
    "version": st.integers(0, 2),
}
operator_fields: dict[str, st.SearchStrategy[Any]] = {
    "email": st.sampled_from([f"{name}@house.example" for name in "abcd"]),
    "role": st.sampled_from(Role),
    "disabled_at": instants,
    "name": st.text(max_size=4),
    "sso_subject": st.sampled_from(["", "i s1", "i s2"]),
}
hours = st.integers(-1, 1).map(lambda hour: NOW + timedelta(hours=hour))
counted = st.integers(0, 3)
call_count_fields: dict[str, st.SearchStrategy[Any]] = {
    "account_id": accounts,
    "operation": st.sampled_from(["feeds", "orders"]),
    "hour_at": hours,
    "calls": counted,
    "waited_ms": counted,
    "errors": st.dictionaries(st.sampled_from(["no", "NO", "ü"]), counted, max_size=2),
    "last_at": hours,
}
reminder_fields: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(w.ReminderKind),
    "subject": st.sampled_from(["aut_1", "aut_2"]),
    "days": st.sampled_from([30, 0]),
    "account_id": st.none() | accounts,
    "told_operators_at": instants,
}
notice_fields: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from([NoticeKind.TERM_ENDING, NoticeKind.TERM_OVER]),
    "subject": st.sampled_from(["aut_1", "aut_2"]),
    "settled_at": instants,
    "times": st.integers(1, 3),
}
invitation_fields: dict[str, st.SearchStrategy[Any]] = {
    "email": st.sampled_from(["a@house.example", "b@house.example"]),
    "link_digest": st.sampled_from("lmn"),
    "accepted_at": instants,
    "withdrawn_at": instants,
}
SHELVES: dict[str, tuple[st.SearchStrategy[str], dict[str, st.SearchStrategy[Any]], Any]] = {
    "authorizations": (
        st.sampled_from(["aut_1", "aut_2", "aut_3"]),
        authorization_fields,
        t.Authorization(
            id="aut_1",
            account_id="acc_a",
            application_id="app_1",
            region=Region.EU,
            state=State.AWAITING,
            changed_at=NOW,
        ),
    ),
    "operators": (
        st.sampled_from(["opr_1", "opr_2", "opr_A", "opr_ä"]),
        operator_fields,
        t.Operator(
            id="opr_1",
            name="Ada",
            email="a@house.example",
            role=Role.ADMIN,
            password_hash="",
            created_at=NOW,
        ),
    ),
    "operator_invitations": (
        st.sampled_from(["oin_1", "oin_2", "oin_3"]),
        invitation_fields,
        o.OperatorInvitation(
            id="oin_1",
            name="Bea",
            email="a@house.example",
            role=Role.SUPPORT,
            link_digest="l",
            invited_by="Ada",
            created_at=NOW,
            expires_at=NOW,
        ),
    ),
    "call_counts": (
        st.sampled_from(["a/feeds/1", "a/feeds/2", "b/orders/1"]),
        call_count_fields,
        t.CallCount(
            id="a/feeds/1", account_id="acc_a", operation="feeds", hour_at=NOW, last_at=NOW
        ),
    ),
    "reminders": (
        st.sampled_from(["rem_1", "rem_2", "rem_3"]),
        reminder_fields,
        w.Reminder(
            id="rem_1", kind=w.ReminderKind.TERM, subject="aut_1", ends_at=NOW, days=30, at=NOW
        ),
    ),
    "notices": (
        st.sampled_from(["not_1", "not_2", "not_3"]),
        notice_fields,
        w.Notice(
            id="not_1",
            kind=NoticeKind.TERM_ENDING,
            subject="aut_1",
            message="",
            first_at=NOW,
            last_at=NOW,
        ),
    ),
}


@st.composite
def counts(draw: st.DrawFn, example: t.CallCount) -> Verb:
    """The verbs that only this shelf has."""
    ids, fields, _ = SHELVES["call_counts"]
    verb = draw(st.sampled_from(["add_up", "add_up", "read", "purge"]))
    if verb == "purge":
        return "call_counts", verb, (draw(hours),), {}
    if verb == "read":
        asked = {
            "account_id": draw(st.none() | accounts),
            "operation": draw(st.none() | fields["operation"]),
        }
        return "call_counts", verb, (), {"since": draw(hours), **asked}
    rows = [
        dataclasses.replace(example, id=row, **{name: draw(fields[name]) for name in fields})
        for row in draw(st.lists(ids, max_size=4))
    ]
    return "call_counts", verb, (rows,), {}


@st.composite
def verbs(draw: st.DrawFn) -> Verb:
    shelf = draw(st.sampled_from(sorted(SHELVES)))
    ids, fields, example = SHELVES[shelf]

    def some() -> dict[str, Any]:
        # Few fields at a time, so that what is asked for is often there.
        names = draw(st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True))
        return {name: draw(fields[name]) for name in names}

    def wishes() -> dict[str, Any]:
        return {name: draw(st.lists(fields[name], max_size=2) | fields[name]) for name in some()}

    if shelf == "call_counts" and draw(st.booleans()):
        return draw(counts(example))
    verb = draw(st.sampled_from(["add", "put", "change", "change", "all", "count", "one", "drop"]))
    if verb in ("add", "put"):
        return shelf, verb, (dataclasses.replace(example, id=draw(ids), **some()),), {}
    if verb == "change":
        return shelf, verb, (draw(ids), wishes()), some()
    if verb == "drop":
        return shelf, verb, (draw(ids),), {}
    asked = wishes()
    if verb != "one":
        early = next(name for name in fields if name.endswith("_at"))
        limit = draw(instants.filter(bool))
        asked["before"] = draw(st.sampled_from([None, (early, limit)]))
    if verb == "all":
        asked |= {"after": draw(st.none() | ids), "limit": draw(st.none() | st.integers(0, 3))}
    return shelf, verb, (), asked


@st.composite
def beginnings(draw: st.DrawFn) -> list[Verb]:
    """Full shelves: rows that differ in everything that can be asked for."""
    rows: list[Verb] = []
    for shelf, (ids, fields, example) in SHELVES.items():
        for row in draw(st.lists(ids, min_size=2, max_size=3, unique=True)):
            values = {name: draw(field) for name, field in fields.items()}
            rows.append((shelf, "add", (dataclasses.replace(example, id=row, **values),), {}))
    return rows


async def told(tx: Transaction, verb: Verb) -> Any:
    shelf, name, arguments, options = verb
    try:
        return await getattr(getattr(tx, shelf), name)(*arguments, **options)
    except AlreadyThere as refused:
        # A row may break two keys at once; which one is named is nobody's promise.
        return "refused", refused.constraint.partition("_")[0]
    except LookupError:
        return "lookup error"


async def live_through(store: Store, story: list[Verb]) -> list[Any]:
    answers: list[Any] = []

    @asynccontextmanager
    async def only_for_now() -> AsyncIterator[Transaction]:
        try:
            async with store.transaction() as tx:
                yield tx
                raise RolledBackError
        except RolledBackError:
            return

    async with only_for_now() as tx:
        await furnish(tx)
        answers = [await told(tx, verb) for verb in story]
        answers += [await getattr(tx, shelf).all() for shelf in SHELVES]
    return answers


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def test_they_tell_the_same_story(runner: asyncio.Runner, database_url: str) -> None:
    memory = MemoryStore()
    postgres = runner.run(open_store(database_url))

    @settings(
        max_examples=cases(35),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(beginnings(), st.lists(verbs(), min_size=4, max_size=10))
    def compare(beginning: list[Verb], verbs: list[Verb]) -> None:
        story = beginning + verbs
        assert runner.run(live_through(memory, story)) == runner.run(live_through(postgres, story))

    try:
        compare()
    finally:
        runner.run(postgres.close())
