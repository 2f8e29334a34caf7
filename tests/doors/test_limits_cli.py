"""``evergrant limits`` on a real database."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from evergrant.desk import Desk
from evergrant.entrances.cli import limits
from evergrant.ports.budgets import Wish
from evergrant.rules import operations
from evergrant.rules.marketplaces import Region
from evergrant.settings import Settings
from evergrant.wiring import open_desk
from tests.doors.cli_house import Cli, add_account, amazon, bare, cli, house, with_account

__all__ = ["amazon", "bare", "cli", "house", "with_account"]

ORDERS = "orders.v0.getOrders"
GRANTLESS = "notifications.v1.createDestination"
HERON = "Blue Heron Books"


def at_desk(work: Callable[[Desk, Any], Awaitable[None]]) -> None:
    """Does something as another process of the house would."""

    async def inner() -> None:
        async with open_desk(Settings.from_environment(os.environ)) as desk:
            async with desk.store.transaction() as tx:
                account = await tx.accounts.one(name=HERON)
            await work(desk, account)
            await desk.limits.close()

    asyncio.run(inner())


def spend(operation: str = ORDERS, permits: int = 1) -> None:
    async def work(desk: Desk, account: Any) -> None:
        found = operations.get(operation)
        assert found is not None
        shares = await desk.limits.fetch_shares(
            account.application_id, account.id, Region.EU, found
        )
        await desk.limits._budgets.take(Wish(shares=shares, most=permits))

    at_desk(work)


def note(**more: Any) -> None:
    async def work(desk: Desk, account: Any) -> None:
        told = {"status": 200, "error": "", "took_s": 0.1, "waited_s": 0.0, **more}
        desk.limits.note_call(account.id, ORDERS, Region.EU, **told)

    at_desk(work)


# --- live -----------------------------------------------------------------------------------------


def test_a_house_that_called_nothing_has_full_buckets(with_account: Cli) -> None:
    said = with_account("limits", HERON)
    assert said.code == 0
    assert "every bucket is full" in said.err
    assert with_account("limits", HERON, "--json").json["items"] == []


def test_every_bucket_is_shown_with_a_bar(with_account: Cli) -> None:
    spend(permits=10)
    said = with_account("limits", HERON)
    (line,) = [line for line in said.out.splitlines() if ORDERS in line]
    assert "██████░░░░░░ 10" in line
    assert "1/min, burst 20" in line
    assert "Amazon" in line
    shown = with_account("limits", "--json", HERON).json
    (bucket,) = shown["items"]
    assert (bucket["operation"], bucket["scope"], bucket["source"]) == (ORDERS, "pair", "amazon")
    assert 9.5 < bucket["left"] < 11


def test_the_account_may_be_named_by_its_command_too(with_account: Cli) -> None:
    """An account whose name is a command's is reached as well."""
    add_account(with_account, "list")
    assert with_account("limits", "show", "list", "--json").json["items"] == []
    assert with_account("limits", "list", "--json").json == {"items": [], "next": None}


def test_an_account_that_is_not_there(with_account: Cli) -> None:
    said = with_account("limits", "Blue Heron Book")
    assert said.code == 2
    assert "Did you mean 'Blue Heron Books'?" in said.err


def test_the_group_explains_both_ways(cli: Cli) -> None:
    for arguments in (("limits",), ("limits", "--help")):
        said = cli(*arguments)
        assert "ACCOUNT | COMMAND" in said.out + said.err
        for command in ("show", "set", "unset", "list", "calls"):
            assert command in said.out + said.err


