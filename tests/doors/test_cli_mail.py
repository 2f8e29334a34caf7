"""``evergrant mail bounce``: the end of a mail server's pipe."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from evergrant.errors import StoreUnavailable
from evergrant.ports.things import OutboxItem, OutboxState
from evergrant.rules.delivery_reports import LONGEST_REPORT
from evergrant.settings import Settings
from evergrant.wiring import open_wires
from tests.doors.cli_house import Cli
from tests.rooms.letters_ground import report

AWAY = "From: a@b.example\nSubject: Out of office\n\nI am away.\n"


async def a_letter_that_went_out() -> OutboxItem:
    async with (
        open_wires(Settings.from_environment()) as wires,
        wires.desk.store.transaction() as tx,
    ):
        (item,) = await tx.outbox.all(topic="invitation")
        sent = await tx.outbox.change(
            item.id, state=OutboxState.SENT, attempts=1, ended_at=item.created_at
        )
    assert sent is not None
    return sent


async def settled() -> int:
    """By the clock tower, on PostgreSQL."""
    async with open_wires(Settings.from_environment()) as wires:
        return await wires.desk.bounces.settle_arrived()


def test_a_bounce_comes_through_the_pipe(with_account: Cli, tmp_path: Path) -> None:
    cli = with_account
    assert cli("account", "invite", "Blue Heron Books").code == 0
    item = asyncio.run(a_letter_that_went_out())
    raw = report(item).decode()
    delayed = cli("mail", "bounce", "--pipe", stdin=report(item, action="delayed").decode())
    assert (delayed.code, "may yet arrive" in delayed.out) == (0, True)
    said = cli("mail", "bounce", "--pipe", stdin=raw)
    assert said.code == 0, said.err
    assert "owner@shop.example did not arrive" in said.out
    file = tmp_path / "bounce.eml"
    file.write_text(raw)
    again = cli("mail", "bounce", str(file), "--json").json
    assert again["outcome"] == "known"
    assert again["letter_id"] == item.id
    assert again["to"] == "owner@shop.example"
    told = cli("journal", "--verb", "letter.bounced", "--json").json["items"]
    assert [line["facts"]["outbox_id"] for line in told] == [item.id]

    assert asyncio.run(settled()) == 0
    changed = ("account", "change", "Blue Heron Books", "--email", "office@shop.example")
    assert cli(*changed).code == 0
    assert asyncio.run(settled()) == 1

    unknown = raw.replace(item.id, f"{item.id[:-4]}0000")
    assert cli("mail", "bounce", "-", stdin=unknown).code == 2
    dropped = cli("mail", "bounce", "--pipe", stdin=unknown)
    assert (dropped.code, dropped.out) == (0, "")
    assert "no letter of this house" in dropped.err


def test_what_is_no_report(house: Cli, tmp_path: Path) -> None:
    refused = house("mail", "bounce", stdin=AWAY)
    assert refused.code == 2
    assert "RFC 3464" in refused.err
    assert house("mail", "bounce", "--pipe", stdin=AWAY).code == 0
    assert house("mail", "bounce", stdin="").code == 2
    missing = house("mail", "bounce", str(tmp_path / "nowhere.eml"))
    assert missing.code == 2
    assert "cannot be read" in missing.err


def test_a_database_that_is_away_asks_the_mail_server_to_come_again(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(verb: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr("evergrant.entrances.cli.mail.at_desk", away)
    said = cli("mail", "bounce", "--pipe", stdin=AWAY)
    assert said.code == 75
    assert "store_unavailable" in said.err


def test_a_mail_of_any_length_is_read_to_its_end(house: Cli) -> None:
    """To some mail servers a pipe that breaks is a letter to send back."""
    said = house("mail", "bounce", "--pipe", stdin=AWAY + "y" * (3 * LONGEST_REPORT + 7))
    assert said.code == 0, said.err
    assert sys.stdin.buffer.read() == b""
