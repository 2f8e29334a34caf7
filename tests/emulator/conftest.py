"""One emulator for the shelf, as good as new for every test; people and programs that visit it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from amazon_emulator import Emulator
from amazon_emulator.models import Contract
from demo.partner import Browser, Page

LOGIN_URI = "https://house.example/amazon/login"
REDIRECT_URI = "https://house.example/callback"
OTHER_REDIRECT_URI = "https://house.example/other?tenant=7"


class Left(Exception):
    """The browser was sent to a place that is not the emulator."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class Person(Browser):
    """A browser that remembers where it was sent when it left the emulator."""

    def __init__(self) -> None:
        super().__init__()
        self.left_for = ""
        inside = self._http.request

        def only_inside(method: str, url: str, **rest: Any) -> httpx2.Response:
            if not url.startswith("http://127.0.0.1:"):
                raise Left(url)
            return inside(method, url, **rest)

        self._http.request = only_inside  # type: ignore[method-assign, assignment]

    def _go(self, method: str, url: str, data: dict[str, str] | None = None) -> Page:
        try:
            return super()._go(method, url, data)
        except Left as left:
            self.left_for = left.url
            return Page(left.url, 0, "", "", [], [])

    @property
    def brought(self) -> dict[str, str]:
        """The query of the address that it left for."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.left_for).query).items()}


@dataclass
class House:
    """A developer with an application, and what it does at the emulator."""

    amazon: Emulator
    http: httpx2.Client
    application: dict[str, Any]

    @property
    def application_id(self) -> str:
        return str(self.application["application_id"])

    @property
    def client(self) -> dict[str, str]:
        return {
            "client_id": self.application["lwa_client_id"],
            "client_secret": self.application["lwa_client_secret"],
        }

    def lwa(self, **fields: str | None) -> httpx2.Response:
        """A form to LWA with the application's own credentials; None leaves a field out."""
        given = {**self.client, **fields}
        return self.http.post(
            f"{self.amazon.addresses['lwa']}/auth/o2/token",
            data={name: value for name, value in given.items() if value is not None},
        )

    def refresh(self, refresh_token: str, **fields: str | None) -> httpx2.Response:
        return self.lwa(grant_type="refresh_token", refresh_token=refresh_token, **fields)

    def exchange(self, code: str, **fields: str | None) -> httpx2.Response:
        return self.lwa(grant_type="authorization_code", code=code, **fields)

    def seller(self, **wishes: Any) -> dict[str, Any]:
        return self.amazon.levers.partner("seller", **{"home": "DE", **wishes})

    def vendor(self, **wishes: Any) -> dict[str, Any]:
        return self.amazon.levers.partner("vendor", **{"home": "DE", **wishes})

    def grant(self, partner: dict[str, Any], **wishes: Any) -> str:
        """A refresh token by self-authorization."""
        partner_id = partner["selling_partner_id"]
        made = self.amazon.levers.grant(partner_id, self.application_id, **wishes)
        return str(made["refresh_token"])

    def access_token(self, partner: dict[str, Any], **wishes: Any) -> str:
        return str(self.refresh(self.grant(partner, **wishes)).json()["access_token"])

    def call(
        self, path: str, access_token: str | None, region: str = "eu", **query: Any
    ) -> httpx2.Response:
        headers = {} if access_token is None else {"x-amz-access-token": access_token}
        url = f"{self.amazon.addresses[region]}{path}"
        return self.http.get(url, headers=headers, params=query or None)

    def consent_url(self, kind: str = "seller", **query: str | None) -> str:
        given = {
            "application_id": self.application_id,
            "state": "our state",
            "version": "beta",
            **query,
        }
        kept = {name: value for name, value in given.items() if value is not None}
        central = self.amazon.addresses[f"{kind}_central"]
        return str(httpx2.URL(f"{central}/apps/authorize/consent", params=kept))

    def consented(self, partner: dict[str, Any], **query: str | None) -> Person:
        """Somebody who signed in and confirmed."""
        person = self.signed_in(partner, **query)
        person.press("Confirm", permission="on")
        return person

    def signed_in(self, partner: dict[str, Any], **query: str | None) -> Person:
        person = Person()
        person.open(self.consent_url(partner["kind"], **query))
        person.press("Sign in", email=partner["email"], password=partner["password"])
        return person


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    """With Amazon's models where they are found: then every answer of every test is compared."""
    folder = models_folder()
    with Emulator(gentle=True, models=folder, contract="report" if folder else "off") as amazon:
        yield amazon


@pytest.fixture
def amazon(running: Emulator) -> Iterator[Emulator]:
    running.levers.reset()
    yield running
    broken = [
        f"{breach.operation}: {fault.where} {fault.what}"
        for breach in Contract.of(running.stage).which(side="answer")
        for fault in breach.faults
        if fault.grave
    ]
    assert not broken, "answers that break Amazon's models:\n" + "\n".join(broken[:20])


@pytest.fixture(scope="session")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def house(amazon: Emulator, http: httpx2.Client) -> House:
    application = amazon.levers.application(
        "Northwind Connect",
        login_uri=LOGIN_URI,
        redirect_uris=[REDIRECT_URI, OTHER_REDIRECT_URI],
    )
    return House(amazon, http, application)


@pytest.fixture(autouse=True)
def _closed_browsers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every browser that a test opened is closed after it."""
    opened: list[Browser] = []
    begin = Browser.__init__

    def remember(self: Browser) -> None:
        begin(self)
        opened.append(self)

    monkeypatch.setattr(Browser, "__init__", remember)
    yield
    for browser in opened:
        browser.close()


def models_folder() -> Path | None:
    """Amazon's own models: EVERGRANT_AMAZON_MODELS, or a folder `amazon-models` near the code."""
    named = os.environ.get("EVERGRANT_AMAZON_MODELS")
    candidates = [Path(named)] if named else []
    for above in Path(__file__).resolve().parents:
        candidates += [above / "amazon-models", *sorted(above.glob("*/amazon-models"))]
    for folder in candidates:
        if (folder / "models" / "sellers-api-model").is_dir():
            return folder / "models"
    return None


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of Amazon's models."""
    folder = models_folder()
    if folder is None:
        pytest.skip(
            "LOUD: Amazon's models were not found; set EVERGRANT_AMAZON_MODELS to their folder"
        )
    return folder
