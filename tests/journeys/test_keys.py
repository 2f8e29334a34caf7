"""Keys over several processes: those of programs end everywhere within a moment, that of the safe
is replaced while everybody is being served, and a copy of the database opens elsewhere."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from demo.stage import Evergrant, Stage, wait_for
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from tests.journeys.conftest import Town
from tests.journeys.nearby import Nearby, nearby

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("keys")]


SOON_S = 600  # longer than any machine takes for what has to come before


@pytest.fixture(scope="module")
def second(town: Town) -> Evergrant:
    """One more server process on the same database."""
    return town.evergrant.another("second", "serve")


def test_rotating_the_key_of_the_safe_while_serving(town: Town, second: Evergrant) -> None:
    accounts = [town.adopted(town.partner()) for _ in range(4)]
    over = threading.Event()
    refused: list[str] = []
    served = 0

    def keep_asking() -> None:
        nonlocal served
        while not over.is_set():
            for account in accounts:
                path = f"/v1/accounts/{account['id']}/access-token"
                answer = town.house.send("GET", path)
                served += 1
                if answer.status_code != 200:
                    refused.append(answer.text)
                over.wait(0.02)  # a steady stream, and the rest of the machine for the others

    asker = threading.Thread(target=keep_asking)
    asker.start()
    try:
        before = nearby(town.evergrant).cli_json("vault", "status")
        rotated = nearby(town.evergrant).cli_json("vault", "rotate-key")
    finally:
        over.set()
        asker.join(60)
    assert not asker.is_alive()
    assert refused == []
    assert served > 0
    assert rotated["new_key_id"] != before["current_key_id"]
    assert rotated["resealed"] >= len(accounts)
    assert rotated["left"] == 0
    assert set(nearby(town.evergrant).cli_json("vault", "status")["sealed_by"]) == {
        rotated["new_key_id"]
    }

    # Both processes open and seal with the new key: fresh tokens are minted and stored.
    town.move_clocks(2 * 3600)
    for url in (town.evergrant.url, second.url):
        for account in accounts[:3]:
            answer = town.house.send("GET", f"{url}/v1/accounts/{account['id']}/access-token")
            assert answer.status_code == 200, answer.text
    assert set(nearby(town.evergrant).cli_json("vault", "status")["sealed_by"]) == {
        rotated["new_key_id"]
    }


def test_a_dump_is_a_way_to_another_server(town: Town, tmp_path: Path) -> None:
    account = town.adopted(town.partner())
    dump = tmp_path / "evergrant.dump"
    nearby(town.evergrant).cli("db", "dump", str(dump))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # The key ring travels apart from the data: without it the dump opens nothing.
    shutil.copy(Path(town.evergrant.env["EVERGRANT_HOME"]) / "keyring", elsewhere / "keyring")
    moved = Nearby(
        Stage(tmp_path),
        town.evergrant.url,
        {**town.evergrant.env, "EVERGRANT_HOME": str(elsewhere)},
        town.evergrant.running,
    )
    with EmbeddedPostgres(elsewhere):  # so that each command finds it running
        moved.cli("db", "restore", str(dump))
        shown = moved.cli_json("account", "show", account["id"])
        assert shown["authorization"]["state"] == "active"
        assert moved.cli_json("token", account["id"])["expires_in"] > 0


# --- keys of programs, on two processes -----------------------------------------------------------


@dataclass
class Street:
    """Two server processes on one database, a connected account and its sibling."""

    town: Town
    servers: tuple[str, str]
    account: Any
    sibling: Any

    def api_key(self, **wishes: Any) -> Any:
        wish = {"rights": ["access_tokens"], "account_ids": [self.account["id"]], **wishes}
        return self.town.house.ask("POST", "/v1/api-keys", {"name": "program", **wish})

    def connection_key(self, account: Any, **wishes: Any) -> Any:
        path = f"/v1/accounts/{account['id']}/connection-keys"
        return self.town.house.ask("POST", path, wishes)

    def direct(self, api_key: Any, account: Any) -> list[int]:
        """How each process answers who asks for an access token."""
        path = f"/v1/accounts/{account['id']}/access-token"
        sent = {"authorization": f"Bearer {api_key['secret']}"}
        return [
            httpx2.get(f"{url}{path}", headers=sent, timeout=30, trust_env=False).status_code
            for url in self.servers
        ]

    def as_lwa(self, api_key: Any, connection_key: Any) -> list[str]:
        """What each process answers an SDK: "200", or LWA's word for the refusal."""
        form = {
            "grant_type": "refresh_token",
            "client_id": "sdk",
            "client_secret": api_key["secret"],
            "refresh_token": connection_key["secret"],
        }
        answers = [
            httpx2.post(f"{url}/auth/o2/token", data=form, timeout=30, trust_env=False)
            for url in self.servers
        ]
        return [one.json().get("error", str(one.status_code)) for one in answers]

    def soon(self) -> str:
        """By Evergrant's clock."""
        ahead = float(self.town.clock_file.read_text())
        return (datetime.now(UTC) + timedelta(seconds=ahead + SOON_S)).isoformat()


