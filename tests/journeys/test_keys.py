"""A new key for the safe while everybody is being served, and a copy of the database elsewhere."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from demo.stage import Evergrant, Stage
from tests.journeys.conftest import Town

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("keys")]


def test_rotating_the_key_of_the_safe_while_serving(town: Town) -> None:
    accounts = [town.adopted(town.partner()) for _ in range(20)]
    second = town.evergrant.another("second", "serve")
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

    asker = threading.Thread(target=keep_asking)
    asker.start()
    try:
        before = town.evergrant.cli_json("vault", "status")
        rotated = town.evergrant.cli_json("vault", "rotate-key")
    finally:
        over.set()
        asker.join(60)
    assert not asker.is_alive()
    assert refused == []
    assert served > 0
    assert rotated["new_key_id"] != before["current_key_id"]
    assert rotated["resealed"] >= len(accounts)
    assert rotated["left"] == 0
    assert set(town.evergrant.cli_json("vault", "status")["sealed_by"]) == {rotated["new_key_id"]}

    # Both processes open and seal with the new key: fresh tokens are minted and stored.
    town.move_clocks(2 * 3600)
    for url in (town.evergrant.url, second.url):
        for account in accounts[:3]:
            answer = town.house.send("GET", f"{url}/v1/accounts/{account['id']}/access-token")
            assert answer.status_code == 200, answer.text
    assert set(town.evergrant.cli_json("vault", "status")["sealed_by"]) == {rotated["new_key_id"]}


def test_a_dump_is_a_way_to_another_server(town: Town, tmp_path: Path) -> None:
    account = town.adopted(town.partner())
    dump = tmp_path / "evergrant.dump"
    town.evergrant.cli("db", "dump", str(dump))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # The key ring travels apart from the data: without it the dump opens nothing.
    shutil.copy(Path(town.evergrant.env["EVERGRANT_HOME"]) / "keyring", elsewhere / "keyring")
    moved = Evergrant(
        Stage(tmp_path),
        town.evergrant.url,
        {**town.evergrant.env, "EVERGRANT_HOME": str(elsewhere)},
        town.evergrant.running,
    )
    moved.cli("db", "restore", str(dump))
    shown = moved.cli_json("account", "show", account["id"])
    assert shown["authorization"]["state"] == "active"
    assert moved.cli_json("token", account["id"])["expires_in"] > 0
