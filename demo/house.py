"""The software house in the demo: speaks /v1 with an API key and reads the development mailbox."""

from __future__ import annotations

import re
from typing import Any

import httpx2

from demo.stage import Emulator, Evergrant, wait_for


class House:
    """An integrator with an API key."""

    def __init__(self, evergrant: Evergrant, api_key: str) -> None:
        self.evergrant = evergrant
        self.api_key = api_key
        self._http = httpx2.Client(
            base_url=evergrant.url,
            headers={"authorization": f"Bearer {api_key}"},
            timeout=60,
            trust_env=False,
        )

    @classmethod
    def open(cls, evergrant: Evergrant) -> House:
        """Makes the first API key on the command line, as the operator would."""
        made = evergrant.cli_json(
            *("apikey", "add", "demo"),
            *("--right", "read", "--right", "write"),
            *("--right", "manage", "--right", "access_tokens"),
            *("--right", "amazon_read", "--right", "amazon_write", "--right", "personal_data"),
        )
        return cls(evergrant, made["secret"])

    def close(self) -> None:
        self._http.close()

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> httpx2.Response:
        return self._http.request(method, path, json=body, params=query or None)

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer's JSON; a problem becomes a RuntimeError with its words."""
        answer = self.send(method, path, body, **query)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def letters(self) -> list[dict[str, Any]]:
        """What the development mailbox received, newest first."""
        answer = self._http.get("/dev/mailbox.json")
        answer.raise_for_status()
        letters: list[dict[str, Any]] = answer.json()["letters"]
        return letters

    def newest_letter(self) -> int:
        """The number of the newest letter, 0 before the first."""
        return max((letter["number"] for letter in self.letters()), default=0)

    def wait_for_letter(
        self, to: str, says: str = "/connect/", *, after: int = 0
    ) -> dict[str, Any]:
        """The newest letter to that address with a number above ``after``."""

        def look() -> dict[str, Any] | None:
            for letter in self.letters():
                if letter["number"] > after and to in letter["to"] and says in letter["text"]:
                    return letter
            return None

        return wait_for(f"a mail to {to}", look)


def link_in(letter: dict[str, Any]) -> str:
    """The address of the button in an invitation mail."""
    found = re.search(r"https?://\S+/connect/[\w-]+", letter["text"])
    if found is None:
        raise LookupError(f"no invitation link in the mail {letter['subject']!r}")
    return found.group()


def add_application(house: House, emulator: Emulator, **wishes: Any) -> dict[str, Any]:
    """Registers one application at (emulated) Amazon and the same one at Evergrant, credentials
    included. Gives Evergrant's view of it."""
    issued = new_amazon_application(emulator, house.evergrant.url, **wishes)
    added: dict[str, Any] = house.ask(
        "POST",
        "/v1/applications",
        {
            "name": issued["name"],
            "kind": "public",
            "partner_kinds": ["seller", "vendor"],
            "status": issued["status"],
            "application_id": issued["application_id"],
            "login_uri": f"{house.evergrant.url}/amazon/login",
            "redirect_uri": f"{house.evergrant.url}/callback",
        },
    )
    house.ask(
        "PUT",
        f"/v1/applications/{added['id']}/credentials",
        {
            "lwa_client_id": issued["lwa_client_id"],
            "lwa_client_secret": issued["lwa_client_secret"],
        },
    )
    return {**added, "amazon": issued}


def new_amazon_application(emulator: Emulator, public_url: str, **wishes: Any) -> dict[str, Any]:
    body = {
        "name": "Northwind Connect",
        "status": "draft",
        "login_uri": f"{public_url}/amazon/login",
        "redirect_uris": [f"{public_url}/callback"],
        **wishes,
    }
    issued: dict[str, Any] = lever(emulator, "POST", "/world/applications", body)
    return issued


def lever(emulator: Emulator, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """Pulls one of the emulator's levers."""
    answer = httpx2.request(
        method,
        f"{emulator.addresses['levers']}{path}",
        json=body,
        params=query or None,
        timeout=30,
        trust_env=False,
    )
    answer.raise_for_status()
    return answer.json() if answer.content else None