@pytest.fixture(scope="module")
def street(town: Town, second: Evergrant) -> Street:
    one, two = town.adopted(town.partner()), town.adopted(town.partner())
    return Street(town, (town.evergrant.url, second.url), one, two)


def test_a_key_of_one_account_opens_that_one_on_every_process(street: Street) -> None:
    cli = nearby(street.town.evergrant).cli_json
    key = cli(
        *("apikey", "add", "program", "--right", "access_tokens"),
        *("--account", street.account["id"], "--expires", street.soon()),
    )
    own, other = street.connection_key(street.account), street.connection_key(street.sibling)
    assert street.direct(key, street.account) == [200, 200]
    assert street.direct(key, street.sibling) == [404, 404]
    assert street.as_lwa(key, own) == ["200", "200"]
    assert street.as_lwa(key, other) == ["invalid_grant", "invalid_grant"]
    shown = cli("apikey", "show", key["id"])
    assert shown["account_ids"] == [street.account["id"]]
    assert shown["last_used_at"] is not None


@dataclass
class Keys:
    """API keys, or connection keys, by the same few verbs."""

    street: Street
    kind: str
    program: Any  # the API key beside which connection keys are used

    def make(self, **wishes: Any) -> Any:
        if self.kind == "api key":
            return self.street.api_key(**wishes)
        return self.street.connection_key(self.street.account, **wishes)

    def path(self, key: Any) -> str:
        if self.kind == "api key":
            return f"/v1/api-keys/{key['id']}"
        return f"/v1/accounts/{self.street.account['id']}/connection-keys/{key['id']}"

    def rotate(self, key: Any, overlap_s: int) -> Any:
        path = f"{self.path(key)}/rotate"
        return self.street.town.house.ask("POST", path, {"overlap_s": overlap_s})

    def opens(self, key: Any) -> bool:
        """Both processes say the same, or it is asked again: one of them may remember."""
        if self.kind == "api key":
            said: list[Any] = self.street.direct(key, self.street.account)
        else:
            said = self.street.as_lwa(self.program, key)
        assert set(said) <= {200, 401, "200", "invalid_grant"}, said
        return any(one in (200, "200") for one in said)


@pytest.mark.parametrize("kind", ["api key", "connection key"])
def test_a_key_ends_on_every_process(street: Street, kind: str) -> None:
    keys = Keys(street, kind, street.api_key())

    def ends(key: Any) -> None:
        # In each process by itself it may be remembered for a second.
        wait_for("the end of a key everywhere", lambda: not keys.opens(key), within_s=60)

    revoked = keys.make()
    assert keys.opens(revoked)
    assert street.town.house.send("DELETE", keys.path(revoked)).status_code == 204
    ends(revoked)

    replaced = keys.make()
    assert keys.opens(replaced)
    successor = keys.rotate(replaced, 0)
    ends(replaced)
    assert keys.opens(successor)

    beside = keys.make()
    ending = keys.make(expires_at=street.soon())
    successor = keys.rotate(beside, SOON_S)
    for key in (beside, ending, successor):
        assert keys.opens(key)
    street.town.move_clocks(SOON_S + 1)
    for key in (beside, ending):
        ends(key)
    assert keys.opens(successor)
