"""A small Amazon and processes of Evergrant with a gate each, over one store and one set of
buckets, in virtual time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from evergrant.calls import Asked, Calls, Leave
from evergrant.limits import Limits
from evergrant.ports.amazon import Answer
from evergrant.ports.budgets import Queued, Taken, Wish
from evergrant.ports.things import PlanOverride
from evergrant.rules.marketplaces import STANDARD, Marketplaces
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.testing.budgets import MemoryBudgets
from evergrant.tokens import Tokens
from tests.rooms.mint_ground import Ground, Held, Stopwatch
from tests.rooms.virtual_time import VirtualTime

#: Reads, writes and sees personal data at Amazon; gets no access token.
PROGRAM = Caller(
    kind=CallerKind.API_KEY,
    id="key_1",
    name="ERP",
    rights=frozenset({Right.AMAZON_READ, Right.AMAZON_WRITE, Right.PERSONAL_DATA}),
)
OTHER = dataclasses.replace(PROGRAM, id="key_2", name="Script")

#: Two a second at most, a burst of 15; reading.
PATH = "/reports/2021-06-30/reports/42"
OPERATION = "reports.2021-06-30.getReport"
SELLERS = "/sellers/v1/marketplaceParticipations"
OK = Answer(status=200, headers={"x-amzn-RequestId": "amazon-1"}, body=b'{"payload":[]}')


class _Watch(Stopwatch):
    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def __call__(self) -> float:
        return self._time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._time.sleep(seconds)


class ToldBudgets(MemoryBudgets):
    """That remember what they were asked."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.wishes: list[Wish] = []
        self.answers: list[Taken | Queued] = []
        self.given_back: list[tuple[str, int]] = []
        self.left_lines: list[str] = []
        self.learned: list[tuple[str, float]] = []
        self.drained: list[tuple[str, ...]] = []

    @property
    def taken(self) -> int:
        """Permits that are out: taken and never given back."""
        out = sum(answer.permits for answer in self.answers if isinstance(answer, Taken))
        return out - sum(permits for _, permits in self.given_back)

    async def take(self, wish: Wish) -> Taken | Queued:
        self.wishes.append(wish)
        answer = await super().take(wish)
        self.answers.append(answer)
        return answer

    async def give_back(self, shares: Any, permits: int, *, receipts: Any) -> None:
        await super().give_back(shares, permits, receipts=receipts)
        self.given_back.append((shares[0].bucket, permits))

    async def leave_line(self, wish: Wish) -> None:
        await super().leave_line(wish)
        self.left_lines.append(wish.ticket)

    async def learn(self, bucket: str, reported_rate_per_s: float) -> None:
        await super().learn(bucket, reported_rate_per_s)
        self.learned.append((bucket, reported_rate_per_s))

    async def drain(self, shares: Any) -> None:
        await super().drain(shares)
        self.drained.append(tuple(share.bucket for share in shares))

    def standing(self) -> list[str]:
        """Tickets that stand in any line."""
        return [ticket.name for bucket in self.buckets.values() for ticket in bucket.line]


@dataclass
class Process:
    tokens: Tokens
    limits: Limits
    calls: Calls

    async def close(self) -> None:
        await self.calls.close()
        await self.limits.close()
        await self.tokens.close()


class GateGround(Ground):
    """Everything of `Ground`, and gates on it."""

    def __init__(self) -> None:
        super().__init__()
        self.time = VirtualTime(self.clock)
        self.watch = _Watch(self.time)
        self.budgets = ToldBudgets(self.clock)
        self.processes: list[Process] = []
        self.one = self.gate()
        self.calls = self.one.calls
        for method in ("GET", "POST", "PUT", "DELETE"):
            self.api.answer(method, SELLERS, OK)
        self.api.answer("GET", PATH, OK)

    def gate(
        self,
        *,
        budgets: Any = None,
        marketplaces: Marketplaces = STANDARD,
        jitter: float = 0.5,
        **settings: Any,
    ) -> Process:
        """One more process."""
        budgets = budgets or self.budgets
        tokens = self.process()
        limits = Limits(self.store, self.clock, budgets, self.time.monotonic)
        calls = Calls(
            tokens=tokens,
            selling_partner_api=self.api,
            marketplaces=marketplaces,
            store=self.store,
            budgets=budgets,
            limits=limits,
            monotonic=self.time.monotonic,
            sleep=self.time.sleep,
            jitter=lambda: jitter,
            **settings,
        )
        made = Process(tokens, limits, calls)
        self.processes.append(made)
        return made

    async def shop(self, **wishes: Any) -> Held:
        """A connected account of an application and an instance of its own."""
        return await self.account(await self.application(), await self.instance(), **wishes)

    def asked(self, held: Held | str, path: str = PATH, method: str = "GET", **more: Any) -> Asked:
        account_id = held if isinstance(held, str) else held.account_id
        return Asked(account_id=account_id, method=method, path=path, **more)

    async def plan(
        self, operation: str, rate_per_s: float, burst: int, *, of_application: bool = False
    ) -> None:
        """An operator sets this plan, for all accounts."""
        now = self.clock.now()
        async with self.store.transaction() as tx:
            await tx.plan_overrides.put(
                PlanOverride(
                    id=f"{operation}{of_application}",
                    operation=operation,
                    rate_per_s=rate_per_s,
                    burst=burst,
                    of_application=of_application,
                    created_at=now,
                    changed_at=now,
                )
            )

    async def admit(self, held: Held, calls: Calls | None = None, **more: Any) -> Leave:
        by = more.pop("by", PROGRAM)
        return await (calls or self.calls).admit(self.asked(held, **more), by=by)

    async def close(self) -> None:
        """Everybody goes home; time passes while they do."""
        for process in self.processes:
            await self.time.result(process.close())
