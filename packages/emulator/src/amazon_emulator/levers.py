"""A client for the levers face: plain Python, synchronous, standard library only.

    levers = Levers.from_file("addresses.json")
    shop = levers.partner("seller", name="Blue Heron Books", home="DE")
    levers.fail_lwa("503", times=2)

Answers for: a name for what tests do most, and one way to pull any other lever, `Levers.pull`. What
a lever takes and gives is told by the emulator itself (`amazon-emulator levers`), and keyword
arguments go to it as they are. A refused wish raises LeverError with the emulator's words.

Names: ``listings(...)`` and others of things that come from a partner or a buyer make them;
``listings_of(partner)`` tells what is there. Of what the program under test makes (feeds, reports,
transactions) ``feeds(...)`` tells what became of it. Instants may be given as datetimes, amounts as
the lever says.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from amazon_emulator.pulling import Json, LeverError, Pulling, part

__all__ = ["LeverError", "Levers"]

FACES_THAT_FAIL = ("lwa", "spapi", "documents", "aws")


class Levers(Pulling):
    """The levers of one running emulator."""

    @classmethod
    def from_file(cls, addresses_file: Path | str, timeout_s: float = 30.0) -> Levers:
        """Of the emulator that wrote this file (`serve --addresses-file`). Raises LeverError when
        it is not there or holds no address of levers."""
        try:
            url = json.loads(Path(addresses_file).read_bytes())["levers"]
        except OSError as error:
            raise LeverError(f"cannot read {addresses_file}: {error.strerror}") from None
        except (ValueError, TypeError, KeyError):
            url = None
        if not isinstance(url, str):
            raise LeverError(f"{addresses_file} is no file of addresses: it names no levers")
        return cls(url, timeout_s)

    # --- to begin with ----------------------------------------------------------------------------

    def addresses(self) -> dict[str, str]:
        """Face -> address, as `Emulator.addresses`."""
        found: dict[str, str] = self.pull("GET", "/")["addresses"]
        return found

    def account(self, kind: str = "seller", **wishes: Any) -> Json:
        """An application, a selling partner and its authorization, made now: all that a client
        needs, as ``addresses``, ``endpoint`` (of its region), ``region``, ``application_id``,
        ``client_id``, ``client_secret``, ``refresh_token``, ``selling_partner_id``, ``email``,
        ``password`` and ``marketplace_ids``. ``wishes`` are of the partner: ``home``,
        ``marketplaces``, ``name``, ..."""
        application = self.application()
        partner = self.partner(kind, **wishes)
        grant = self.grant(partner["selling_partner_id"], application["application_id"])
        addresses = self.addresses()
        return {
            "addresses": addresses,
            "endpoint": addresses[grant["region"]],
            "region": grant["region"],
            "application_id": application["application_id"],
            "client_id": application["lwa_client_id"],
            "client_secret": application["lwa_client_secret"],
            "refresh_token": grant["refresh_token"],
            "selling_partner_id": partner["selling_partner_id"],
            "email": partner["email"],
            "password": partner["password"],
            "marketplace_ids": [row["id"] for row in partner.get("participations", [])],
        }

    # --- applications, partners, authorizations ---------------------------------------------------

    def application(self, name: str = "Emulated application", **wishes: Any) -> Json:
        """Registers an application; the answer holds its client secret."""
        return self.pull("POST", "/world/applications", {"name": name, **wishes})

    def applications(self) -> list[Json]:
        """All applications, without secrets."""
        return self._items("/world/applications")

    def rotate(self, application_id: str) -> Json:
        """A new client secret; the one before works for 7 more days."""
        return self.pull("POST", f"/world/applications/{part(application_id)}/rotate")

    def partner(self, kind: str = "seller", **wishes: Any) -> Json:
        """Makes a selling partner; the answer holds e-mail and password."""
        return self.pull("POST", "/world/partners", {"kind": kind, **wishes})

    def partners(self) -> list[Json]:
        """All selling partners, without passwords."""
        return self._items("/world/partners")

    def change_partner(self, selling_partner_id: str, **changes: Any) -> Json:
        """As in Seller Central or Vendor Central: ``deactivated``, ``marketplaces``, ..."""
        return self.pull("PATCH", f"/world/partners/{part(selling_partner_id)}", changes)

    def grant(self, selling_partner_id: str, application_id: str, **wishes: Any) -> Json:
        """A self-authorization; the answer holds the refresh token."""
        who = {"selling_partner_id": selling_partner_id, "application_id": application_id}
        return self.pull("POST", "/world/grants", {**who, **wishes})

    def grants(self, partner: str | None = None) -> list[Json]:
        """All authorizations, without refresh tokens."""
        return self._items("/world/grants", partner=partner)

    def access_token(self, selling_partner_id: str, application_id: str, **wishes: Any) -> Json:
        """An access token without Login with Amazon."""
        who = {"selling_partner_id": selling_partner_id, "application_id": application_id}
        return self.pull("POST", "/world/access-tokens", {**who, **wishes})

    def revoke(self, selling_partner_id: str, **narrower: Any) -> Json:
        """The partner disables the authorization."""
        return self.pull("POST", "/revoke", {"selling_partner_id": selling_partner_id, **narrower})

    def reinstate(self, selling_partner_id: str, **narrower: Any) -> Json:
        """Takes a revocation or an end of term back."""
        who = {"selling_partner_id": selling_partner_id}
        return self.pull("POST", "/reinstate", {**who, **narrower})

    def expire(self, what: str, **which: Any) -> Json:
        """Ends something now: a grant, code, access_token, secret or previous_secret."""
        return self.pull("POST", "/expire", {"what": what, **which})

    def login_leg(self, mode: str, **which: Any) -> Json:
        """Which shape a consent takes: always, never, unlinked or alternate."""
        return self.pull("POST", "/login-leg", {"mode": mode, **which})

    def habits(self, **changes: Any) -> Json:
        """Changes how it behaves where Amazon is known to behave in several ways."""
        return self.pull("PATCH", "/habits", changes)

    # --- listings, orders, money ------------------------------------------------------------------

    def listings(self, selling_partner_id: str, **wishes: Any) -> list[Json]:
        """Makes listings: ``sku``, ``stock``, ``price``, ``count`` and others, or ``items``."""
        return self._made("/world/listings", {"selling_partner_id": selling_partner_id, **wishes})

    def listings_of(self, selling_partner_id: str, **which: Any) -> list[Json]:
        """What is listed, with stock and prices now; ``sku`` and ``region`` narrow."""
        return self._items("/world/listings", selling_partner_id=selling_partner_id, **which)

    def fail_listing(self, selling_partner_id: str, sku: str, **issue: Any) -> Json:
        """Makes submissions for a SKU meet an issue: ``code``, ``message``, ``severity``, ..."""
        who = {"selling_partner_id": selling_partner_id, "sku": sku}
        return self.pull("POST", "/world/listings/failing", {**who, **issue})

    def orders(self, selling_partner_id: str, **wishes: Any) -> list[Json]:
        """Makes orders of a seller: ``count``, ``marketplace``, ``status``, ``items``, ..."""
        return self._made("/orders", {"selling_partner_id": selling_partner_id, **wishes})

    def orders_of(self, selling_partner_id: str, **which: Any) -> list[Json]:
        """Orders with all that happened to them; ``status`` narrows."""
        return self._items("/orders", selling_partner_id=selling_partner_id, **which)

    def order(self, order_id: str) -> Json:
        """One order with packages, cancellation, money and invoices."""
        return self.pull("GET", f"/orders/{part(order_id)}")

    def change_order(self, order_id: str, status: str) -> Json:
        """An order goes on: UNSHIPPED, SHIPPED, CANCELLED, ..."""
        return self.pull("PATCH", f"/orders/{part(order_id)}", {"status": status})

    def refund(self, order_id: str, **wishes: Any) -> Json:
        """Somebody else gives money back: a person in Seller Central, or Amazon."""
        return self.pull("POST", f"/orders/{part(order_id)}/refund", wishes)

    def refunds_of(self, selling_partner_id: str) -> list[Json]:
        """Every refund that Amazon has booked for a seller, each with its ``order_id``."""
        return [
            {"order_id": order["order_id"], **refund}
            for order in self.orders_of(selling_partner_id)
            for refund in order["refunds"]
        ]

    def refuse_orders(self, what: str, code: str, **which: Any) -> Json:
        """The next changes are refused: ``what`` is refund, cancellation, shipment or invoice."""
        return self.pull("POST", "/orders/refuse", {"what": what, "code": code, **which})

    # --- feeds and reports ------------------------------------------------------------------------

    def feeds(self, **which: Any) -> list[Json]:
        """What became of the feeds, oldest first: ``feed_type=``, ``status=`` and others narrow."""
        return self._items("/feeds", **which)

    def feed_content(self, feed_id: str) -> Json:
        """What a feed was created from: ``text`` and ``base64``, unpacked."""
        return self.pull("GET", f"/feeds/{part(feed_id)}/content")

    def hold_feeds(self, **which: Any) -> Json:
        """From now on feeds stay in progress (``where="in_queue"``: in the queue); ``feed_type``
        and ``selling_partner_id`` narrow."""
        return self.pull("POST", "/feeds/hold", which)

    def release_feeds(self, **which: Any) -> list[Json]:
        """Ends holds; the feeds that go on."""
        return self._made("/feeds/release", which)

    def finish_feed(self, feed_id: str, status: str | None = None, **wishes: Any) -> Json:
        """Ends a feed now: DONE, FATAL or CANCELLED, or as it would end."""
        return self.pull("POST", f"/feeds/{part(feed_id)}/finish", _said(status, wishes))

    def decide_feeds(self, status: str, **which: Any) -> Json:
        """How the next feeds end; ``times=None``: all, until forgotten."""
        return self.pull("POST", "/feeds/decide", {"status": status, **which})

    def pace_feeds(self, **pace: Any) -> Json:
        """How long feeds wait and are worked on: ``queue_s``, ``processing_s``, ``feed_type``."""
        return self.pull("PUT", "/feeds/pace", pace)

    def reports(self, **which: Any) -> list[Json]:
        """What became of the reports, oldest first."""
        return self._items("/reports", **which)

    def finish_report(self, report_id: str, status: str | None = None, **wishes: Any) -> Json:
        """Ends a report now: DONE, FATAL or CANCELLED, or as it would end."""
        return self.pull("POST", f"/reports/{part(report_id)}/finish", _said(status, wishes))

    def decide_reports(self, **wishes: Any) -> Json:
        """How the next reports end, or what stands in them (``text``)."""
        return self.pull("POST", "/reports/decide", wishes)

    # --- vendors ----------------------------------------------------------------------------------

    def purchase_orders(self, selling_partner_id: str, **wishes: Any) -> list[Json]:
        """Makes purchase orders for a vendor: ``count``, ``vendor_code``, ``items``, ..."""
        return self._made(f"/vendors/{part(selling_partner_id)}/purchase-orders", wishes)

    def purchase_orders_of(self, selling_partner_id: str) -> list[Json]:
        """With what was acknowledged, shipped and invoiced."""
        return self._items(f"/vendors/{part(selling_partner_id)}/purchase-orders")

    def direct_orders(self, selling_partner_id: str, **wishes: Any) -> list[Json]:
        """Makes direct-fulfillment orders for a vendor."""
        return self._made(f"/vendors/{part(selling_partner_id)}/direct-orders", wishes)

    def direct_orders_of(self, selling_partner_id: str) -> list[Json]:
        """With what was acknowledged and shipped."""
        return self._items(f"/vendors/{part(selling_partner_id)}/direct-orders")

    def transactions(self, **which: Any) -> list[Json]:
        """Transactions of vendors, oldest first: ``operation=``, ``status=`` and others narrow."""
        return self._items("/vendor-transactions", **which)

    def hold_transactions(self) -> Json:
        """From now on transactions stay Processing, and undone."""
        return self.pull("PUT", "/vendor-transactions/pace", {"hold": True})

    def release_transactions(self, **which: Any) -> list[str]:
        """Held transactions go on, and none is held any more; the ids of those that go on."""
        released: list[str] = self.pull("POST", "/vendor-transactions/release", which)["released"]
        return released

    def finish_transaction(self, transaction_id: str, status: str | None = None, **w: Any) -> Json:
        """Ends a transaction now: Success or Failure (with ``errors``), or as it would end."""
        path = f"/vendor-transactions/{part(transaction_id)}/finish"
        return self.pull("POST", path, _said(status, w))

    def decide_transactions(self, status: str, **which: Any) -> Json:
        """How the next transactions end: Success or Failure, with ``errors``."""
        return self.pull("POST", "/vendor-transactions/decide", {"status": status, **which})

    # --- queues and notifications -----------------------------------------------------------------

    def queue(self, name: str, **wishes: Any) -> Json:
        """Makes a queue that the Selling Partner API may send to; gives ``arn`` and ``url``."""
        return self.pull("POST", "/queues", {"name": name, **wishes})

    def queues(self) -> list[Json]:
        """All queues, with how many messages lie in them."""
        return self._items("/queues")

    def messages(self, queue: str, **which: Any) -> list[Json]:
        """What lies in a queue (its name or ARN), oldest first, without receiving it."""
        return self._items(f"/queues/{part(queue)}/messages", **which)

    def put_message(self, queue: str, body: str) -> Json:
        """Any text into a queue, as a stranger might."""
        return self.pull("POST", f"/queues/{part(queue)}/messages", {"body": body})

    def purge(self, queue: str) -> Json:
        """Takes all messages out of a queue."""
        return self.pull("PATCH", f"/queues/{part(queue)}", {"purge": True})

    def aws_key(self, **wishes: Any) -> Json:
        """An AWS access key: ``access_key_id`` and ``secret_access_key``."""
        return self.pull("POST", "/world/aws-keys", wishes)

    def notify(self, notification_type: str, selling_partner_id: str, payload: Json) -> Json:
        """Sends a notification to the subscribed."""
        who = {"notification_type": notification_type, "selling_partner_id": selling_partner_id}
        return self.pull("POST", "/notifications", {**who, "payload": payload})

    def delay_notifications(self, seconds: float) -> Json:
        """From now on a notification reaches its queue so much later; 0: at once."""
        return self.pull("POST", "/queues/delay", {"seconds": seconds})

    def lose_notifications(self, times: int = 1) -> Json:
        """The next notifications never arrive."""
        return self.pull("POST", "/queues/lose", {"times": times})

    def duplicate_notifications(self, times: int = 1) -> Json:
        """The next notifications arrive twice."""
        return self.pull("POST", "/queues/duplicate", {"times": times})

    # --- usage plans and the contract -------------------------------------------------------------

    def limits(self, *, enforced: bool) -> Json:
        """Whether usage plans are enforced."""
        return self.pull("PUT", "/limits", {"enforced": enforced})

    def buckets(self, **which: Any) -> list[Json]:
        """Every bucket that is not full: ``operation=``, ``partner=`` and others narrow."""
        return self._items("/limits", **which)

    def fill_limits(self, **which: Any) -> int:
        """Full buckets, all or these; how many there were."""
        return int(self.pull("POST", "/limits/fill", which)["count"])

    def drain_limits(self, operation: str, **which: Any) -> int:
        """Empty buckets: the next call of the operation gets 429. How many there were."""
        return int(self.pull("POST", "/limits/drain", {"operation": operation, **which})["count"])

    def plan(self, operation: str, *, rate: float, burst: int, **which: Any) -> Json:
        """Another usage plan: calls per second, and how many at once."""
        wished = {"operation": operation, "rate": rate, "burst": burst, **which}
        return self.pull("PUT", "/limits/plan", wished)

    def restore_plans(self, **which: Any) -> int:
        """Amazon's usage plans again; how many levers had set."""
        return int(self.pull("DELETE", "/limits/plan", which)["count"])

    def contract(self, mode: str) -> Json:
        """What becomes of calls that break Amazon's models: off, report or refuse."""
        return self.pull("PUT", "/contract", {"mode": mode})

    def breaches(self, **which: Any) -> list[Json]:
        """Where calls broke Amazon's models; ``side="request"``, ``operation=`` and others
        narrow."""
        found: list[Json] = self.pull("GET", "/contract", **which)["breaches"]
        return found

    def forget_breaches(self) -> None:
        """None was seen; the mode stays."""
        self.pull("DELETE", "/contract")

    # --- trouble ----------------------------------------------------------------------------------

    def fail(self, face: str, mode: str | int, **which: Any) -> Json:
        """``face``: lwa, spapi, documents or aws; ``mode``: a status from 400 to 599, or a failing
        mode. ``times``, ``after_calls``, ``operation``, ``partner`` and others narrow it."""
        return self.pull("POST", f"/{part(face)}/fail", {"mode": mode, **which})

    def fail_lwa(self, mode: str | int, **which: Any) -> Json:
        """Login with Amazon fails."""
        return self.fail("lwa", mode, **which)

    def fail_spapi(self, mode: str | int, **which: Any) -> Json:
        """The Selling Partner API fails."""
        return self.fail("spapi", mode, **which)

    def fail_documents(self, mode: str | int, **which: Any) -> Json:
        """Uploads and downloads fail."""
        return self.fail("documents", mode, **which)

    def fail_aws(self, mode: str | int, **which: Any) -> Json:
        """Queues fail."""
        return self.fail("aws", mode, **which)

    def clear(self) -> None:
        """Fair weather again, on all faces; hanging requests are dropped."""
        for face in FACES_THAT_FAIL:
            self.pull("POST", f"/{face}/clear")

    # --- worlds -----------------------------------------------------------------------------------

    def world(self, *, credentials: bool = False) -> Json:
        """The whole world, to be kept in a file and loaded again."""
        return self.pull("GET", "/world", credentials=credentials)

    def load_world(self, world: Json | Path | str, *, add: bool = False) -> Json:
        """Puts a world (or that of a file) in the place of what is there, or adds it. The answer
        holds all credentials."""
        method = "POST" if add else "PUT"
        if isinstance(world, dict):
            return self.pull(method, "/world", world)
        try:
            given = json.loads(Path(world).read_bytes())
        except OSError as error:
            raise LeverError(f"cannot read {world}: {error.strerror}") from None
        except ValueError as error:
            raise LeverError(f"{world} is no JSON: {error}") from None
        try:
            return self.pull(method, "/world", given)
        except LeverError as error:
            words = f"{world}: {error.words}"
            raise LeverError(f"{world}: {error}", status=error.status, words=words) from None

    def reset(self) -> None:
        """As freshly started: empty world, real time, fair weather, no history."""
        self.pull("POST", "/reset")

    # --- time and history -------------------------------------------------------------------------

    def now(self) -> datetime:
        """The emulator's time, with its offset."""
        return datetime.fromisoformat(self.pull("GET", "/clock")["now"])

    def set_clock(self, instant: datetime | str) -> Json:
        """Sets the time: an instant with an offset; it goes on from there."""
        return self.pull("POST", "/clock", {"now": instant})

    def advance(self, seconds: float | timedelta) -> Json:
        """Moves the time; negative: back."""
        moved = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        return self.pull("POST", "/clock/advance", {"seconds": moved})

    def history(self, **which: Any) -> list[Json]:
        """The latest thousand requests that match, oldest first: ``operation="createFeed"``,
        ``partner=``, ``status=``, ``since=``, ``facts={"feed_type": ...}`` and others."""
        return self._items("/history", **_flat(which))

    def count(self, **which: Any) -> int:
        """How many requests match. An operation, a partner or an application that nobody knows is
        told: a count that can only be 0 proves nothing."""
        return int(self.pull("GET", "/history/count", **_flat(which))["count"])

    def counts(self, by: str, **which: Any) -> dict[str, int]:
        """How many match, for each value of ``by``: kind, partner, status, facts.feed_type, ..."""
        counted: dict[str, int] = self.pull("GET", "/history/count", by=by, **_flat(which))["by"]
        return counted

    def forget_history(self) -> None:
        """Nothing was asked so far."""
        self.pull("DELETE", "/history")


def _flat(which: Json) -> Json:
    facts: Json = which.get("facts", {})
    plain = {name: value for name, value in which.items() if name != "facts"}
    return {**plain, **{f"facts.{name}": value for name, value in facts.items()}}


def _said(status: str | None, wishes: Json) -> Json:
    return wishes if status is None else {"status": status, **wishes}
