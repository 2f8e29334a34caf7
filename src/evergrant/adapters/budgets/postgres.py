"""Budgets in PostgreSQL: one statement for all that is asked at about the same time.

Answers for: ``ports.Budgets``; what is asked while a statement is under way goes together in the
next one; dead connections. Does not answer for: the arithmetic.

A statement locks its buckets in the order of their names and looks at the database's clock after
that, so whatever process a permit goes to, its instant is after those of all permits before it.
So it is under a steered clock, which costs a second statement.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from evergrant.adapters.budgets import asks
from evergrant.adapters.budgets.asks import Ask, Said
from evergrant.adapters.store.address import to_psycopg, with_options
from evergrant.adapters.store.trouble import plainly
from evergrant.errors import StoreUnavailable
from evergrant.ports.budgets import Level, Queued, Share, Taken, Wish
from evergrant.rules.budgets import LOW_SHARE, is_rate

__all__ = ["PostgresBudgets", "open_budgets"]

_ANSWER: LiteralString = "SELECT * FROM budgets_answer(%s::text[], %s::jsonb, %s::float8)"
#: As the function does itself, when it is to be told the instant.
_LOCK: LiteralString = """
    SELECT 1 FROM budgets WHERE bucket = ANY (%s::text[]) ORDER BY bucket FOR UPDATE
"""
#: In the order of names, as two who make the same buckets wait for each other.
_MAKE: LiteralString = """
    INSERT INTO budgets (bucket, rate_per_s, burst, fixed, theoretical_arrival_s, forgiven_s,
                         line_tickets, line_importances, line_arrived_s, line_dies_s)
    SELECT bucket, rate_per_s, burst, fixed, '-Infinity', 0, '{}', '{}', '{}', '{}'
      FROM unnest(%s::text[], %s::float8[], %s::int[], %s::bool[])
        AS wished (bucket, rate_per_s, burst, fixed)
     ORDER BY bucket COLLATE "C"
        ON CONFLICT (bucket) DO NOTHING
"""
_LOOK: LiteralString = """
    SELECT *, extract(epoch FROM clock_timestamp())::float8 AS now_s FROM budgets
     WHERE bucket >= %(from)s AND bucket < %(before)s ORDER BY bucket
"""
#: What is missing of a bucket, of what it holds; who has the whole of it stands at -Infinity.
_LOW: LiteralString = """
    SELECT * FROM (
        SELECT *, (theoretical_arrival_s - now_s) * rate_per_s / burst AS missing
          FROM (SELECT *, coalesce(%(now_s)s::float8, extract(epoch FROM clock_timestamp())::float8)
                          AS now_s FROM budgets) AS b
         WHERE theoretical_arrival_s > now_s AND burst > 1) AS b
     WHERE missing > 1 - greatest(%(share)s::float8, 1.0 / burst)
     ORDER BY least(missing, 1) DESC, bucket COLLATE "C"
     LIMIT %(most)s
