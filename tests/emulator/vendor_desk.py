"""A vendor's program for the tests of this shelf: it asks, submits, and waits for outcomes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs

from tests.emulator.conftest import House

Json = dict[str, Any]

RETAIL = "/vendor/transactions/v1/transactions"
DIRECT = "/vendor/directFulfillment/transactions/2021-12-28/transactions"
PROCESSING = 21  # seconds, a little more than the emulator takes by itself


@dataclass(eq=False)
class Desk:
    """One vendor and its access token."""

    house: House
    vendor: Json
    access_token: str

    @classmethod
    def of(cls, house: House, **wishes: Any) -> Desk:
        vendor = house.vendor(**{"vendor_codes": ["MILL1"], **wishes})
        return cls(house, vendor, house.access_token(vendor))

    @property
    def code(self) -> str:
        return str(self.vendor["vendor_codes"][0])

    @property
    def now(self) -> datetime:
        return self.house.amazon.levers.now()

    def ago(self, **distance: float) -> str:
        """An instant so long ago, as parameters have it."""
        return (self.now - timedelta(**distance)).isoformat().replace("+00:00", "Z")

    def get(self, path: str, access_token: str | None = None, **query: Any) -> httpx2.Response:
        return self.house.call(path, access_token or self.access_token, **query)

    def post(self, path: str, body: Any, access_token: str | None = None) -> httpx2.Response:
        return self.house.http.post(
            f"{self.house.amazon.addresses['eu']}{path}",
            headers={"x-amz-access-token": access_token or self.access_token},
            json=body,
        )

    def submit(self, path: str, body: Any) -> str:
        """The transaction id, from either shape of the answer."""
        answer = self.post(path, body)
        assert answer.status_code == 202, answer.text
        told = answer.json()
        return str(told.get("payload", told)["transactionId"])

    def transaction(self, transaction_id: str, place: str = RETAIL) -> Json:
        answer = self.get(f"{place}/{transaction_id}")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        found: Json = told.get("payload", told)["transactionStatus"]
        return found

    def outcome(self, path: str, body: Any) -> list[str]:
        """Submits, waits, and gives the codes of what was wrong; none after a success."""
        place = DIRECT if "directFulfillment" in path else RETAIL
        transaction_id = self.submit(path, body)
        assert self.transaction(transaction_id, place)["status"] == "Processing"
        self.advance(seconds=PROCESSING)
        found = self.transaction(transaction_id, place)
        errors = found.get("errors", [])
        codes = [error["code"] for error in errors["errors"]] if place == DIRECT and errors else []
        codes = codes or [error["code"] for error in errors if isinstance(error, dict)]
        assert found["status"] == ("Failure" if codes else "Success"), found
        return codes

    def advance(self, **distance: float) -> None:
        """Moves the clock; what would have ended by then is asked for anew."""
        levers = self.house.amazon.levers
        levers.advance(timedelta(**distance).total_seconds())
        if timedelta(**distance) > timedelta(days=90):
            self.house.application |= levers.rotate(self.house.application_id)
        if timedelta(**distance) > timedelta(minutes=30):
            self.access_token = self.house.access_token(self.vendor)

    def lever(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        """A lever of this vendor, or one that begins with a slash."""
        place = path if path.startswith("/") else f"/vendors/{self.id}/{path}"
        found: Json = self.house.amazon.levers.pull(method, place, body, **query)
        return found

    @property
    def id(self) -> str:
        return str(self.vendor["selling_partner_id"])

    def purchase_order(self, **wishes: Any) -> Json:
        found: Json = self.lever("POST", "purchase-orders", wishes)["items"][0]
        return found

    def direct_order(self, **wishes: Any) -> Json:
        found: Json = self.lever("POST", "direct-orders", wishes)["items"][0]
        return found

    def restricted(self, method: str, path: str) -> str:
        """A restricted data token for one operation."""
        wish = {"restrictedResources": [{"method": method, "path": path}]}
        answer = self.post("/tokens/2021-03-01/restrictedDataToken", wish)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["restrictedDataToken"])

    def read(self, path: str, template: str | None = None, **query: Any) -> httpx2.Response:
        """A restricted read, with a token made for it."""
        return self.get(path, self.restricted("GET", template or path), **query)


@cache
def _definitions(model: Path) -> Json:
    definitions: Json = json.loads(model.read_text())["definitions"]
    for known in definitions.values():
        if known.get("type") == "object":
            known.setdefault("additionalProperties", False)
    return definitions


def check_shape(model: Path, definition: str, body: Any) -> None:
    """Compares with a definition of one of Amazon's models; unknown fields count as errors."""
    schema = {"$ref": f"#/definitions/{definition}", "definitions": _definitions(model)}
    jsonschema_rs.Draft4Validator(schema).validate(body)
