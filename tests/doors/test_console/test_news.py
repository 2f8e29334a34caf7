"""The stream of news: who hears what, how often, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from evergrant.entrances.console.pages import news as page
from evergrant.entrances.console.pages.news import Concern, Places, Turns, is_within_reach
from evergrant.ports.news import LOOK_AGAIN, Tidings, Topic
from evergrant.ports.things import JournalLine
from evergrant.rules.rights import Caller, CallerKind, Role
from tests.doors.test_console.conftest import COOKIES, Console, Window

WITHIN_S = 20.0
OF_ACCOUNT = Tidings(Topic.JOURNAL, "acc_1", "account.added")
OF_RUN = Tidings(Topic.RUNS, "acc_1", "run_1")
OF_NOBODY = Tidings(Topic.JOURNAL, None, "application.changed")
MANY = Tidings(Topic.CHANGES)


@dataclass
class Stream:
    """What a browser that keeps the connection open gets, as it comes."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, app: Any, scope: dict[str, Any]) -> None:
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                self.begun.set()
            elif message.get("body"):
                self.chunks.put_nowait(message["body"].decode())

        try:
            await app(scope, receive, send)
        finally:
            self.over.set()

    async def next(self) -> str:
        async with asyncio.timeout(WITHIN_S):
            return await self.chunks.get()

    async def told(self) -> list[str]:
        """Topics of the next message; what is said to keep the connection is passed over."""
        while not (chunk := await self.next()).startswith("event: news"):
            assert chunk.startswith(":"), chunk
        data = next(line for line in chunk.splitlines() if line.startswith("data: "))
        return list(json.loads(data.removeprefix("data: ")))

    async def end(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self.over.wait()


@contextlib.asynccontextmanager
async def listening(
    console: Console, window: Window, query: str = "", method: str = "GET"
) -> AsyncIterator[Stream]:
    secret = window.client.cookies.get(COOKIES.session)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/console/news",
        "raw_path": b"/console/news",
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"console.test"),
            (b"accept", b"text/event-stream"),
            (b"cookie", f"{COOKIES.session}={secret}".encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("console.test", 80),
    }
    stream = Stream()
    task = asyncio.create_task(stream.run(console.app, scope))
    try:
        async with asyncio.timeout(WITHIN_S):
            await stream.begun.wait()
        yield stream
    finally:
        stream.gone.set()
        async with asyncio.timeout(WITHIN_S):
            await task


async def happen(console: Console, *tidings: Tidings) -> None:
    for tell in console.fakes.store.criers:
        tell(tidings)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "EVERY_S", 0.05)


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_hears_what_is_committed(console: Console, role: Role) -> None:
    async with listening(console, await console.as_(role)) as stream:
        assert stream.status == 200
        assert (await stream.next()).splitlines()[0] == ": listening"
        async with console.desk.store.transaction() as tx:
            await tx.journal.append(
                JournalLine(
                    at=console.fakes.clock.now(), caller="system", verb="a.b", subject="acc_1"
                )
            )
        assert await stream.told() == ["journal"]


async def test_the_stream_is_let_through_by_proxies_and_kept_by_nobody(console: Console) -> None:
    async with listening(console, await console.as_()) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["cache-control"] == "no-store"
        first = (await stream.next()).splitlines()
        assert f"retry: {page.RETRY_MS}" in first


async def test_strangers_are_sent_to_sign_in(console: Console) -> None:
    stranger = await console.stranger()
    answer = await stranger.get("/console/news")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/sign-in")


async def test_news_of_one_page_comes_folded_and_not_more_often(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "EVERY_S", 0.3)
    loop = asyncio.get_running_loop()
    async with listening(console, await console.as_()) as stream:
        await happen(console, OF_ACCOUNT)
        assert await stream.told() == ["journal"]
        first_at = loop.time()
        for _ in range(50):
            await happen(console, OF_ACCOUNT)
            await happen(console, OF_RUN)
        assert await stream.told() == ["journal", "runs"]
        assert loop.time() - first_at > 0.25
        assert stream.chunks.empty()


