"""Comparing what happened in the simulated day with what had to.

Answers for: what Evergrant's own books say (changes, runs, events, why something waits), what
Amazon has at the end, and the table that the test shows. Does not answer for: what has to be
(day_oracle).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.rights import SYSTEM
from tests.journeys.day_oracle import End, Oracle
from tests.journeys.day_plan import KINDS, Line, Shop
from tests.journeys.day_world import World

__all__ = ["Books"]

PAGE = 1_000
EVENTS = 100
ENDS = ("accepted", "refused", "superseded", "pending")
HATCH = ("refused", "duplicate", "superseded")


@dataclass
class Books:
    """What came of it, and what is wrong with that, in words."""

    world: World
    oracle: Oracle
    all_orders: bool = True  # there was time to look for all of them
    changes: dict[str, Change] = field(default_factory=dict)
    runs: list[FeedRun] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    wrong_lines: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    async def read(self) -> None:
        for account_id in self.world.accounts.values():
            after: str | None = None
            while True:
                async with self.world.desk.store.transaction() as tx:
                    page = await tx.changes.read(account_id=account_id, after=after, limit=PAGE)
                self.changes |= {one.id: one for one in page}
                if len(page) < PAGE:
                    break
                after = page[-1].id
        async with self.world.desk.store.transaction() as tx:
            self.runs = await tx.feed_runs.all()

    async def judge(self) -> None:
        self.wrong += self.world.strange
        for line in self.world.plan.lines:
            self._judge_line(line)
        known = set(self.world.changes.values())
        self.wrong += [f"{one} came from nowhere" for one in set(self.changes) - known]
        self.wrong += [
            f"run {run.id} ({run.path}) is {run.step} at the end: {run.last_error}"
            for run in self.runs
            if run.ended_at is None
        ]
        await self._judge_events()
        await self._judge_waits()
        judges = {"seller": self._seller, "retail": self._retail, "direct": self._direct}
        for shop in self.world.plan.shops:
            for words in judges[shop.role](shop, self.world.partners[shop.number]):
                self.wrong.append(f"{shop.name}, at Amazon: {words}")

    # --- lines --------------------------------------------------------------------------------

    def _judge_line(self, line: Line) -> None:
        told = f"line {line.number} ({line.shop.name}, wave {line.wave}, {line.kind}, {line.sort})"
        said = self.oracle.said[line.number]
        fate, fields = self.world.answers[line.number]
        if fate != said.fate or (said.field and said.field not in fields):
            self._off(line, f"{told}: {fate} {fields} at the hatch, not {said}")
            return
        if fate != "taken":
            return
        change = self.changes.get(self.world.changes[line.number])
        if change is None:
            self._off(line, f"{told}: was lost")
        elif not _fits(change, end := self.oracle.ends[line.number]):
            got = f"{change.state.value} {change.code!r} {change.message!r}"
            self._off(line, f"{told}: {got} after {change.tries} tries, not {end}")

    def _off(self, line: Line, words: str) -> None:
        self.wrong_lines[line.kind] += 1
        self.wrong.append(words)

    # --- what was told ------------------------------------------------------------------------

    async def _judge_events(self) -> None:
        """Of every run that is over, once, with its counts."""
        told: Counter[str] = Counter()
        counts: dict[str, int] = {}
        orders: Counter[tuple[str, str]] = Counter()
        after = 0
        while True:
            page = await self.world.desk.post.events(by=SYSTEM, after=after, limit=EVENTS)
            for one in page:
                self.events[one.topic] += 1
                if one.topic == "feed.settled":
                    told[one.facts["run_id"]] += 1
                    counts[one.facts["run_id"]] = one.facts["changes"]
                elif one.topic == "order.received":
                    orders[one.facts["account_id"], one.facts["order_id"]] += 1
                after = one.position
            if len(page) < EVENTS:
                break
        for run in self.runs:
            times = told.pop(run.id, 0)
            if times != 1 or counts[run.id] != run.changes:
                self.wrong.append(f"of run {run.id} ({run.path}) {times} events tell")
        self.wrong += [f"an event tells of run {one}, which is not there" for one in told]
        if self.all_orders:
            self._judge_orders(orders)

    def _judge_orders(self, told: Counter[tuple[str, str]]) -> None:
        """Each order of a seller to which something happened is handed on once."""
        wanted = self.oracle.amazon
        changed = {*wanted.packages, *wanted.cancelled, *wanted.refunds}
        for shop in self.world.plan.shops:
            if shop.role != "seller" or shop.number in self.oracle.lapsed:
                continue
            account_id = self.world.accounts[shop.number]
            of_shop = Counter({name: n for (of, name), n in told.items() if of == account_id})
            for words in _once("order", of_shop, self._of(shop, changed)):
                self.wrong.append(f"{shop.name}, handed on: {words}")

    async def _judge_waits(self) -> None:
        async with self.world.desk.store.transaction() as tx:
            rows = {row.id: row for row in await tx.work.all()}
        for shop in self.world.plan.shops:
            row = rows[self.world.accounts[shop.number]]
            said = {kind: {one["why"] for one in several} for kind, several in row.waits.items()}
            wanted = {
                kind: {why} for (of, kind), why in self.oracle.waits.items() if of == shop.number
            }
            if said != wanted:
                self.wrong.append(f"{shop.name} waits, as is told, for {said}, not {wanted}")

    # --- what Amazon has ----------------------------------------------------------------------

    def _seller(self, shop: Shop, partner: dict[str, Any]) -> Iterator[str]:
        partner_id, wanted = partner["selling_partner_id"], self.oracle.amazon
        ids = {row["country_code"]: row["id"] for row in partner["participations"]}
        listed = {
            one["sku"]: one for one in self.world.amazon.listings_of(partner_id, limit=25_000)
        }
        for sku in shop.skus:
            has, price = listed[sku]["stock"], listed[sku]["price"]
            stock = wanted.stock.get((shop.number, sku), 1)
            if has != {"DEFAULT": stock}:
                yield f"{has} of {sku}, not {stock}"
            for country in shop.marketplaces:
                asked = wanted.prices.get((shop.number, sku, country), "7")
                got = price.get(ids[country], {}).get("amount")
                if got is None or Decimal(str(got)) != Decimal(asked):
                    yield f"{sku} costs {got} in {country}, not {asked}"
        for extra in set(listed) - {*shop.skus, "BAD-1"}:
            yield f"{extra} is listed"
        orders = {one["order_id"]: one for one in self.world.amazon.orders_of(partner_id)}
        for made in shop.orders:
            yield from self._order(shop, made, orders[made["order_id"]])
        uploads = self.world.amazon.pull("GET", "/orders/invoices", selling_partner_id=partner_id)
        taken = Counter(one["invoice_number"] for one in uploads["items"] if one["accepted"])
        yield from _once("invoice", taken, self._of(shop, wanted.invoices))

    def _order(self, shop: Shop, made: dict[str, Any], has: dict[str, Any]) -> Iterator[str]:
        wanted, key = self.oracle.amazon, (shop.number, made["order_id"])
        if (has["cancellation"] is not None and has["cancellation"]["by"] == "MERCHANT") != (
            key in wanted.cancelled
        ):
            yield f"order {key[1]}: cancellation {has['cancellation']}"
        if made["status"] == "UNSHIPPED":
            numbers = {
                one["package_reference_id"]: one["tracking_number"] for one in has["packages"]
            }
            asked = {"1": wanted.packages[key]} if key in wanted.packages else {}
            if numbers != asked or len(has["shipments"]) != len(asked):
                yield f"order {key[1]}: packages {numbers}, not {asked}"
        paid = sorted(Decimal(one["amount"]) for one in has["refunds"])
        asked_back = sorted(wanted.refunds.get(key, []))
        if [abs(one) for one in paid] != asked_back:
            yield f"order {key[1]}: refunds {paid}, not {asked_back}"

    def _retail(self, shop: Shop, partner: dict[str, Any]) -> Iterator[str]:
        amazon, wanted, path = self.world.amazon, self.oracle.amazon, f"/vendors/{_id(partner)}"
        has = amazon.pull("GET", f"{path}/shipments")["confirmations"]
        sent = Counter({one["identifier"]: one["versions"] for one in has})
        yield from _once("shipment", sent, self._of(shop, wanted.announced))
        invoices = amazon.pull("GET", f"{path}/invoices")["retail"]
        billed = Counter(one["number"] for one in invoices)
        yield from _once("invoice", billed, self._of(shop, wanted.invoices))
        made = {one["number"] for one in shop.orders}
        refused = Counter(
            {
                one["number"]: len(one["lines"][0]["answers"])
                for one in amazon.purchase_orders_of(_id(partner))
                if one["number"] in made and one["lines"][0]["answers"]
            }
        )
        # A later answer takes the place of the earlier one: told twice, nothing is different.
        yield from _once("refusal", Counter(list(refused)), self._of(shop, wanted.cancelled))

    def _direct(self, shop: Shop, partner: dict[str, Any]) -> Iterator[str]:
        amazon, wanted = self.world.amazon, self.oracle.amazon
        path = f"/vendors/{_id(partner)}"
        rows = amazon.pull("GET", f"{path}/inventory")["warehouses"].get("WH01", [])
        stock = {row["sku"]: row["amount"] for row in rows}
        asked = {sku: count for (of, sku), count in wanted.stock.items() if of == shop.number}
        if stock != asked or len(rows) != len(asked):
            yield f"stock {stock}, not {asked}"
        invoices = amazon.pull("GET", f"{path}/invoices")["direct"]
        billed = Counter(one["number"] for one in invoices)
        yield from _once("invoice", billed, self._of(shop, wanted.invoices))
        orders = amazon.direct_orders_of(_id(partner))
        shipped = Counter(one["number"] for one in orders if one["shipment"] is not None)
        parcels = {order_id for of, order_id in wanted.packages if of == shop.number}
        yield from _once("parcel", shipped, parcels)
        refused = Counter(one["number"] for one in orders if one["status"] == "CANCELLED")
        yield from _once("refusal", refused, self._of(shop, wanted.cancelled))

    @staticmethod
    def _of(shop: Shop, wanted: Iterable[tuple[int, str]]) -> set[str]:
        return {name for of, name in wanted if of == shop.number}

    # --- the table ----------------------------------------------------------------------------

    def table(self, says: Iterable[str]) -> str:
        """By kind: what was handed in, how it was answered, how it ended, expected and happened."""
        heads = ("lines", *(f"hatch {word}" for word in HATCH), *ENDS, "other", "wrong")
        lines = [*says, "", f"{'':14}" + "".join(f"{head:>17}" for head in heads)]
        rows = [self._row(kind) for kind in KINDS]
        rows.append([sum(column) for column in zip(*rows, strict=True)])
        for kind, row in zip((*KINDS, "all"), rows, strict=True):
            lines.append(f"{kind:14}" + "".join(f"{count:17,}" for count in row))
        runs = Counter(run.path.value for run in self.runs)
        took = Counter[str]()
        for run in self.runs:
            took[run.path.value] += run.changes
        lines += ["", f"{'':26}{'runs':>8}{'changes':>10}"]
        lines += [f"{path:26}{count:8,}{took[path]:10,}" for path, count in sorted(runs.items())]
        return "\n".join(lines)

    def _row(self, kind: str) -> list[int]:
        mine = [line for line in self.world.plan.lines if line.kind == kind]
        said = Counter(self.world.answers[line.number][0] for line in mine)
        ends = Counter(
            self.changes[self.world.changes[line.number]].state.value
            for line in mine
            if self.world.changes.get(line.number) in self.changes
        )
        other = sum(ends.values()) - sum(ends[word] for word in ENDS)
        return [
            len(mine),
            *(said[word] for word in HATCH),
            *(ends[word] for word in ENDS),
            other,
            self.wrong_lines[kind],
        ]


def _fits(change: Change, end: End) -> bool:
    if change.state.value not in end.how.split(" or "):
        return False
    return end.how != "refused" or (end.code in ("", change.code) and end.words in change.message)


def _once(what: str, has: Counter[str], wanted: set[str]) -> Iterator[str]:
    for name in sorted(set(has) | wanted):
        times = 1 if name in wanted else 0
        if has[name] != times:
            yield f"{what} {name} is there {has[name]} times, not {times}"


def _id(partner: dict[str, Any]) -> str:
    return str(partner["selling_partner_id"])
