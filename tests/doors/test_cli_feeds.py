"""``evergrant feeds``, on the real store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from evergrant import wiring
from evergrant.naming import new_id
from evergrant.ports.amazon import Answer
from evergrant.ports.store import Transaction
from evergrant.ports.traded import FeedRun, Outcome, Pick
from evergrant.rules import ids
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import Region
from evergrant.settings import Settings
from tests.doors.cli_house import Amazon, Cli

SHOP = "Blue Heron Books"
SELLER = "A2SHOP00000000"
MUG = f"/listings/2021-08-01/items/{SELLER}/MUG-1"
CUP = f"/listings/2021-08-01/items/{SELLER}/CUP-1"
NOBODYS_RUN = "run_" + "0" * 26
NOBODYS_CHANGE = "chg_" + "0" * 26


def said(status: str, *issues: dict[str, str]) -> Answer:
    body = {"sku": "MUG-1", "status": status, "submissionId": "1", "issues": list(issues)}
    return Answer(status=200, headers={}, body=json.dumps(body).encode())


def hand_in(cli: Cli, *rows: str) -> None:
    text = "kind,sku,quantity,price,currency\n" + "\n".join(rows) + "\n"
    answered = cli("changes", "add", SHOP, "-", "--json", stdin=text)
    assert answered.code == 0, answered.err
    assert cli("account", "change", SHOP, "--merchant-token", SELLER).code == 0


def in_store(do: Callable[[Transaction], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with (
            wiring.open_desk(Settings.from_environment()) as desk,
            desk.store.transaction() as tx,
        ):
            return await do(tx)

    return asyncio.run(work())


def uncertain_run(account_id: str) -> str:
    """A run that nobody can tell of, with what waits."""
    now = datetime.now(UTC)
    run_id = new_id(ids.Kind.FEED_RUN, now)

    async def put(tx: Transaction) -> None:
        account = await tx.accounts.get(account_id)
        assert account is not None
        await tx.feed_runs.add(
            FeedRun(
                id=run_id,
                account_id=account_id,
                application_id=account.application_id,
                region=Region.EU,
                path=Path.PATCH,
                step=RunStep.UNCERTAIN,
                changes=1,
                created_at=now,
                changed_at=now,
            )
        )
        waiting = await tx.changes.read(account_id=account_id, states=[ChangeState.PENDING])
        picks = [Pick(change_id=one.id, message_id=at) for at, one in enumerate(waiting, 1)]
        await tx.changes.claim(account_id, run_id, picks, {}, now)
        await tx.changes.settle_rest(
            run_id, Outcome(change_id="", state=ChangeState.UNCERTAIN, message="Nobody knows."), now
        )

    in_store(put)
    return run_id


def test_from_the_plan_to_what_amazon_said(connected: Cli, amazon: Amazon) -> None:
    empty = connected("feeds", "status")
    assert "changes add" in empty.err
    assert "Nothing would go now" in connected("feeds", "plan", SHOP).err
    hand_in(connected, "stock,MUG-1,12,,", "price,MUG-1,,19.99,EUR", "stock,CUP-1,3,,")
    planned = connected("feeds", "plan", SHOP)
    assert "patch" in planned.out
    assert "patchListingsItem" in planned.out
    told = connected("feeds", "plan", SHOP, "--json").json
    assert (told["runs"][0]["changes"], told["runs"][0]["messages"]) == (
        {"stock": 2, "price": 1},
        2,
    )
    listed = connected("feeds", "status", "--json").json["items"]
    assert [one["account"]["name"] for one in listed] == [SHOP]
    assert SHOP in connected("feeds", "status").out
    amazon.api.answer("PATCH", MUG, said("ACCEPTED"))
    issue = {"code": "90220", "severity": "ERROR", "message": "'color' is required."}
    amazon.api.answer("PATCH", CUP, said("INVALID", issue))
    done = connected("feeds", "run-now", SHOP, "--here")
    assert "Runs made: 1. Settled: 1. Troubled: 0." in done.out
    states = {
        (one["kind"], one["subject"]): one["state"]
        for one in connected("feeds", "changes", SHOP, "--json").json["items"]
    }
    assert states == {
        ("stock", "MUG-1"): "accepted",
        ("price", "MUG-1"): "accepted",
        ("stock", "CUP-1"): "refused",
    }
    refused = connected("feeds", "changes", SHOP, "--state", "refused")
    assert "'color' is required." in refused.out
    assert "MUG-1" not in refused.out
    assert "No such change" in connected("feeds", "changes", SHOP, "--kind", "refund").err
    (run,) = connected("feeds", "runs", SHOP, "--json").json["items"]
    assert (run["step"], run["accepted"], run["refused"]) == ("settled", 2, 1)
    assert run["id"] in connected("feeds", "runs", SHOP).out
    assert "No run" in connected("feeds", "runs", SHOP, "--open").err
    shown = connected("feeds", "show", run["id"])
    assert "90220" in shown.out
    read = connected("feeds", "show", run["id"], "--json").json
    assert (read["run"]["id"], len(read["changes"]), read["next_message"]) == (run["id"], 3, None)
    assert "There are more" in connected("feeds", "show", run["id"], "--limit", "1").err
    change = read["changes"][0]["id"]
    assert connected("feeds", "show", change, "--json").json["id"] == change
    status = connected("feeds", "status", SHOP)
    assert "in the last 24 hours" in status.err
    assert "accepted" in status.out


def test_paused_resumed_and_hurried(connected: Cli) -> None:
    hand_in(connected, "stock,MUG-1,12,,")
    paused = connected("feeds", "pause", SHOP, "--note", "stock-taking")
    assert "evergrant feeds resume" in paused.out
    assert "stock-taking" in connected("feeds", "status", SHOP).out
    assert "paused" in connected("feeds", "status").out
    assert "Somebody paused the account." in connected("feeds", "plan", SHOP).out
    refused = connected("feeds", "run-now", SHOP)
    assert (refused.code, "feeds resume" in refused.err) == (2, True)
    assert connected("feeds", "pause", SHOP, "--json").json["pause_note"] == ""
    assert "goes on" in connected("feeds", "resume", SHOP).out
    assert "not paused" in connected("feeds", "resume", SHOP).err
    assert "within seconds" in connected("feeds", "run-now", SHOP).out
    hurried = connected("feeds", "run-now", SHOP, "--json").json
    assert hurried["work"]["hurried_at"] is not None
    assert hurried["worked"] is None
    assert "feeds.hurried" in connected("journal", "--json").out


def test_what_a_person_decides(connected: Cli) -> None:
    hand_in(connected, "stock,MUG-1,12,,")
    account_id = connected("account", "show", SHOP, "--json").json["id"]
    run = uncertain_run(account_id)
    assert "uncertain" in connected("feeds", "show", run).out
    missing = connected("feeds", "decide", run)
    assert missing.code != 0
    assert "--did-not-happen" in missing.err
    assert f"feeds show {run}" in missing.err
    asked = connected("feeds", "decide", run, "--did-not-happen", stdin="n\n")
    assert asked.code != 0
    assert "sent to Amazon once more" in asked.err
    assert connected("feeds", "show", run, "--json").json["run"]["step"] == "uncertain"
    decided = connected("feeds", "decide", run, "--did-not-happen", "--yes", "--note", "looked")
    assert "sent again" in decided.out
    assert connected("feeds", "changes", SHOP, "--json").json["items"][0]["state"] == "pending"
    assert (
        "Nothing of this run is uncertain" in connected(*("feeds", "decide", run, "--happened")).err
    )
    second = uncertain_run(account_id)
    assert "count as accepted" in connected("feeds", "decide", second, "--happened").out


def test_a_run_that_is_stopped(connected: Cli) -> None:
    hand_in(connected, "stock,MUG-1,12,,")
    account_id = connected("account", "show", SHOP, "--json").json["id"]
    run = uncertain_run(account_id)
    over = connected("feeds", "cancel", run)
    assert (over.code, "over" in over.err) == (2, True)

    async def planned(tx: Transaction) -> None:
        await tx.feed_runs.change(run, step=RunStep.PLANNED)

    in_store(planned)
    assert "Stopped" in connected("feeds", "cancel", run).out


def test_what_is_not_there_and_what_is_no_id(connected: Cli) -> None:
    for words in (
        ("status", "Nobody"),
        ("plan", "Nobody"),
        ("runs", "Nobody"),
        ("changes", "Nobody"),
        ("pause", "Nobody"),
        ("resume", "Nobody"),
        ("run-now", "Nobody"),
        ("show", NOBODYS_RUN),
        ("show", NOBODYS_CHANGE),
        ("cancel", NOBODYS_RUN),
        ("decide", NOBODYS_RUN, "--happened"),
    ):
        answer = connected("feeds", *words)
        assert answer.code == 2, words
        assert "There is no" in answer.err or "no account" in answer.err.lower(), (words, answer)
    assert "neither a run nor a change" in connected("feeds", "show", SHOP).err
    wrong = connected("feeds", "changes", SHOP, "--state", "pendin", "--kind", "stocks")
    assert wrong.code != 0
    assert "pending" in wrong.err
    assert "stock" in wrong.err