def test_watching_looks_again_until_it_is_interrupted(
    with_account: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def pause(seconds: float) -> None:
        nonlocal looks
        looks += 1
        assert seconds == 0.5
        if looks == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(limits, "pause", pause)
    spend()
    said = with_account("limits", HERON, "--watch", "--every", "0.5", "--json")
    assert said.code == 0
    told = [json.loads(line) for line in said.out.splitlines()]
    assert len(told) == 3
    assert told[0]["at"] <= told[2]["at"]
    assert [one["items"][0]["operation"] for one in told] == [ORDERS] * 3
    looks = 0
    said = with_account("limits", "--watch", "--every", "0.5", HERON)
    assert said.out.count(ORDERS) == 3


# --- plans ----------------------------------------------------------------------------------------


def test_a_plan_is_set_shown_and_removed(with_account: Cli) -> None:
    made = with_account(
        *("limits", "set", ORDERS, "--rate", "0.5", "--burst", "30"),
        *("--account", HERON, "--note", "case 4711", "--json"),
    ).json
    assert (made["rate_per_s"], made["burst"], made["note"]) == (0.5, 30, "case 4711")
    said = with_account("limits", "list")
    (line,) = [line for line in said.out.splitlines() if ORDERS in line and HERON in line]
    assert "0.5/s, burst 30" in line
    assert "operator" in with_account("limits", HERON).out
    assert with_account("limits", "unset", ORDERS, "--account", HERON).code == 0
    assert with_account("limits", "list", "--json").json["items"] == []
    assert "Amazon's hold" in with_account("limits", "list").err


def test_for_whom_a_plan_is_has_to_be_said(with_account: Cli) -> None:
    plan = ("limits", "set", ORDERS, "--rate", "1", "--burst", "1")
    for more in ((), ("--account", HERON, "--all-of-them")):
        said = with_account(*plan, *more)
        assert said.code == 2
        assert "--all-of-them" in said.err
    assert with_account(*plan, "--all-of-them").code == 0
    assert with_account(*plan, "--application", "Northwind Connect").code == 0
    assert with_account(*plan, "--app", "Northwind Connect", "--of-application").code == 0
    rows = with_account("limits", "list", "--json").json["items"]
    assert len(rows) == 3
    unset = ("limits", "unset", ORDERS, "--app", "Northwind Connect")
    assert with_account(*unset, "--of-application").code == 0
    assert with_account(*unset, "--of-application").code == 2
    assert with_account(*unset).code == 0
    (left,) = with_account("limits", "list", "--operation", ORDERS, "--json").json["items"]
    assert with_account("limits", "unset", left["id"]).code == 0


def test_a_grantless_plan_is_removed_as_it_was_set(with_account: Cli) -> None:
    assert (
        with_account(
            "limits", "set", GRANTLESS, "--rate", "1", "--burst", "5", "--all-of-them"
        ).code
        == 0
    )
    assert with_account("limits", "unset", GRANTLESS, "--all-of-them").code == 0


def test_what_is_no_plan_is_told(with_account: Cli) -> None:
    said = with_account(
        "limits", "set", "getOrders", "--rate", "0", "--burst", "0", "--all-of-them"
    )
    assert said.code == 2
    for word in ("rate_per_s", "burst", "operation"):
        assert word in said.err


def test_a_list_has_pages(with_account: Cli) -> None:
    for operation in (ORDERS, GRANTLESS):
        with_account("limits", "set", operation, "--rate", "1", "--burst", "5", "--all-of-them")
    first = with_account("limits", "list", "--limit", "1", "--json").json
    rest = with_account("limits", "list", "--after", first["next"], "--json").json
    assert [row["operation"] for row in (*first["items"], *rest["items"])] == sorted(
        [ORDERS, GRANTLESS]
    )
    assert rest["next"] is None


# --- counts ---------------------------------------------------------------------------------------


def test_calls_are_added_up_by_operation_or_shown_by_hour(with_account: Cli) -> None:
    note(waited_s=2.0)
    note(status=404, error="NotFound")
    said = with_account("limits", "calls", HERON)
    (line,) = [line for line in said.out.splitlines() if ORDERS in line]
    assert "1, 2.0 s each" in line
    assert "not_found 1" in line
    rows = with_account("limits", "calls", HERON, "--since", "7d", "--json").json["items"]
    assert sum(row["calls"] for row in rows) == 2
    assert "UTC" in with_account("limits", "calls", HERON, "--by-hour").out.splitlines()[1]
    assert with_account("limits", "calls", HERON, "--since", "2099-01-01").out == ""


@pytest.mark.parametrize("since", ["soon", "999999d", "7y"])
def test_what_is_no_time_is_told(with_account: Cli, since: str) -> None:
    said = with_account("limits", "calls", HERON, "--since", since)
    assert said.code == 2
    assert "since" in said.err
    assert "7d" in said.err or since == "999999d"
