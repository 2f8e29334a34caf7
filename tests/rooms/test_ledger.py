"""The book of the kitchen: what became of changes, within the reader's reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evergrant.errors import InvalidInput, NotAllowed, NotFound
from evergrant.feeds.kept import KEPT_FOR
from evergrant.feeds.ledger import Ledger, Only
from evergrant.naming import new_id
from evergrant.ports.things import Account, Operator
from evergrant.ports.traded import AccountWork, FeedRun, Outcome, Pick
from evergrant.rules import ids
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import VendorKind
from evergrant.rules.rights import Caller, Right, Role
from tests.rooms.hatch_ground import ERP, Hatch, price, refund, stock

READER = replace(ERP, rights=frozenset({Right.READ}))
BLIND = replace(ERP, rights=frozenset(Right) - {Right.READ})
ELSEWHERE = replace(READER, client_instance_id="ins_none")


class House(Hatch):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.ledger = Ledger(store=self.store, clock=self.clock)

    async def put(self, account: Account, *lines: dict[str, Any]) -> list[str]:
        taken = await self.taking.put(account.id, lines, by=ERP)
        assert taken.refused == 0, taken.answers
        return [one.change_id for one in taken.answers]

    async def begin(self, account: Account, *changes: str, **values: Any) -> str:
        now = self.clock.move(seconds=1)
        run = FeedRun(
            id=new_id(ids.Kind.FEED_RUN, now),
            account_id=account.id,
            application_id=account.application_id,
            region=account.region,
            path=Path.PATCH,
            created_at=now,
            changed_at=now,
            **{"step": RunStep.PLANNED, "next_at": now, **values},
        )
        picks = [Pick(change_id=one, message_id=at) for at, one in enumerate(changes, 1)]
        async with self.store.transaction() as tx:
            await tx.feed_runs.add(run)
            await tx.changes.claim(account.id, run.id, picks, {}, now)
        return run.id

    async def end(self, run_id: str, state: ChangeState) -> None:
        now = self.clock.now()
        async with self.store.transaction() as tx:
            await tx.changes.settle_rest(run_id, Outcome(change_id="", state=state), now)
            await tx.feed_runs.change(run_id, step=RunStep.SETTLED, ended_at=now, next_at=None)


@pytest.fixture
async def house() -> House:
    house = House()
    await house.open()
    return house


@pytest.fixture
async def account(house: House) -> Account:
    return await house.add()


async def test_counts_of_what_is_open_and_of_what_was_settled_lately(
    house: House, account: Account
) -> None:
    first, second, *_ = await house.put(account, stock("A"), stock("B"), stock("C"), refund())
    old = await house.begin(account, first)
    await house.end(old, ChangeState.ACCEPTED)
    house.clock.move(timedelta(hours=25))
    await house.end(await house.begin(account, second), ChangeState.REFUSED)
    running = await house.begin(account)
    (found,) = await house.ledger.status(by=READER, account_id=account.id)
    kinds = {one.kind: one for one in found.kinds}
    assert kinds[ChangeKind.STOCK].counts == {ChangeState.PENDING: 1, ChangeState.REFUSED: 1}
    assert kinds[ChangeKind.REFUND].counts == {ChangeState.PENDING: 1}
    assert kinds[ChangeKind.PRICE].counts == {}
    assert kinds[ChangeKind.PRICE].oldest_open_at is None
    assert kinds[ChangeKind.STOCK].oldest_open_at == account.created_at
    assert [run.id for run in found.open_runs] == [running]
    assert not found.is_idle
    assert found.work is not None


async def test_switches_as_they_are(house: House) -> None:
    vendor = await house.add(vendor_kind=VendorKind.RETAIL)
    (found,) = await house.ledger.status(by=READER, account_id=vendor.id)
    switches = {one.kind: one.switched_on for one in found.kinds}
    assert switches[ChangeKind.REFUND] is None
    assert switches[ChangeKind.SHIPMENT] is True
    assert found.is_idle
    assert found.work is None


async def test_accounts_that_ever_had_work_page_by_page(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.feeds.ledger._PAGE", 2)
    accounts = [await house.add() for _ in range(6)]
    for one in accounts[:5]:
        await house.put(one, stock())
    wanted = sorted(one.id for one in accounts[:5])
    assert [one.account.id for one in await house.ledger.status(by=READER)] == wanted
    first = await house.ledger.status(by=READER, limit=3)
    rest = await house.ledger.status(by=READER, limit=3, after=first[-1].account.id)
    assert [one.account.id for one in (*first, *rest)] == wanted
    bound = replace(READER, account_ids=frozenset(wanted[3:]))
    assert [one.account.id for one in await house.ledger.status(by=bound, limit=1)] == wanted[3:4]
    assert await house.ledger.status(by=ELSEWHERE) == []


async def test_accounts_of_which_something_is_open_or_was_refused_or_that_are_paused(
    house: House,
) -> None:
    accounts = [await house.add() for _ in range(6)]
    busy, refused, long_ago, done, paused, uncertain = accounts
    await house.put(busy, stock())
    for account, state in ((long_ago, ChangeState.REFUSED), (done, ChangeState.ACCEPTED)):
        (change,) = await house.put(account, stock())
        await house.end(await house.begin(account, change), state)
    house.clock.move(days=2)
    for account, state in ((refused, ChangeState.REFUSED), (uncertain, ChangeState.UNCERTAIN)):
        (change,) = await house.put(account, refund())
        await house.end(await house.begin(account, change), state)
    async with house.store.transaction() as tx:
        now = house.clock.now()
        await tx.work.put(AccountWork(id=paused.id, paused_at=now, changed_at=now))

    async def listed(only: Only, **asked: Any) -> set[str]:
        return {one.account.id for one in await house.ledger.status(by=READER, only=only, **asked)}

    expected = {one.id for one in (busy, refused, paused, uncertain)}
    assert await listed(Only.BUSY) == expected
    assert await listed(Only.PAUSED) == {paused.id}
    assert await listed(Only.ANY) == {one.id for one in accounts}
    found: list[str] = []
    while page := await house.ledger.status(
        by=READER, only=Only.BUSY, after=found[-1] if found else None, limit=3
    ):
        found += [one.account.id for one in page]
    assert found == sorted(expected)
    bound = replace(READER, account_ids=frozenset({busy.id, done.id}))
    (only,) = await house.ledger.status(by=bound, only=Only.BUSY, limit=1)
    assert only.account.id == busy.id


async def test_a_run_in_whole_messages(house: House, account: Account) -> None:
    changes = await house.put(account, stock("A"), price("A"), stock("B"))
    run_id = await house.begin(account)
    picks = [
        Pick(change_id=one, message_id=number)
        for one, number in zip(changes, (1, 1, 2), strict=True)
    ]
    async with house.store.transaction() as tx:
        await tx.changes.claim(account.id, run_id, picks, {}, house.clock.now())
    first = await house.ledger.run(run_id, by=READER, limit=1)
    assert ([one.message_id for one in first.changes], first.next_message) == ([1, 1], 1)
    rest = await house.ledger.run(run_id, by=READER, after_message=1, limit=1)
    assert ([one.message_id for one in rest.changes], rest.next_message) == ([2], None)
    assert (await house.ledger.run(run_id, by=READER)).next_message is None
    empty = await house.begin(account)
    assert (await house.ledger.run(empty, by=READER)).changes == ()


async def test_runs_since_and_open_ones(house: House, account: Account) -> None:
    runs = []
    for _ in range(3):
        house.clock.move(timedelta(hours=1))
        runs.append(await house.begin(account))
    await house.end(runs[1], ChangeState.ACCEPTED)
    since = house.clock.now() - timedelta(minutes=90)

    async def found(**more: Any) -> list[str]:
        return [run.id for run in await house.ledger.runs(account.id, by=READER, **more)]

    assert await found() == runs
    assert await found(since=since) == runs[1:]
    assert await found(since=since, after=runs[0]) == runs[1:]
    assert await found(since=since, after=runs[1]) == runs[2:]
    assert await found(only_open=True) == [runs[0], runs[2]]
    assert await found(limit=1) == runs[:1]


async def test_totals_of_all_accounts(house: House, account: Account) -> None:
    other = await house.add()
    first, second, third, _ = await house.put(account, stock("A"), stock("B"), stock("C"), refund())
    await house.put(other, stock("A"), price("A"))
    await house.end(await house.begin(account, first), ChangeState.REFUSED)
    house.clock.move(days=2)
    await house.end(await house.begin(account, second), ChangeState.ACCEPTED)
    await house.begin(account, third)
    totals = await house.ledger.totals(by=READER)
    assert set(totals) == set(ChangeKind)
    assert totals[ChangeKind.STOCK] == {
        ChangeState.PENDING: 1,
        ChangeState.IN_FLIGHT: 1,
        ChangeState.ACCEPTED: 1,
    }
    assert totals[ChangeKind.REFUND] == {ChangeState.PENDING: 1}
    assert totals[ChangeKind.SHIPMENT] == {}
    bound = replace(READER, account_ids=frozenset({other.id}))
    totals = await house.ledger.totals(by=bound)
    assert totals[ChangeKind.STOCK] == {ChangeState.PENDING: 1}
    assert totals[ChangeKind.REFUND] == {}
    with pytest.raises(NotAllowed):
        await house.ledger.totals(by=BLIND)


async def test_of_very_many_what_was_settled_is_kept_for_a_while_and_what_is_open_never(
    house: House, account: Account
) -> None:
    house.ledger.settled.dear_after_s = -1.0
    first, second = await house.put(account, stock("A"), stock("B"))
    await house.end(await house.begin(account, first), ChangeState.ACCEPTED)
    before = await house.ledger.totals(by=READER)
    assert before[ChangeKind.STOCK] == {ChangeState.ACCEPTED: 1, ChangeState.PENDING: 1}
    await house.end(await house.begin(account, second), ChangeState.REFUSED)
    await house.put(account, price("A"))
    meanwhile = await house.ledger.totals(by=READER)
    assert meanwhile[ChangeKind.STOCK] == {ChangeState.ACCEPTED: 1}
    assert meanwhile[ChangeKind.PRICE] == {ChangeState.PENDING: 1}
    # Whoever does not reach everything is told of his own alone, as it is.
    bound = replace(READER, account_ids=frozenset({account.id}))
    own = await house.ledger.totals(by=bound)
    assert own[ChangeKind.STOCK] == {ChangeState.ACCEPTED: 1, ChangeState.REFUSED: 1}
    house.clock.move(seconds=KEPT_FOR.total_seconds())
    after = await house.ledger.totals(by=READER)
    assert after[ChangeKind.STOCK] == {ChangeState.ACCEPTED: 1, ChangeState.REFUSED: 1}


async def test_the_latest_runs_and_changes(house: House, account: Account) -> None:
    changes = await house.put(account, stock("A"), stock("B"), stock("C"))
    runs = [await house.begin(account, one) for one in changes]
    latest = await house.ledger.latest_runs(account.id, by=READER, limit=2)
    assert [one.id for one in latest] == [runs[2], runs[1]]
    found = await house.ledger.changes(account.id, by=READER, newest_first=True, after=changes[2])
    assert [one.id for one in found] == [changes[1], changes[0]]


async def test_who_somebody_is(house: House) -> None:
    now = house.clock.now()
    operator = Operator(
        id=new_id(ids.Kind.OPERATOR, now),
        name="Ada",
        email="ada@northwind.example",
        role=Role.SUPPORT,
        password_hash="",
        created_at=now,
    )
    async with house.store.transaction() as tx:
        await tx.operators.add(operator)
    callers = [f"operator:{operator.id}", "operator:opr_gone", "command_line:root", "system", ""]
    assert await house.ledger.names(callers, by=READER) == {callers[0]: "Ada"}
    with pytest.raises(NotAllowed):
        await house.ledger.names(callers, by=BLIND)


async def test_out_of_reach_and_without_the_right(house: House, account: Account) -> None:
    (change,) = await house.put(account, stock())
    run_id = await house.begin(account, change)
    async with house.store.transaction() as tx:
        (intake,) = await tx.intakes.all()
    ledger = house.ledger
    looks: list[Callable[[Caller], Awaitable[Any]]] = [
        lambda by: ledger.status(by=by, account_id=account.id),
        lambda by: ledger.changes(account.id, by=by),
        lambda by: ledger.change(change, by=by),
        lambda by: ledger.runs(account.id, by=by),
        lambda by: ledger.latest_runs(account.id, by=by),
        lambda by: ledger.run(run_id, by=by),
        lambda by: ledger.intake(intake.id, by=by),
    ]
    for look in looks:
        await look(READER)
        with pytest.raises(NotAllowed):
            await look(BLIND)
        with pytest.raises(NotFound):
            await look(ELSEWHERE)
    for nobody in (
        ledger.change("chg_" + "0" * 26, by=READER),
        ledger.run("run_" + "0" * 26, by=READER),
        ledger.intake("itk_" + "0" * 26, by=READER),
        ledger.status(by=READER, account_id="acc_" + "0" * 26),
    ):
        with pytest.raises(NotFound):
            await nobody
    with pytest.raises(InvalidInput):
        await ledger.status(by=READER, after="nonsense")
    with pytest.raises(InvalidInput):
        await ledger.run(run_id, by=READER, limit=0)
