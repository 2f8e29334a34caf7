"""The world of the simulated day: Amazon (the emulator), the house, its accounts and what they do.

Answers for: both clocks, moved together; what Amazon has at first; handing in, switches, pauses,
ends of authorizations and renewals, each by a verb of a room; bad weather. Does not answer for:
when who does what (day_plan), for carrying anything to Amazon (nodes), or for what follows.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from amazon_emulator import Levers
from demo.stage import Emulator
from evergrant.accounts import NewAccount
from evergrant.desk import Desk
from evergrant.feeds.taken import Taken
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.changes import FLAGS, ChangeKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from tests.journeys.day_plan import FAILING, Act, Line, Plan, Shop, acts_at, wave_at

__all__ = ["World"]

#: How long Amazon takes, by type: waiting, and working.
PACES = {
    "JSON_LISTINGS_FEED": (30, 110),
    "POST_ORDER_ACKNOWLEDGEMENT_DATA": (20, 60),
    "POST_PAYMENT_ADJUSTMENT_DATA": (30, 70),
    "UPLOAD_VAT_INVOICE": (10, 20),
}
#: What fails after a wave: face, mode, how often, and of which operation.
WEATHER: dict[int, tuple[tuple[str, str, int, str], ...]] = {
    0: (("spapi", "500", 1, "createFeed"), ("spapi", "500_after", 1, "patchListingsItem")),
    1: (
        ("spapi", "drop_after", 1, "createFeed"),
        ("spapi", "drop_after", 2, "patchListingsItem"),
        ("spapi", "500_after", 2, "confirmShipment"),
        ("spapi", "503", 1, "getFeed"),
    ),
    2: (
        ("spapi", "500_after", 2, "createFeed"),
        ("spapi", "drop", 1, "createFeedDocument"),
        ("spapi", "drop_after", 1, "submitInvoices"),
        ("spapi", "drop_after", 1, "confirmShipment"),
        ("documents", "500", 1, "download"),
        ("documents", "drop", 1, "upload"),
        ("lwa", "503", 1, ""),
    ),
    3: (("spapi", "drop", 1, "createFeed"), ("spapi", "500_after", 2, "createFeed")),
}
YEAR = timedelta(days=365)
LONG_AGO = timedelta(days=40)
AT_ONCE = 6


@dataclass
class World:
    plan: Plan
    emulator: Emulator
    desk: Desk
    folder: Path
    application_id: str = ""  # ours
    instance_id: str = ""
    amazon_id: str = ""
    #: By number of the shop.
    partners: dict[int, dict[str, Any]] = field(default_factory=dict)
    accounts: dict[int, str] = field(default_factory=dict)
    #: By number of the line: what the hatch answered, and the change that was made of it.
    answers: dict[int, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    changes: dict[int, str] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    weather: int = 0

    def __post_init__(self) -> None:
        self.amazon = Levers(self.emulator.addresses["levers"])

    # --- time ---------------------------------------------------------------------------------

    def move(self, to: datetime) -> None:
        """Amazon's clock first: its buckets are never emptier than Evergrant believes."""
        self.amazon.set_clock(to)
        fresh = self.folder / "clock.new"
        fresh.write_text(str((to - datetime.now(UTC)).total_seconds()))
        fresh.replace(self.folder / "clock")

    async def due(self) -> datetime | None:
        """The next instant at which an account has something to do."""
        async with self.desk.store.transaction() as tx:
            rows = await tx.work.all()
        return min((row.due_at for row in rows if row.due_at is not None), default=None)

    # --- the beginning ------------------------------------------------------------------------

    async def begin(self) -> None:
        # Orders came so long ago that nobody looks for them, unless something happens to them.
        self.move(wave_at(0) - LONG_AGO)
        self.amazon.pull("PATCH", "/world/listings/habits", {"unknown_skus": "refuse"})
        for feed_type, (queue_s, processing_s) in PACES.items():
            self.amazon.pace_feeds(feed_type=feed_type, queue_s=queue_s, processing_s=processing_s)
        with ThreadPoolExecutor(4) as hands:
            loop = asyncio.get_running_loop()
            await asyncio.gather(
                *(loop.run_in_executor(hands, self._furnish, shop) for shop in self.plan.shops)
            )
        self.move(wave_at(0) - timedelta(hours=1))
        await self._register()
        room = asyncio.Semaphore(AT_ONCE)

        async def come(shop: Shop) -> None:
            async with room:
                await self._add(shop)

        await asyncio.gather(*map(come, self.plan.shops))
        self.amazon.forget_history()

    async def _register(self) -> None:
        made = self.amazon.application("Kitchen", status="draft")
        self.amazon_id = made["application_id"]
        added = await self.desk.registry.add_application(
            NewApplication(
                name="Kitchen",
                kind="public",
                partner_kinds=["seller", "vendor"],
                status="draft",
                application_id=self.amazon_id,
            ),
            by=SYSTEM,
        )
        self.application_id = added.id
        await self.desk.registry.set_credentials(
            added.id,
            Credentials(
                lwa_client_id=made["lwa_client_id"],
                lwa_client_secret=Secret(made["lwa_client_secret"]),
                secret_expires_at=datetime.fromisoformat(made["secret_ends_at"][0]),
            ),
            by=SYSTEM,
        )
        instance = await self.desk.registry.add_instance(NewInstance(name="ERP"), by=SYSTEM)
        self.instance_id = instance.instance.id

    async def _add(self, shop: Shop) -> None:
        seller = shop.role == "seller"
        kinds = {"retail": "retail", "direct": "direct_fulfillment"}
        account = await self.desk.accounts.add(
            NewAccount(
                name=shop.name,
                partner_kind="seller" if seller else "vendor",
                client_email=f"shop{shop.number:03d}@partners.example",
                application_id=self.application_id,
                client_instance_id=self.instance_id,
                region=shop.region,
                home_marketplace=shop.home,
                vendor_kind=kinds.get(shop.role),
                vendor_codes=() if seller else (shop.vendor_code,),
            ),
            by=SYSTEM,
        )
        self.accounts[shop.number] = account.id
        ends = [acts_at(act.after) for act in shop.acts if act.what == "lapse"]
        await self._authorize(shop, ends[0] - YEAR if ends else wave_at(0) - timedelta(days=30))
        await self._do_all(shop, -1)

    async def _authorize(self, shop: Shop, granted_at: datetime) -> None:
        partner_id = self.partners[shop.number]["selling_partner_id"]
        made = self.amazon.grant(
            partner_id,
            self.amazon_id,
            region=shop.region,
            granted_at=granted_at.isoformat(),
            ends_at=(granted_at + YEAR).isoformat(),
        )
        await self.desk.consent.adopt(
            self.accounts[shop.number],
            Secret(made["refresh_token"]),
            granted_at=granted_at,
            selling_partner_id=partner_id,
            by=SYSTEM,
        )

    def _furnish(self, shop: Shop) -> None:
        """What Amazon has of it at first. Runs in a thread."""
        seller = shop.role == "seller"
        sells = {"marketplaces": list(shop.marketplaces)}
        partner = self.amazon.partner(
            "seller" if seller else "vendor",
            name=shop.name,
            home=shop.home,
            **(sells if seller else {"vendor_codes": [shop.vendor_code]}),
        )
        self.partners[shop.number] = partner
        partner_id = partner["selling_partner_id"]
        if seller:
            self._list(shop, partner_id)
            for order in shop.orders:
                self.amazon.orders(partner_id, **order)
            if shop.in_vat_service:
                who = {"selling_partner_id": partner_id, "in_vat_service": True}
                self.amazon.pull("POST", "/orders/vat-service", who)
        elif shop.role == "retail":
            for order in shop.orders:
                self.amazon.purchase_orders(partner_id, **order)
        else:
            for order in shop.orders:
                self.amazon.direct_orders(partner_id, **order)

    def _list(self, shop: Shop, partner_id: str) -> None:
        code, message = FAILING[1:]
        listed = {"selling_partner_id": partner_id, "marketplaces": list(shop.marketplaces)}
        items = [{**listed, "sku": sku, "stock": 1, "price": 7} for sku in (*shop.skus, FAILING[0])]
        self.amazon.pull("POST", "/world/listings", {"items": items})
        self.amazon.fail_listing(partner_id, FAILING[0], code=code, message=message)

    # --- waves --------------------------------------------------------------------------------

    async def hand_in(self, wave: int) -> None:
        """Everybody; one batch in five comes twice, as from a program that heard no answer."""
        room = asyncio.Semaphore(AT_ONCE)
        by_shop: dict[int, list[tuple[int, list[Line]]]] = {}
        for (number, batch), lines in self.plan.batches(wave).items():
            by_shop.setdefault(number, []).append((batch, lines))

        async def of_shop(number: int, batches: list[tuple[int, list[Line]]]) -> None:
            async with room:
                for batch, lines in batches:
                    await self._put(number, f"wave {wave}, batch {batch}", lines)

        await asyncio.gather(*(of_shop(*one) for one in by_shop.items()))

    async def _put(self, number: int, key: str, lines: list[Line]) -> None:
        async def once() -> Taken:
            return await self.desk.feeds.intake.put(
                self.accounts[number],
                [line.fields for line in lines],
                by=SYSTEM,
                idempotency_key=key,
            )

        taken = await once()
        for line, answer in zip(lines, taken.answers, strict=True):
            fields = tuple(flaw.field or "" for flaw in answer.flaws)
            self.answers[line.number] = (answer.fate.value, fields)
            if answer.fate.value == "taken":
                self.changes[line.number] = answer.change_id
        if number % 5 == 0:
            again = await once()
            if not again.repeated or again.answers != taken.answers:
                self.strange.append(f"{key} of {number}: handed in twice, answered otherwise")

    def make_weather(self, wave: int) -> None:
        for face, mode, times, operation in WEATHER.get(wave % 4, ()):
            which = {"operation": operation} if operation else {}
            self.amazon.fail(face, mode, times=times, **which)
            self.weather += times
        if wave != 1:
            return
        for shop in self.plan.shops:
            for feed_type, status, report in shop.troubles:
                self.amazon.decide_feeds(
                    status,
                    feed_type=feed_type,
                    selling_partner_id=self.partners[shop.number]["selling_partner_id"],
                    report=report,
                    times=1,
                )

    def clear(self) -> None:
        """Fair weather; what did not come to pass is not counted."""
        left = sum(one.get("times") or 0 for one in self.amazon.pull("GET", "/weather")["items"])
        self.weather -= left
        self.amazon.clear()

    # --- what people do -----------------------------------------------------------------------

    async def act(self, after: int) -> None:
        for shop in self.plan.shops:
            await self._do_all(shop, after)
        # Whose year is over is found by the watch.
        self.move(acts_at(after) + timedelta(minutes=1))
        await self.desk.watch.sweep_all()

    async def _do_all(self, shop: Shop, after: int) -> None:
        for act in shop.acts:
            if act.after == after:
                await self._do(shop, act)

    async def _do(self, shop: Shop, act: Act) -> None:
        account_id = self.accounts[shop.number]
        if act.what in ("off", "on"):
            flag = FLAGS[ChangeKind(act.kind)].value
            await self.desk.accounts.set_flags(account_id, {flag: act.what == "on"}, by=SYSTEM)
        elif act.what == "pause":
            await self.desk.feeds.work.pause(account_id, by=SYSTEM, note="stocktaking")
        elif act.what == "resume":
            await self.desk.feeds.work.resume(account_id, by=SYSTEM)
        elif act.what == "renew":
            await self._authorize(shop, acts_at(act.after))
