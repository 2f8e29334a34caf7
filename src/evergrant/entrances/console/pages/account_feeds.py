"""What is on its way to Amazon for one account, and what came from there: in short.

Answers for: the counts by kind and why something waits, its last runs and orders, and for holding
its work up and letting it go on. Does not answer for: lines, runs and orders in full (their own
pages).
"""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from evergrant.entrances.console import trade_words
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import FLAG_WORDS, home_of, sheet
from evergrant.errors import Conflict
from evergrant.rules import waits
from evergrant.rules.changes import FLAGS
from evergrant.rules.rights import Right

__all__ = ["DOORS"]

_OF = "/console/accounts/{account_id}"
_SHOWN = 10
_RUNS_OF = timedelta(days=7)
_MOST_RUNS = 1000


async def show(asked: Asked) -> Response:
    desk, by, account_id = asked.desk, asked.caller, asked.path["account_id"]
    [feeds] = await desk.feeds.ledger.status(by=by, account_id=account_id)
    runs = await desk.feeds.ledger.runs(
        account_id, by=by, since=asked.now - _RUNS_OF, limit=_MOST_RUNS
    )
    work = feeds.work
    paused_by = ""
    if work is not None and work.paused_at is not None:
        names = await desk.feeds.ledger.names([work.paused_by], by=by)
        paused_by = trade_words.pauser(work.paused_by, names)
    return await sheet(
        asked,
        "accounts/feeds.html",
        feeds=feeds,
        work=work,
        paused_by=paused_by,
        waiting=waits.read(work.waits) if work is not None else [],
        switch_words={kind: FLAG_WORDS[flag][1] for kind, flag in FLAGS.items()},
        runs=runs[::-1][:_SHOWN],
        sweep=await desk.orders.state(account_id, by=by),
        words=trade_words,
        may_upload=asked.may(Right.AMAZON_WRITE),
    )


async def pause(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    await asked.desk.feeds.work.pause(account_id, by=asked.caller, note=asked.form.get("note", ""))
    return asked.back(
        f"{home_of(account_id)}/feeds",
        "Paused: nothing new is begun. What Amazon has already is seen to its end.",
    )


async def resume(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    try:
        await asked.desk.feeds.work.resume(account_id, by=asked.caller)
    except Conflict as error:
        return asked.back(f"{home_of(account_id)}/feeds", str(error), "bad")
    return asked.back(f"{home_of(account_id)}/feeds", "It goes on, with the latest values.")


async def run_now(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    try:
        await asked.desk.feeds.work.run_now(account_id, by=asked.caller)
    except Conflict as error:
        return asked.back(f"{home_of(account_id)}/feeds", f"{error} Resume it first.", "bad")
    return asked.back(f"{home_of(account_id)}/feeds", "Its next run comes at once.")


DOORS = (
    Door("GET", f"{_OF}/feeds", show, Right.READ),
    Door("POST", f"{_OF}/feeds/pause", pause, Right.WRITE),
    Door("POST", f"{_OF}/feeds/resume", resume, Right.WRITE),
    Door("POST", f"{_OF}/feeds/run", run_now, Right.WRITE),
)
