"""The contract of ``ports.news``, on the store in memory and on PostgreSQL: what a commit tells."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from evergrant.adapters.news import PostgresNews
from evergrant.adapters.store import crier, open_store
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.ports.news import LOOK_AGAIN, Gathered, Hearing, News, Tidings, Topic
from evergrant.ports.store import Store
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import Region
from evergrant.rules.notices import NoticeKind
from evergrant.testing.news import MemoryNews
from evergrant.testing.store import MemoryStore
from tests.edges.changes_ground import NOW, change, furnish, outcome, pick

WITHIN_S = 20.0
ROOM = 50
LINE = t.JournalLine(
    at=NOW, caller="system", verb="account.added", subject="acc_1", account_id="acc_1"
)
RUN = d.FeedRun(
    id="run_1",
    account_id="acc_1",
    application_id="app_1",
    region=Region.EU,
    path=Path.LISTINGS_FEED,
    step=RunStep.PLANNED,
    created_at=NOW,
    changed_at=NOW,
)
NOTICE = w.Notice(
    id="ntc_1",
    kind=NoticeKind.TERM_ENDING,
    subject="aut_1",
    account_id="acc_1",
    message="It ends.",
    first_at=NOW,
    last_at=NOW,
)
ITEM = t.OutboxItem(
    id="out_1",
    kind=t.OutboxKind.MAIL,
    topic="invitation",
    subject="inv_1",
    to="heron@partner.example",
    account_id="acc_1",
    next_at=NOW,
    created_at=NOW,
)
OF_LINE = Tidings(Topic.JOURNAL, "acc_1", "account.added")
OF_RUN = Tidings(Topic.RUNS, "acc_1", "run_1")


async def ground(store: Store) -> None:
    async with store.transaction() as tx:
        await furnish(tx)


@dataclass
class House:
    """A store with one account, and news of it from another process."""

    store: Store
    news: News

    async def listening(self) -> Hearing:
        """One who misses nothing from now on."""
        hearing = self.news.listen()
        if isinstance(self.news, PostgresNews):
            await within(self.news.connected())
            assert await heard(hearing) == LOOK_AGAIN
        return hearing


async def within(waiting: Any) -> Any:
    async with asyncio.timeout(WITHIN_S):
        return await waiting


async def heard(hearing: Hearing) -> Tidings:
    return await within(hearing.__anext__())  # type: ignore[no-any-return]


async def heard_until(hearing: Hearing, last: Tidings) -> list[Tidings]:
    """All that came, up to the piece of news that was told last of all."""
    found = []
    while (one := await heard(hearing)) != last:
        found.append(one)
    return found


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crier, "EVERY_S", 0.01)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    if request.param == "memory":
        memory = MemoryStore()
        await ground(memory)
        yield House(memory, MemoryNews(memory, room=ROOM))
        return
    url = request.getfixturevalue("database_url")
    store = await open_store(url, connections=4)
    news = PostgresNews(url, room=ROOM, first_pause_s=0.01)
    await ground(store)
    try:
        yield House(store, news)
    finally:
        await news.close()
        await store.close()


async def tell_end(house: House) -> Tidings:
    """Something that is told behind everything else."""
    async with house.store.transaction() as tx:
        await tx.journal.append(dataclasses.replace(LINE, verb="test.ended"))
    return dataclasses.replace(OF_LINE, subject="test.ended")


async def told(house: House, hearing: Hearing) -> list[Tidings]:
    return await heard_until(hearing, await tell_end(house))


async def test_what_waits_already_is_taken_without_waiting(house: House) -> None:
    hearing = await house.listening()
    async with house.store.transaction() as tx:
        await tx.journal.append(LINE)
        await tx.journal.append(dataclasses.replace(LINE, verb="test.second"))
    first = await heard(hearing)
    # Both were told in one go.
    assert {first, *hearing.waiting()} == {
        OF_LINE,
        dataclasses.replace(OF_LINE, subject="test.second"),
    }
    assert hearing.waiting() == ()


async def test_a_line_of_the_journal_is_news(house: House) -> None:
    hearing = await house.listening()
    async with house.store.transaction() as tx:
        await tx.journal.append(LINE)
    assert await told(house, hearing) == [OF_LINE]


async def test_what_is_rolled_back_is_no_news(house: House) -> None:
    hearing = await house.listening()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with house.store.transaction() as tx:
            await tx.journal.append(LINE)
            await tx.feed_runs.add(RUN)
            raise ZeroDivisionError
    assert await told(house, hearing) == []


async def test_nothing_is_told_before_the_commit(house: House) -> None:
    hearing = await house.listening()
    async with house.store.transaction() as tx:
        await tx.journal.append(LINE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await hearing.__anext__()
    assert await heard(hearing) == OF_LINE


async def test_reading_is_no_news(house: House) -> None:
    hearing = await house.listening()
    async with house.store.transaction() as tx:
        await tx.accounts.get("acc_1")
        await tx.feed_runs.change("run_9", step=RunStep.SETTLED)
        await tx.outbox.add(ITEM)
    assert await told(house, hearing) == []


async def test_feed_runs_are_news_when_put_and_when_changed(house: House) -> None:
    hearing = await house.listening()
    async with house.store.transaction() as tx:
        await tx.feed_runs.add(RUN)
    assert await heard(hearing) == OF_RUN
    async with house.store.transaction() as tx:
        await tx.feed_runs.change("run_1", step=RunStep.SETTLED)
    assert await heard(hearing) == OF_RUN
    async with house.store.transaction() as tx:
        await tx.feed_runs.put(RUN)
    assert await heard(hearing) == OF_RUN
    async with house.store.transaction() as tx:
        assert await tx.feed_runs.change_all(["run_1"], tries=1) == 1
        assert await tx.feed_runs.change_all(["run_9"], tries=1) == 0
    assert await heard(hearing) == Tidings(Topic.RUNS)


async def test_notices_are_news_when_hung_up_and_when_settled(house: House) -> None:
    hearing = await house.listening()
    of_notice = Tidings(Topic.NOTICES, "acc_1", "term_ending")
    async with house.store.transaction() as tx:
        await tx.notices.add(NOTICE)
    assert await heard(hearing) == of_notice
    async with house.store.transaction() as tx:
        await tx.notices.change("ntc_1", settled_at=NOW)
    assert await heard(hearing) == of_notice
    async with house.store.transaction() as tx:
        await tx.notices.put(NOTICE)
    assert await heard(hearing) == of_notice
    async with house.store.transaction() as tx:
        await tx.notices.change_all(["ntc_1"], times=2)
    assert await heard(hearing) == Tidings(Topic.NOTICES)


async def test_a_letter_is_news_once_it_is_sent_or_given_up(house: House) -> None:
    hearing = await house.listening()
    async with house.store.transaction() as tx:
        await tx.outbox.add(ITEM)
        await tx.outbox.change("out_1", attempts=1)
    assert await told(house, hearing) == []
    of_mail = Tidings(Topic.OUTBOX, "acc_1", "mail")
    for state in (t.OutboxState.SENT, t.OutboxState.FAILED):
        async with house.store.transaction() as tx:
            await tx.outbox.change("out_1", state=state, ended_at=NOW)
        assert await heard(hearing) == of_mail
    async with house.store.transaction() as tx:
        await tx.outbox.put(dataclasses.replace(ITEM, state=t.OutboxState.SENT))
    assert await heard(hearing) == of_mail
    async with house.store.transaction() as tx:
        await tx.outbox.change_all(["out_1"], attempts=3)
    assert await heard(hearing) == Tidings(Topic.OUTBOX)


async def test_a_thousand_changes_are_one_piece_of_news(house: House) -> None:
    hearing = await house.listening()
    of_changes = Tidings(Topic.CHANGES, "acc_1")
    async with house.store.transaction() as tx:
        await tx.changes.add_all([change(number) for number in range(1, 1001)])
    assert await told(house, hearing) == [of_changes]
    async with house.store.transaction() as tx:
        await tx.feed_runs.add(RUN)
        picks = [pick(number) for number in range(1, 1001)]
        await tx.changes.claim("acc_1", "run_1", picks, {}, NOW)
    assert await told(house, hearing) == [OF_RUN, of_changes]
    async with house.store.transaction() as tx:
        await tx.feed_runs.change("run_1", step=RunStep.SETTLED)
        await tx.changes.settle("run_1", [outcome(number) for number in range(1, 1001)], NOW)
    assert await told(house, hearing) == [OF_RUN]


async def test_the_same_twice_in_a_transaction_is_told_once(house: House) -> None:
    hearing = await house.listening()
    async with house.store.transaction() as tx:
        for _ in range(5):
            await tx.journal.append(LINE)
    assert await told(house, hearing) == [OF_LINE]


async def test_everybody_hears_it_and_only_what_comes_after_he_began(house: House) -> None:
    first = await house.listening()
    async with house.store.transaction() as tx:
        await tx.journal.append(LINE)
    assert await heard(first) == OF_LINE
    second = house.news.listen()
    end = await tell_end(house)
    assert await heard(first) == end
    assert await heard(second) == end


async def test_whoever_is_slow_looks_again_and_holds_up_nobody(house: House) -> None:
    slow = await house.listening()
    quick = house.news.listen()
    for round_ in range(4):
        verbs = [f"test.number_{round_}_{number}" for number in range(15)]
        async with house.store.transaction() as tx:
            for verb in verbs:
                await tx.journal.append(dataclasses.replace(LINE, verb=verb))
        assert [(await heard(quick)).subject for _ in verbs] == verbs
    assert await heard(slow) == LOOK_AGAIN
    assert await told(house, slow) == []


async def test_closing_ends_everybody(house: House) -> None:
    hearing = await house.listening()
    waiting = asyncio.create_task(hearing.__anext__())
    await asyncio.sleep(0)
    await house.news.close()
    with pytest.raises(StopAsyncIteration):
        await within(waiting)
    with pytest.raises(StopAsyncIteration):
        await heard(house.news.listen())


async def test_one_who_went_hears_no_more(house: House) -> None:
    hearing = await house.listening()
    await hearing.aclose()
    await tell_end(house)
    with pytest.raises(StopAsyncIteration):
        await heard(hearing)


# --- of PostgreSQL alone --------------------------------------------------------------------------


@pytest.mark.postgres
async def test_a_broken_connection_is_mended_and_everything_looked_at_again(
    database_url: str,
) -> None:
    store = await open_store(database_url, connections=2)
    news = PostgresNews(database_url, first_pause_s=0.01)
    try:
        house = House(store, news)
        await ground(store)
        hearing = await house.listening()
        assert news.heard
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as admin:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'evergrant news' AND datname = current_database()"
            )
        assert await heard(hearing) == LOOK_AGAIN
        await tell_end(house)
        assert (await heard(hearing)).subject == "test.ended"
    finally:
        await news.close()
        await store.close()


@pytest.mark.postgres
async def test_a_silent_connection_is_asked_whether_it_lives(database_url: str) -> None:
    store = await open_store(database_url, connections=2)
    news = PostgresNews(database_url, first_pause_s=0.01, silence_s=0.05)
    try:
        hearing = await House(store, news).listening()
        await ground(store)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await hearing.__anext__()
        assert news.heard
        await tell_end(House(store, news))
        assert (await heard(hearing)).subject == "test.ended"
    finally:
        await news.close()
        await store.close()


@pytest.mark.postgres
async def test_any_number_of_listeners_cost_one_connection_and_none_costs_none(
    database_url: str,
) -> None:
    news = PostgresNews(database_url)
    try:
        assert await listening_connections(database_url) == 0
        assert news.heard
        hearings = [news.listen() for _ in range(50)]
        await within(news.connected())
        assert await listening_connections(database_url) == 1
        assert len(hearings) == 50
    finally:
        await news.close()


async def listening_connections(url: str) -> int:
    async with await psycopg.AsyncConnection.connect(url) as admin:
        cursor = await admin.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'evergrant news' AND datname = current_database()"
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.postgres
async def test_a_store_that_is_closed_at_once_has_told_before(database_url: str) -> None:
    news = PostgresNews(database_url)
    store = await open_store(database_url, connections=2)
    try:
        await ground(store)
        hearing = await House(store, news).listening()
        async with store.transaction() as tx:
            await tx.journal.append(LINE)
        await store.close()
        assert await heard(hearing) == OF_LINE
    finally:
        await news.close()


class Unplugged:
    """A pool whose database is away, for so many tries."""

    def __init__(self, tries: int) -> None:
        self.tries = tries
        self.told: list[list[str]] = []
        self.some = asyncio.Event()

    def connection(self) -> Unplugged:
        return self

    async def __aenter__(self) -> Unplugged:
        if self.tries:
            self.tries -= 1
            raise psycopg.OperationalError("gone")
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def execute(self, _: str, values: tuple[str, list[str]]) -> None:
        self.told.append(values[1])
        self.some.set()


async def test_what_could_not_be_told_is_told_as_a_whole_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(crier, "AGAIN_S", 0.01)
    pool: Any = Unplugged(tries=2)
    crying = crier.Crier(pool, every_s=0.001)
    news = Gathered()
    news.line(LINE)
    crying.tell(news)
    await within(pool.some.wait())
    await crying.close()
    assert pool.told == [['[["everything",null,""]]']]
    assert "gone" in caplog.text


async def test_closing_does_not_wait_for_a_database_that_is_away() -> None:
    pool: Any = Unplugged(tries=100)
    crying = crier.Crier(pool, every_s=0.001)
    news = Gathered()
    news.line(LINE)
    crying.tell(news)
    await within(crying.close())
    assert pool.tries >= 98
    crying.tell(news)  # nobody goes round any more


# --- folding and payloads -------------------------------------------------------------------------


def gathered(*tidings: Tidings) -> Gathered:
    news = Gathered()
    for one in tidings:
        news.add(one)
    return news


def test_many_of_a_topic_become_their_accounts_and_many_accounts_one() -> None:
    few = [Tidings(Topic.RUNS, "acc_1", f"run_{number}") for number in range(20)]
    assert list(gathered(*few).all()) == few
    more = [Tidings(Topic.RUNS, f"acc_{number % 3}", f"run_{number}") for number in range(21)]
    accounts = {Tidings(Topic.RUNS, f"acc_{number}") for number in range(3)}
    assert set(gathered(*more).all()) == accounts
    crowd = [Tidings(Topic.CHANGES, f"acc_{number}") for number in range(101)]
    news = gathered(OF_LINE, *crowd, Tidings(Topic.CHANGES, "acc_7"))
    assert news.all() == (OF_LINE, Tidings(Topic.CHANGES))
    assert news.all()[1].of_many
    assert not OF_LINE.of_many


def test_what_one_gathered_takes_from_another_is_folded_as_well() -> None:
    news = gathered(OF_LINE)
    news.take(gathered(OF_LINE, OF_RUN))
    assert news.all() == (OF_LINE, OF_RUN)
    news.clear()
    assert not news


def test_payloads_are_short_and_hold_everything() -> None:
    told = [Tidings(Topic.RUNS, f"acc_{number:026}", f"run_{number:026}") for number in range(400)]
    payloads = crier.to_payloads(told)
    assert len(payloads) > 1
    assert max(len(payload.encode()) for payload in payloads) < 8000
    assert [one for payload in payloads for one in crier.from_payload(payload)] == told
    assert crier.to_payloads([]) == []


@pytest.mark.parametrize("payload", ["", "{", "7", "[7]", '[["runs"]]', "null"])
def test_what_another_version_wrote_means_to_look_again(payload: str) -> None:
    assert crier.from_payload(payload) == [LOOK_AGAIN]


def test_news_holds_neither_who_nor_what() -> None:
    person = ITEM.to
    news = Gathered()
    news.item(dataclasses.replace(ITEM, state=t.OutboxState.SENT, last_error=person))
    news.line(dataclasses.replace(LINE, facts={"email": person}))
    news.notice(dataclasses.replace(NOTICE, message=person))
    (payload,) = crier.to_payloads(news.all())
    assert person not in payload
    assert json.loads(payload)[0] == ["outbox", "acc_1", "mail"]
