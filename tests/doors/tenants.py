"""Two tenants under one roof, and every kind of key that must not reach across, for the tests of
tenancy. B's things exist, are connected and would answer; beside each of their ids stands one of
the same shape that nobody has, since a refusal must not tell the two apart."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from evergrant import notices
from evergrant.entrances import access_token, api
from evergrant.entrances.lwa import build as build_lwa
from evergrant.limits import NewPlan
from evergrant.naming import new_id
from evergrant.outbox import put_event
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import AmazonReport, AmazonReportStep, FeedRun, Order, OrderKind
from evergrant.rules import ids
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import Region
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import EVERYWHERE_ONLY, SYSTEM, Right
from tests.doors.gateway_house import SETTINGS, House

#: Reach some things, and none of B's.
BOUND = ("instance A", "account A1")
#: Open nothing any longer.
ENDED = ("expired", "rotated", "revoked")
#: Reaches everything, and may do nothing of what people and programs do.
IDLE = "without rights"

STOCK_OF_B = {"kind": "stock", "sku": "MUG-1", "quantity": 1}

_BOUND_RIGHTS = tuple(right.value for right in Right if right not in EVERYWHERE_ONLY)
#: When a key was last shown may be written down whoever showed it.
_USED = re.compile(
    r"last_(?:used|seen)_at=(?:None|datetime\.datetime\([^()]*(?:\([^()]*\))?[^()]*\))"
)
_REQUEST_ID = re.compile(r"req_[0-9a-z]+|\"request_id\": ?\"[^\"]*\"")


@dataclass
class Tenants:
    house: House = field(default_factory=House)
    a1: str = ""
    #: By their names in the interface; of B, and made up.
    theirs: dict[str, str] = field(default_factory=dict)
    nobodys: dict[str, str] = field(default_factory=dict)
    #: Whatever names B.
    words: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)
    everything: str = ""
    a1_connection: str = ""
    b1_connection: str = ""
    v1: ASGIApp = field(init=False)
    lwa: ASGIApp = field(init=False)

    def __post_init__(self) -> None:
        desk = self.house.desk
        self.v1 = _V1(api.build(desk, SETTINGS), access_token.build(desk, SETTINGS))
        self.lwa = build_lwa(desk, SETTINGS)

    async def open(self) -> Tenants:
        house, people = await self.house.open(), self.house.desk.people
        # With a page of consent at Amazon, so that there are links.
        await house.desk.registry.change_application(
            house.application_id, {"kind": "public"}, by=SYSTEM
        )
        ending = await people.add_api_key(
            name="ends",
            rights=_BOUND_RIGHTS,
            expires_at=house.fakes.clock.now() + timedelta(minutes=1),
            by=SYSTEM,
        )
        house.fakes.clock.move(minutes=2)
        self.a1 = await house.account()
        instance_b = await house.instance()
        b1 = await house.account(instance=instance_b)
        made = await people.add_connection_key(b1, name="SDK of B", by=SYSTEM)
        self.a1_connection = await house.connection_key(self.a1)
        self.b1_connection = made.secret.reveal()
        key_b = await people.add_api_key(
            name="program of B", rights=["read"], client_instance_id=instance_b, by=SYSTEM
        )
        plan = await house.desk.limits.set_plan(
            NewPlan(operation="orders.v0.getOrders", rate_per_s=0.01, burst=7, account_id=b1),
            by=SYSTEM,
        )
        waiting = await house.account(instance=instance_b, connected=False)
        link = await house.desk.consent.link(waiting, by=SYSTEM)
        reference = await house.desk.consent.decline(link.reveal().rpartition("/")[2])
        event_id = await self._tell_of(b1, instance_b)
        notice_id = await self._put_up(b1)
        report_id = await self._report_of(b1)
        handed_in = await house.desk.feeds.intake.put(b1, [STOCK_OF_B], by=SYSTEM)
        self.theirs = {
            "account_id": b1,
            "event_id": event_id,
            "notice_id": notice_id,
            "report_id": report_id,
            "instance_id": instance_b,
            "connection_key_id": made.key.id,
            "api_key_id": key_b.key.id,
            "plan_id": plan.id,
            "reference": reference,
            "application_id": house.application_id,
            "item": "backups",
            "order_id": await self._sell(b1, instance_b),
            "intake_id": handed_in.intake_id,
            "change_id": handed_in.answers[0].change_id,
            "run_id": await self._run_of(b1),
        }
        self.nobodys = {name: made_up(one) for name, one in self.theirs.items()}
        # The one thing that all tenants share.
        self.nobodys["application_id"] = house.application_id
        self.nobodys["item"] = "no-such-item"
        self.nobodys["reference"] = ids.reference(secrets.token_bytes(5))
        self.nobodys["plan_id"] = plan.id.replace(b1, made_up(b1))
        book = {one.account.id: one.account for one in await house.desk.accounts.list(by=SYSTEM)}
        instance = await house.desk.registry.instance(instance_b, by=SYSTEM)
        standing = await house.fakes.store.quick.standing(b1)
        assert standing is not None
        inside = {standing.authorization_id, str(standing.grant_id)}
        self.words = {*self.theirs.values(), *inside, waiting, book[b1].name, instance.name}
        self.words -= {house.application_id, "backups"}
        await self._make_keys(ending.secret.reveal())
        return self

    async def _tell_of(self, account_id: str, instance_id: str) -> str:
        """An event of B: its id. The instance has no address, so nothing is on its way."""
        async with self.house.fakes.store.transaction() as tx:
            account = await tx.accounts.get(account_id)
            authorization = await tx.authorizations.one(account_id=account_id)
            assert account is not None
            assert authorization is not None
            await put_event(
                tx,
                now=self.house.fakes.clock.now(),
                topic="authorization.expiring",
                account=account,
                authorization=authorization,
            )
        told = await self.house.desk.post.events(
            by=SYSTEM, client_instance_id=instance_id, topic="authorization.expiring"
        )
        return told[-1].id

    async def _sell(self, account_id: str, instance_id: str) -> str:
        """An order of B: Amazon's id of it."""
        now = self.house.fakes.clock.now()
        order = Order(
            id=f"{account_id}/902-{secrets.randbelow(10**7):07}-{secrets.randbelow(10**7):07}",
            account_id=account_id,
            client_instance_id=instance_id,
            order_id="",
            kind=OrderKind.SELLER,
            digest="known",
            created_at=now,
            changed_at=now,
        )
        order = replace(order, order_id=order.id.rpartition("/")[2])
        async with self.house.fakes.store.transaction() as tx:
            await tx.orders.add(order)
        return order.order_id

    async def _run_of(self, account_id: str) -> str:
        """A run of B that was planned: its id."""
        now = self.house.fakes.clock.now()
        run = FeedRun(
            id=new_id(ids.Kind.FEED_RUN, now),
            account_id=account_id,
            application_id=self.house.application_id,
            region=Region.EU,
            path=Path.PATCH,
            step=RunStep.PLANNED,
            created_at=now,
            changed_at=now,
        )
        async with self.house.fakes.store.transaction() as tx:
            await tx.feed_runs.add(run)
        return run.id

    async def _put_up(self, account_id: str) -> str:
        """A notice about B: its id."""
        async with self.house.fakes.store.transaction() as tx:
            await notices.put(
                tx,
                now=self.house.fakes.clock.now(),
                kind=NoticeKind.TERM_ENDING,
                subject=account_id,
                account_id=account_id,
                message="It ends soon.",
            )
        (found,) = await self.house.desk.notices.list(by=SYSTEM, account_id=account_id)
        return found.id

    async def _report_of(self, account_id: str) -> str:
        """A report of Amazon's about B, which lies there to be fetched: its id here."""
        now, fakes = self.house.fakes.clock.now(), self.house.fakes
        report = AmazonReport(
            id=new_id(ids.Kind.AMAZON_REPORT, now),
            account_id=account_id,
            report_type="GET_MERCHANT_LISTINGS_ALL_DATA",
            step=AmazonReportStep.DONE,
            report_id="54517018502",
            document_id="amzn1.spdoc.1",
            created_at=now,
            changed_at=now,
            ended_at=now,
        )
        async with fakes.store.transaction() as tx:
            await tx.amazon_reports.add(report)
        reports, url = "/reports/2021-06-30", "https://documents.example/1"
        fakes.documents.put(url, account_id.encode(), "text/plain")
        for path, told in (
            (f"{reports}/documents/amzn1.spdoc.1", {"url": url}),
            (f"{reports}/reports", {"reports": [_report_told(account_id)]}),
        ):
            body = json.dumps(told).encode()
            answer = Answer(status=200, headers={}, body=body)
            fakes.selling_partner_api.answer("GET", path, answer)
        return report.id

    async def _make_keys(self, expired: str) -> None:
        house, people = self.house, self.house.desk.people
        rotated, revoked = [
            await people.add_api_key(name="ends", rights=_BOUND_RIGHTS, by=SYSTEM) for _ in range(2)
        ]
        await people.rotate_api_key(rotated.key.id, overlap=timedelta(), by=SYSTEM)
        await people.revoke_api_key(revoked.key.id, by=SYSTEM)
        self.keys = {
            "instance A": await house.api_key(*_BOUND_RIGHTS, instance=house.instance_id),
            "account A1": await house.api_key(*_BOUND_RIGHTS, accounts=[self.a1]),
            IDLE: await house.api_key("data_plane"),
            "expired": expired,
            "rotated": rotated.secret.reveal(),
            "revoked": revoked.secret.reveal(),
        }
        self.everything = await house.api_key(*(right.value for right in Right))

    async def ask(
        self, kind: str, method: str, path: str, query: Any = None, body: Any = None
    ) -> httpx2.Response:
        """At /v1. ``kind`` of `keys`, or the text of a key."""
        key = self.keys.get(kind, kind)
        transport = httpx2.ASGITransport(app=self.v1)
        async with httpx2.AsyncClient(transport=transport, base_url="http://v1.test") as http:
            return await http.request(
                method,
                path,
                params=query,
                json=body,
                headers={"authorization": f"Bearer {key}"},
            )

    def seen_of_b(self) -> dict[str, str]:
        """Every row that names B in any field, as it is now."""
        store: Any = self.house.fakes.store
        rows = {
            f"{shelf}/{name}": f"{name} {row!r}"
            for shelf, found in store.rows.items()
            for name, row in found.items()
        }
        rows |= {f"events/{one.id}": repr(one) for one in store.events}
        rows |= {f"journal/{place}": repr(line) for place, line in enumerate(store.lines)}
        return {
            name: _USED.sub("", text)
            for name, text in rows.items()
            if any(word in text for word in self.words)
        }

    def told(self, text: str) -> str:
        """An answer without what differs between two of the same kind."""
        for name in self.theirs:
            for known in (self.theirs[name], self.nobodys[name]):
                text = text.replace(known, f"<{name}>")
        return _REQUEST_ID.sub("<request>", text)

    def leaks(self, text: str, asked: object = "") -> set[str]:
        """Words of B that the caller did not say itself."""
        said = asked if isinstance(asked, str) else json.dumps(asked, default=str)
        return {word for word in self.words if word in text and word not in said}


class _V1:
    """As the server does it: access tokens have a door of their own."""

    def __init__(self, api_door: ASGIApp, access_token_door: ASGIApp) -> None:
        self._api, self._access_token = api_door, access_token_door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_for_token = scope["type"] == "http" and scope["path"].endswith("/access-token")
        await (self._access_token if is_for_token else self._api)(scope, receive, send)


def _report_told(account_id: str) -> dict[str, str]:
    """One at Amazon, with a word of B in it."""
    return {"reportId": account_id, "reportType": "X", "processingStatus": "DONE"}


def made_up(id: str) -> str:
    """Of the same shape, and nobody's."""
    return id[:-1] + ("1" if id[-1] != "1" else "2")