async def test_news_for_many_pages_comes_to_one_after_the_other(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them reads its page again then, and the server has other things to do as well."""
    monkeypatch.setattr(page, "MOST_TOLD_PER_S", 20.0)
    loop = asyncio.get_running_loop()
    window = await console.as_()

    async def told_at(stream: Stream) -> float:
        assert await stream.told() == ["journal"]
        return loop.time()

    async with contextlib.AsyncExitStack() as open_windows:
        streams = [
            await open_windows.enter_async_context(listening(console, window)) for _ in range(5)
        ]
        for stream in streams:
            await stream.next()
        await happen(console, OF_ACCOUNT)
        told = sorted(await asyncio.gather(*map(told_at, streams)))
    assert told[-1] - told[0] > 4 / 20 * 0.9


def test_turns_come_one_after_the_other_and_at_once_where_nobody_waits() -> None:
    turns = Turns()
    gap = 1 / page.MOST_TOLD_PER_S
    assert [turns.take(5.0) for _ in range(3)] == pytest.approx([5.0, 5.0 + gap, 5.0 + 2 * gap])
    assert turns.take(60.0) == 60.0


def test_a_page_that_was_lost_comes_back_later_where_many_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = Places(100, 100)
    monkeypatch.setattr(page, "PLACES", places)
    assert page._come_back_ms() == page.RETRY_MS
    for _ in range(100):
        places.take("ses_1")
    found = {page._come_back_ms() for _ in range(50)}
    assert len(found) > 10
    assert min(found) >= page.RETRY_MS
    assert max(found) <= page.RETRY_MS + 100 / page.MOST_TOLD_PER_S * 1000


async def test_a_page_hears_only_what_concerns_it(console: Console) -> None:
    async with listening(console, await console.as_(), "for=account%3Aacc_2+topic%3Aruns") as one:
        await happen(console, OF_ACCOUNT, OF_NOBODY)
        await happen(console, Tidings(Topic.NOTICES, "acc_2", "term_ending"))
        assert await one.told() == ["notices"]
        await happen(console, OF_RUN)
        assert await one.told() == ["runs"]
        await happen(console, LOOK_AGAIN)
        assert await one.told() == ["everything"]


async def test_it_ends_at_once_when_the_session_is_revoked(console: Console) -> None:
    window = await console.as_(Role.SUPPORT)
    assert window.operator is not None
    admin = await console.as_(Role.ADMIN)
    assert admin.operator is not None
    async with listening(console, window) as stream, listening(console, admin) as other:
        await stream.next()
        await console.desk.sessions.revoke_all(
            window.operator.id, by=console.caller(admin.operator)
        )
        await stream.end()
        assert await other.told() == ["journal"]
        assert not other.over.is_set()


async def test_it_ends_when_the_session_was_idle_for_too_long_although_nothing_happened(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SESSION_EVERY_S", 0.05)
    window = await console.as_()
    async with listening(console, window) as stream:
        await stream.next()
        console.fakes.clock.move(days=8)
        await stream.end()


async def test_listening_keeps_no_session_alive(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SESSION_EVERY_S", 0.02)
    window = await console.as_()
    async with listening(console, window) as stream:
        await stream.next()
        for _ in range(4):
            console.fakes.clock.move(hours=3, minutes=10)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await stream.over.wait()
        await stream.end()


async def test_it_ends_when_no_news_would_come(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SESSION_EVERY_S", 0.02)
    async with listening(console, await console.as_()) as stream:
        await stream.next()
        console.fakes.news.away = True
        await stream.end()


async def test_a_database_that_is_away_ends_no_stream(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SESSION_EVERY_S", 0.02)
    async with listening(console, await console.as_()) as stream:
        await stream.next()
        console.fakes.store.down = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await stream.over.wait()
        console.fakes.store.down = False
        await happen(console, OF_ACCOUNT)
        assert await stream.told() == ["journal"]


async def test_it_ends_with_the_server(console: Console) -> None:
    async with listening(console, await console.as_()) as stream:
        await stream.next()
        await console.desk.news.close()
        await stream.end()
        assert not stream.gone.is_set()


async def test_a_browser_that_went_leaves_nothing_behind(console: Console) -> None:
    async with listening(console, await console.as_()) as stream:
        await stream.next()
        assert console.fakes.news.listening == 1
        assert page.PLACES.taken == 1
    assert console.fakes.news.listening == 0
    assert page.PLACES.taken == 0


async def test_asking_for_the_head_alone_ends_and_leaves_nothing_behind(console: Console) -> None:
    async with listening(console, await console.as_(), method="HEAD") as stream:
        await stream.end()
        assert stream.status == 200
    assert console.fakes.news.listening == 0
    assert page.PLACES.taken == 0


async def test_a_session_has_so_many_streams_and_is_told_when_to_come_back(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PLACES", Places(3, 2))
    window = await console.as_(Role.SUPPORT)
    async with listening(console, window), listening(console, window):
        answer = await window.get("/console/news")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        async with listening(console, await console.as_(Role.ADMIN)) as other:
            assert other.status == 200
            # Now the house is full.
            full = await (await console.as_(Role.AUDITOR)).get("/console/news")
            assert full.status_code == 503
        async with listening(console, await console.as_(Role.AUDITOR)) as free:
            assert free.status == 200


async def test_a_stream_says_now_and_then_that_it_lives(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PING_EVERY_S", 0.05)
    async with listening(console, await console.as_()) as stream:
        await stream.next()
        assert (await stream.next()).strip() == ": here"


# --- whom it concerns -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hears", "does_not"),
    [
        ("*", [OF_ACCOUNT, OF_NOBODY, MANY, LOOK_AGAIN], []),
        ("", [LOOK_AGAIN], [OF_ACCOUNT, OF_NOBODY, MANY]),
        ("account:acc_1", [OF_ACCOUNT, OF_RUN, MANY, LOOK_AGAIN], [OF_NOBODY]),
        ("account:acc_2", [MANY, LOOK_AGAIN], [OF_ACCOUNT, OF_RUN, OF_NOBODY]),
        ("topic:journal", [OF_ACCOUNT, OF_NOBODY, LOOK_AGAIN], [OF_RUN, MANY]),
        ("account: topic: nobody:knows x", [LOOK_AGAIN], [OF_ACCOUNT, MANY]),
    ],
)
def test_concern(text: str, hears: list[Tidings], does_not: list[Tidings]) -> None:
    concern = Concern.read(text)
    assert [one for one in hears if not concern.hears(one)] == []
    assert [one for one in does_not if concern.hears(one)] == []


def test_a_page_that_names_too_much_is_heard_in_part() -> None:
    concern = Concern.read(" ".join(f"account:acc_{number}" for number in range(100)))
    assert len(concern.account_ids) == 20


def test_whoever_is_bound_hears_of_his_own_alone() -> None:
    everywhere = Caller(kind=CallerKind.OPERATOR)
    of_one = Caller(kind=CallerKind.API_KEY, account_ids=frozenset({"acc_1"}))
    of_instance = Caller(kind=CallerKind.API_KEY, client_instance_id="ins_1")
    told = (OF_ACCOUNT, OF_NOBODY, Tidings(Topic.RUNS, "acc_2", "run_2"), MANY, LOOK_AGAIN)
    assert [is_within_reach(one, everywhere) for one in told] == [True] * 5
    assert [is_within_reach(one, of_one) for one in told] == [True, False, False, True, True]
    assert [is_within_reach(one, of_instance) for one in told] == [False, False, False, True, True]