"""
#: No name of a bucket has it: it is not printable.
_BEHIND_ALL_NAMES = "\U0010ffff"


async def open_budgets(
    url: str, *, connections: int = 2, now_s: Callable[[], float] | None = None
) -> PostgresBudgets:
    """Budgets on the migrated database at ``url``, with up to ``connections`` statements under way.
    ``now_s`` replaces the database's clock, for tests and for a clock that is steered.

    Raises Misconfigured for a bad ``url`` and StoreUnavailable when nothing answers there, or has
    no such tables. Belongs to the event loop that opened it.
    """
    budgets = PostgresBudgets(url, connections=connections, now_s=now_s)
    try:
        await budgets.open()
    except BaseException:
        await budgets.close()
        raise
    return budgets


class PostgresBudgets:
    """``ports.Budgets``. Made by ``open_budgets``.

    ``now_s`` replaces the database's clock, for tests.
    """

    #: Seconds that an ask waits for a living connection.
    PATIENCE_S = 5.0
    #: Seconds that a statement waits for somebody else's lock.
    LOCK_PATIENCE_S = 5.0
    #: Seconds after which a server that took the question is taken to be gone. More than a wait for
    #: a lock lasts, so that whoever met one hears of the lock.
    SILENCE_S = 7.5
    #: How many asks go together. A statement locks their buckets until its end.
    TOGETHER = 64

    def __init__(
        self,
        url: str,
        *,
        connections: int = 2,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self._conninfo = _conninfo(url, self.PATIENCE_S, self.LOCK_PATIENCE_S)
        self._now_s = now_s
        self._asked: deque[Ask] = deque()
        self._free_lanes = connections
        self._lanes: set[asyncio.Task[None]] = set()
        self._saying: set[asyncio.Future[list[Said]]] = set()
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            self._conninfo,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 0,
                "application_name": "evergrant budgets",
            },
            min_size=1,
            max_size=connections,
            timeout=self.PATIENCE_S,
            open=False,
            name="evergrant-budgets",
        )

    async def open(self) -> None:
        # Once without a pool: a pool says that it waited in vain, libpq says why.
        try:
            with plainly():
                connection = await psycopg.AsyncConnection.connect(
                    self._conninfo, connect_timeout=round(self.PATIENCE_S)
                )
                async with connection:
                    await connection.execute("SELECT 1 FROM budgets LIMIT 0")
        except StoreUnavailable as error:
            if isinstance(error.__cause__, psycopg.OperationalError):
                raise StoreUnavailable(f"The database does not answer: {error.__cause__}") from None
            raise
        await self._pool.open()

    async def close(self) -> None:
        """Waits for what is under way."""
        while self._lanes:
            await asyncio.gather(*self._lanes)
        await self._pool.close()

    async def take(self, wish: Wish) -> Taken | Queued:
        return asks.read_answer(await self._answer(asks.taking(wish)))

    async def give_back(
        self, shares: Sequence[Share], permits: int, *, receipts: Sequence[float]
    ) -> None:
        buckets = [share.bucket for share in shares]
        await self._answer(asks.giving_back(buckets, permits, receipts))

    async def leave_line(self, wish: Wish) -> None:
        if wish.ticket:
            await self._answer(asks.leaving_line(wish))

    async def learn(self, bucket: str, reported_rate_per_s: float) -> None:
        if is_rate(reported_rate_per_s):
            await self._answer(asks.learning(bucket, reported_rate_per_s))

    async def drain(self, shares: Sequence[Share]) -> None:
        await self._answer(asks.draining(shares))

    async def look(self, prefix: str) -> Sequence[Level]:
        if not prefix.isprintable():
            return []  # no bucket has such a name
        rows = await self._read(_LOOK, {"from": prefix, "before": prefix + _BEHIND_ALL_NAMES})
        return [
            Level.of(
                row["bucket"],
                asks.read_bucket(row),
                row["now_s"] if self._now_s is None else self._now_s(),
            )
            for row in rows
        ]

    async def low(self, *, limit: int) -> Sequence[Level]:
        now_s = None if self._now_s is None else self._now_s()
        rows = await self._read(_LOW, {"now_s": now_s, "share": LOW_SHARE, "most": limit})
        return [Level.of(row["bucket"], asks.read_bucket(row), row["now_s"]) for row in rows]

    async def _read(self, asked: LiteralString, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        with plainly():
            try:
                return await self._rows(asked, values)
            except _NOBODYS_DEATH:
                raise
            except psycopg.OperationalError:
                await self._pool.check()
                return await self._rows(asked, values)

    async def _rows(self, asked: LiteralString, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(asked, values)
            return await cursor.fetchall()

    # --- together ---

    async def _answer(self, ask: Ask) -> Said:
        ask.answer = asyncio.get_running_loop().create_future()
        self._send(ask)
        return await ask.answer

    def _send(self, ask: Ask) -> None:
        self._asked.append(ask)
        if self._free_lanes:
            self._free_lanes -= 1
            lane = asyncio.create_task(self._run_lane())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)

    async def _run_lane(self) -> None:
        try:
            while together := self._next_together():
                await self._settle(together)
        finally:
            # Here, as the task itself is done only after those whom it answered have asked again.
            self._free_lanes += 1

    def _next_together(self) -> list[Ask]:
        together: list[Ask] = []
        while self._asked and len(together) < self.TOGETHER:
            ask = self._asked.popleft()
            if not (ask.verb == "take" and ask.nobody_waits):
                together.append(ask)
        return together

    async def _settle(self, together: list[Ask]) -> None:
        try:
            with plainly():
                said = await self._in_time(self._say(together))
        except Exception as error:  # noqa: BLE001 - whoever waits has to hear of it
            for ask in together:
                if ask.answer is not None and not ask.answer.done():
                    ask.answer.set_exception(error)
            return
        for ask, answer in zip(together, said, strict=True):
            if ask.answer is None:
                continue
            if not ask.answer.done():
                ask.answer.set_result(answer)
            elif ask.verb == "take" and answer[0] > 0:
                # Whoever wished for them went away meanwhile.
                self._send(asks.giving_back(ask.buckets, answer[0], answer[5]))

    async def _in_time(self, saying: Coroutine[Any, Any, list[Said]]) -> list[Said]:
        """A server that took the question and says nothing more is as good as none. Its connection
        is given up in the background, as that takes its time too."""
        under_way = asyncio.ensure_future(saying)
        self._saying.add(under_way)
        under_way.add_done_callback(self._said)
        try:
            await asyncio.wait({under_way}, timeout=self.SILENCE_S)
            if under_way.done():
                return under_way.result()
            raise StoreUnavailable("The database does not answer any longer.")
        finally:
            under_way.cancel()

    def _said(self, under_way: asyncio.Future[list[Said]]) -> None:
        self._saying.discard(under_way)
        if not under_way.cancelled():
            under_way.exception()  # looked at: whoever waited was told

    async def _say(self, together: Sequence[Ask]) -> list[Said]:
        try:
            return await self._execute(together)
        except _NOBODYS_DEATH:
            raise
        except psycopg.OperationalError:
            await self._pool.check()
            return await self._execute([ask.repeated() for ask in together])

    async def _execute(self, together: Sequence[Ask]) -> list[Said]:
        names = sorted({name for ask in together for name in ask.buckets})
        told = json.dumps([ask.told for ask in together])
        async with self._pool.connection() as connection:
            said = await self._ask(connection, names, told)
            if any(answer[0] == _NO_BUCKET for answer in said):
                await connection.execute(_MAKE, _to_make(together))
                said = await self._ask(connection, names, told)
        return said

    async def _ask(
        self, connection: psycopg.AsyncConnection[Any], names: list[str], told: str
    ) -> list[Said]:
        if self._now_s is None:
            cursor = await connection.execute(_ANSWER, (names, told, None), binary=True)
            return await cursor.fetchall()
        async with connection.transaction():
            # Looked at before the wait for the lock, the clock would show an instant of before the
            # last permit. More would be missing then than can be, which is forgiven.
            await connection.execute(_LOCK, (names,))
            cursor = await connection.execute(_ANSWER, (names, told, self._now_s()), binary=True)
            return await cursor.fetchall()


#: Nothing is wrong with the connection, and whoever waited once is not made to wait again.
_NOBODYS_DEATH = (PoolTimeout, pg.LockNotAvailable, pg.DeadlockDetected, pg.QueryCanceled)
#: Instead of permits: a bucket is not there, and nothing was done.
_NO_BUCKET = -1


def _to_make(together: Sequence[Ask]) -> tuple[list[Any], ...]:
    """Columns of the buckets that may be missing, each once."""
    shares = {share.bucket: share for ask in together for share in ask.shares}.values()
    return (
        [share.bucket for share in shares],
        [float(share.plan.rate_per_s) for share in shares],
        [share.plan.burst for share in shares],
        [share.fixed for share in shares],
    )


def _conninfo(url: str, patience_s: float, lock_patience_s: float) -> str:
    conninfo = with_options(
        to_psycopg(url),
        timezone="UTC",
        # A crash of the server may lose the last half second of permits; waiting for the disk
        # would cost every permit milliseconds.
        synchronous_commit="off",
        lock_timeout=f"{round(lock_patience_s * 1000)}ms",
    )
    # A server that is gone without a word must not hold up a permit for a quarter of an hour.
    own = conninfo_to_dict(conninfo)
    return (
        conninfo
        if "tcp_user_timeout" in own
        else make_conninfo(conninfo, tcp_user_timeout=round(patience_s * 1000))
    )
