"""A client for the levers face: plain Python, synchronous, standard library only.

    levers = Levers("http://127.0.0.1:9106")
    shop = levers.partner("seller", name="Blue Heron Books", home="DE")
    levers.fail_lwa("503", times=2)

Every method gives the lever's JSON. A refused wish raises LeverError with the emulator's words.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["LeverError", "Levers"]

Json = dict[str, Any]


class LeverError(Exception):
    """The emulator would not do what was asked, or was not there."""


class Levers:
    """The levers of one running emulator."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        # Levers are on this machine: a proxy of the environment has no business with them.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def pull(self, method: str, path: str, /, body: Any = None, **query: Any) -> Json:
        """Any lever, by method and path."""
        asked = {name: value for name, value in query.items() if value is not None}
        url = f"{self.url}{path}"
        if asked:
            url += f"?{urllib.parse.urlencode(asked)}"
        request = urllib.request.Request(  # noqa: S310  # the address is the caller's own
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=self.timeout_s) as answer:
                said: Json = json.load(answer)
                return said
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode(errors="replace")
            raise LeverError(f"{method} {path}: {error.code} {words}") from None
        except (OSError, ValueError) as error:
            raise LeverError(f"{method} {path}: {error}") from error

    def application(self, name: str = "Emulated application", **wishes: Any) -> Json:
        """Registers an application; the answer holds its client secret."""
        return self.pull("POST", "/world/applications", {"name": name, **wishes})

    def rotate(self, application_id: str) -> Json:
        return self.pull("POST", f"/world/applications/{_part(application_id)}/rotate")

    def partner(self, kind: str = "seller", **wishes: Any) -> Json:
        """Makes a selling partner; the answer holds e-mail and password."""
        return self.pull("POST", "/world/partners", {"kind": kind, **wishes})

    def change_partner(self, selling_partner_id: str, **changes: Any) -> Json:
        return self.pull("PATCH", f"/world/partners/{_part(selling_partner_id)}", changes)

    def grant(self, selling_partner_id: str, application_id: str, **wishes: Any) -> Json:
        """A self-authorization; the answer holds the refresh token."""
        return self.pull(
            "POST",
            "/world/grants",
            {
                "selling_partner_id": selling_partner_id,
                "application_id": application_id,
                **wishes,
            },
        )

    def revoke(self, selling_partner_id: str, **narrower: Any) -> Json:
        return self.pull("POST", "/revoke", {"selling_partner_id": selling_partner_id, **narrower})

    def expire(self, what: str, **which: Any) -> Json:
        return self.pull("POST", "/expire", {"what": what, **which})

    def listings(self, selling_partner_id: str, **wishes: Any) -> list[Json]:
        """Makes listings: ``sku``, ``stock``, ``price``, ``count`` and others, or ``items``."""
        return self._made("/world/listings", {"selling_partner_id": selling_partner_id, **wishes})

    def orders(self, selling_partner_id: str, **wishes: Any) -> list[Json]:
        """Makes orders of a seller: ``count``, ``marketplace``, ``status``, ``items``, ..."""
        return self._made("/orders", {"selling_partner_id": selling_partner_id, **wishes})

    def purchase_orders(self, selling_partner_id: str, **wishes: Any) -> list[Json]:
        """Makes purchase orders for a vendor: ``count``, ``vendor_code``, ``items``, ..."""
        return self._made(f"/vendors/{_part(selling_partner_id)}/purchase-orders", wishes)

    def feeds(self, **which: Any) -> list[Json]:
        """What became of the feeds, oldest first."""
        items: list[Json] = self.pull("GET", "/feeds", **which)["items"]
        return items

    def queue(self, name: str, **wishes: Any) -> Json:
        """Makes a queue that the Selling Partner API may send to; gives ``arn`` and ``url``."""
        return self.pull("POST", "/queues", {"name": name, **wishes})

    def limits(self, *, enforced: bool) -> Json:
        """Whether usage plans are enforced."""
        return self.pull("PUT", "/limits", {"enforced": enforced})

    def contract(self, mode: str) -> Json:
        """What becomes of calls that break Amazon's models: off, report or refuse."""
        return self.pull("PUT", "/contract", {"mode": mode})

    def login_leg(self, mode: str, **which: Any) -> Json:
        return self.pull("POST", "/login-leg", {"mode": mode, **which})

    def habits(self, **changes: Any) -> Json:
        return self.pull("PATCH", "/habits", changes)

    def fail(self, face: str, mode: str | int, **which: Any) -> Json:
        """``face``: lwa, spapi, documents or aws; ``mode``: a status from 400 to 599, or a failing
        mode. ``times``, ``after_calls``, ``operation``, ``partner`` and others narrow it."""
        return self.pull("POST", f"/{_part(face)}/fail", {"mode": mode, **which})

    def fail_lwa(self, mode: str | int, **which: Any) -> Json:
        return self.fail("lwa", mode, **which)

    def fail_spapi(self, mode: str | int, **which: Any) -> Json:
        return self.fail("spapi", mode, **which)

    def clear(self) -> None:
        """Fair weather again, on all faces."""
        for face in ("lwa", "spapi", "documents", "aws"):
            self.pull("POST", f"/{face}/clear")

    def world(self, *, credentials: bool = False) -> Json:
        """The whole world, to be kept in a file and loaded again."""
        return self.pull("GET", "/world", credentials=str(credentials).lower())

    def load_world(self, world: Json | Path | str, *, add: bool = False) -> Json:
        """Puts a world (or that of a file) in the place of what is there, or adds it. The answer
        holds all credentials."""
        if not isinstance(world, dict):
            try:
                world = json.loads(Path(world).read_bytes())
            except (OSError, ValueError) as error:
                raise LeverError(f"{world}: {error}") from error
        return self.pull("POST" if add else "PUT", "/world", world)

    def now(self) -> datetime:
        return datetime.fromisoformat(self.pull("GET", "/clock")["now"])

    def set_clock(self, instant: datetime) -> Json:
        return self.pull("POST", "/clock", {"now": instant.isoformat()})

    def advance(self, seconds: float) -> Json:
        return self.pull("POST", "/clock/advance", {"seconds": seconds})

    def history(self, **which: Any) -> list[Json]:
        """The latest thousand requests that match, oldest first: ``operation="createFeed"``,
        ``partner=``, ``status=``, ``since=``, ``facts={"feed_type": ...}`` and others."""
        items: list[Json] = self.pull("GET", "/history", **_flat(which))["items"]
        return items

    def count(self, **which: Any) -> int:
        """How many requests match. An operation, a partner or an application that nobody knows is
        told: a count that can only be 0 proves nothing."""
        return int(self.pull("GET", "/history/count", **_flat(which))["count"])

    def counts(self, by: str, **which: Any) -> dict[str, int]:
        """How many match, for each value of ``by``: kind, partner, status, facts.feed_type, ..."""
        counted: dict[str, int] = self.pull("GET", "/history/count", by=by, **_flat(which))["by"]
        return counted

    def reset(self) -> None:
        self.pull("POST", "/reset")

    def _made(self, path: str, wishes: Json) -> list[Json]:
        items: list[Json] = self.pull("POST", path, wishes)["items"]
        return items


def _flat(which: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = which.get("facts", {})
    plain = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in which.items()
        if name != "facts"
    }
    return {**plain, **{f"facts.{name}": value for name, value in facts.items()}}


def _part(text: str) -> str:
    return urllib.parse.quote(text, safe="")
