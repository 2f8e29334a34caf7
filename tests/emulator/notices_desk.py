"""An application that subscribes to notifications, on behalf of a seller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2

from amazon_emulator import Emulator
from tests.emulator.conftest import House

SCOPE = "sellingpartnerapi::notifications"


@dataclass
class Desk:
    """``grantless``: its access token for destinations; ``token``: the seller's."""

    house: House
    grantless: str
    partner: dict[str, Any]
    token: str

    @classmethod
    def of(cls, house: House) -> Desk:
        house.amazon.levers.pull("PUT", "/limits", {"enforced": False})
        grantless = house.lwa(grant_type="client_credentials", scope=SCOPE).json()["access_token"]
        seller = house.seller()
        return cls(house, grantless, seller, house.access_token(seller))

    @property
    def amazon(self) -> Emulator:
        return self.house.amazon

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **query: Any
    ) -> httpx2.Response:
        region = query.pop("region", "eu")
        return self.house.http.request(
            method,
            f"{self.amazon.addresses[region]}/notifications/v1{path}",
            headers={"x-amz-access-token": token or self.grantless},
            json=body,
            params=query or None,
        )

    def queue(self, name: str = "news", **wishes: Any) -> str:
        return str(self.amazon.levers.pull("POST", "/queues", {"name": name, **wishes})["arn"])

    def destination(self, arn: str, name: str = "mine", **query: Any) -> httpx2.Response:
        body = {"name": name, "resourceSpecification": {"sqs": {"arn": arn}}}
        return self.call("POST", "/destinations", body, **query)

    def to_queue(self, name: str = "news") -> str:
        """A destination's id."""
        answer = self.destination(self.queue(name), name)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["payload"]["destinationId"])

    def subscribe(
        self, kind: str, destination_id: str, version: str = "1.0", **directive: Any
    ) -> httpx2.Response:
        body: dict[str, Any] = {"payloadVersion": version, "destinationId": destination_id}
        if directive:
            body["processingDirective"] = directive
        return self.call("POST", f"/subscriptions/{kind}", body, token=self.token)

    def subscribed(self, kind: str, destination_id: str, *more: str, **directive: Any) -> str:
        """A subscription's id."""
        answer = self.subscribe(kind, destination_id, *more, **directive)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["payload"]["subscriptionId"])

    def tell(self, kind: str, payload: Any, **wishes: Any) -> None:
        wish = {
            "notification_type": kind,
            "selling_partner_id": self.partner["selling_partner_id"],
            "payload": payload,
            **wishes,
        }
        self.amazon.levers.pull("POST", "/notifications", wish)
