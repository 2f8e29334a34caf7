"""A program that lists at the emulator, and the small words of listing data; for these tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import jsonschema_rs
import pytest

from amazon_emulator import marketplaces
from amazon_emulator.stage import Stage
from amazon_emulator.trade.feeds.processing import Outcome, Work
from amazon_emulator.trade.listings.catalogue import Catalogue
from amazon_emulator.trade.listings.feed import process
from amazon_emulator.trade.listings.listing import Listing
from amazon_emulator.trade.queues import notices
from amazon_emulator.world import Application, Participation, Partner
from tests.emulator.conftest import House

Json = dict[str, Any]

DE, FR, US = "A1PA6795UKMFR9", "A13V1IB3VIYZZH", "ATVPDKIKX0DER"
SELLER = "A1EMULATEDSHOP"
ITEMS = "/listings/2021-08-01/items"
MODEL = "listings-items-api-model/listingsItems_2021-08-01.json"
CATALOG = "catalog-items-api-model/catalogItems_2022-04-01.json"


def offer(amount: float, where: str = DE, currency: str = "EUR", **rest: Any) -> Json:
    """One value of purchasable_offer."""
    price = [{"schedule": [{"value_with_tax": amount}]}]
    told = {"audience": "ALL", "marketplace_id": where, "currency": currency, "our_price": price}
    return {**told, **rest}


def stock(quantity: int | None, channel: str = "DEFAULT", **rest: Any) -> Json:
    told = {"fulfillment_channel_code": channel, **rest}
    return told if quantity is None else {**told, "quantity": quantity}


def patch(op: str, attribute: str, *values: Json) -> Json:
    told: Json = {"op": op, "path": f"/attributes/{attribute}"}
    return {**told, "value": list(values)} if values else told


def whole(name: str = "A lamp", where: str = DE, **rest: Any) -> Json:
    """Attributes that are enough for a new listing."""
    return {
        "item_name": [{"value": name, "language_tag": "de_DE", "marketplace_id": where}],
        "condition_type": [{"value": "new_new", "marketplace_id": where}],
        **rest,
    }


# --- directly -------------------------------------------------------------------------------------


@dataclass
class Shop:
    """A seller (or vendor) on a stage of its own, without HTTP."""

    stage: Stage
    partner: Partner
    told: list[tuple[str, Json]] = field(default_factory=list)

    @classmethod
    def open(cls, *, gentle: bool = True, kind: str = "seller") -> Shop:
        stage = Stage.fresh(gentle=gentle, seed=7, start=None)
        home = marketplaces.find("DE")
        partner = Partner(
            "seller" if kind == "seller" else "vendor",
            "Shop",
            SELLER,
            "shop@partner.example",
            "made up",
            home,
        )
        if kind == "seller":
            partner.participations = [
                Participation(marketplaces.find(code)) for code in ("DE", "FR")
            ]
        else:
            partner.vendor_codes = ["MILL1", "MILL2"]
        stage.world.add_partner(partner)
        return cls(stage, partner)

    @property
    def catalogue(self) -> Catalogue:
        return self.stage.of(Catalogue)

    def listing(self, sku: str, seller_id: str = SELLER) -> Listing:
        known = self.catalogue.get("eu", seller_id, sku)
        assert known is not None
        return known

    def listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def hear(
            stage: Stage, kind: str, partner: Partner, payload: Any, now: Any, **rest: Any
        ) -> None:
            assert partner is self.partner
            assert rest["region"] == "eu"
            self.told.append((f"{kind} {rest.get('payload_version', '')}".strip(), payload))

        monkeypatch.setattr(notices, "tell", hear)

    def feed(self, *messages: Json, places: tuple[str, ...] = (DE,), **header: Any) -> Json:
        """The report on these messages, numbered unless they are."""
        numbered = [{"messageId": number, **told} for number, told in enumerate(messages, 1)]
        document = {
            "header": {"sellerId": SELLER, "version": "2.0", **header},
            "messages": numbered,
        }
        report: Json = json.loads(self.raw(json.dumps(document).encode(), places).report or b"")
        return report

    def raw(self, content: bytes, places: tuple[str, ...] = (DE,)) -> Outcome:
        return process(
            Work(
                stage=self.stage,
                partner=self.partner,
                application=Application("Northwind", "app", "client", []),
                region="eu",
                feed_id="50001",
                report_feed_id="50001",
                feed_type="JSON_LISTINGS_FEED",
                marketplace_ids=places,
                content=content,
                content_type="application/json",
                now=self.stage.clock.now(),
            )
        )


def message(sku: str, *patches: Json, product_type: str = "PRODUCT", **rest: Any) -> Json:
    """A PATCH."""
    told = {"sku": sku, "operationType": "PATCH", "productType": product_type}
    return {**told, "patches": list(patches), **rest}


def new(sku: str, **attributes: Any) -> Json:
    """An UPDATE that makes a listing in Germany."""
    return {
        "sku": sku,
        "operationType": "UPDATE",
        "productType": "LAMP",
        "attributes": whole(**attributes),
    }


# --- over HTTP ------------------------------------------------------------------------------------


@dataclass
class Desk:
    """One selling partner and its access token."""

    house: House
    partner: Json
    token: str
    seller_id: str

    @classmethod
    def of(cls, house: House, partner: Json | None = None, **wishes: Any) -> Desk:
        house.amazon.levers.pull("PUT", "/limits", {"enforced": False})  # they have tests of theirs
        known = partner or house.seller(marketplaces=["DE", "FR"], **wishes)
        seller_id = (known.get("vendor_codes") or [known["selling_partner_id"]])[0]
        return cls(house, known, house.access_token(known), seller_id)

    @property
    def partner_id(self) -> str:
        return str(self.partner["selling_partner_id"])

    def lever(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        return self.house.amazon.levers.pull(method, path, body, **query)

    def listed(self, **wishes: Any) -> Json:
        """Makes listings by lever; the first of them."""
        told = self.lever(
            "POST", "/world/listings", {"selling_partner_id": self.partner_id, **wishes}
        )
        first: Json = told["items"][0]
        return first

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx2.Response:
        return self.house.http.request(
            method,
            f"{self.house.amazon.addresses['eu']}{path}",
            headers={"x-amz-access-token": self.token},
            params={"marketplaceIds": DE, **query},
            json=body,
        )

    def item(self, method: str, sku: str, body: Any = None, **query: Any) -> httpx2.Response:
        return self.call(method, f"{ITEMS}/{self.seller_id}/{quote(sku, safe='')}", body, **query)

    def get(self, sku: str, *included: str, **query: Any) -> Json:
        answer = self.item("GET", sku, includedData=",".join(included) or "summaries", **query)
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    def patch(self, sku: str, *patches: Json, **query: Any) -> Json:
        body = {"productType": "PRODUCT", "patches": list(patches)}
        answer = self.item("PATCH", sku, body, **query)
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    def refused(self, method: str, sku: str, body: Any = None, **query: Any) -> tuple[int, Json]:
        answer = self.item(method, sku, body, **query)
        error: Json = answer.json()["errors"][0]
        return answer.status_code, error


# --- what Amazon wrote ----------------------------------------------------------------------------


@cache
def _model(path: Path) -> Json:
    told: Json = json.loads(path.read_text())
    return told


def check(models: Path, definition: str, told: Any, model: str = MODEL) -> None:
    """An answer against a definition of one of Amazon's models."""
    definitions = _model(models / model)["definitions"]
    schema = {"$ref": f"#/definitions/{definition}", "definitions": definitions}
    jsonschema_rs.Draft4Validator(schema).validate(told)


def check_schema(models: Path, name: str, told: Any) -> None:
    """A document against one of Amazon's schemas."""
    schema = _model(models.parent / "schemas" / name)
    jsonschema_rs.Draft7Validator(schema).validate(told)


def check_payload(models: Path, name: str, told: Any) -> None:
    """A notification's payload against Amazon's schema of the notification."""
    schema = _model(models.parent / "schemas" / "notifications" / name)
    jsonschema_rs.Draft7Validator(schema["properties"]["Payload"]).validate(told)
