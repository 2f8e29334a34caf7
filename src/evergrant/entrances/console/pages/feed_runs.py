"""One run: how far it came, what Amazon said of each of its lines, and what a person decides.

Answers for: its steps with their instants, its lines page by page, stopping it, and saying what
became of one that nobody can tell, with a page that says first what follows. Does not answer for:
which runs there are (``feeds``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console import trade_words
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import Conflict, Flaw, InvalidInput
from evergrant.feeds.ledger import RunRead
from evergrant.ports.things import Account
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import PATHS, Manner, PathFacts, RunStep, is_late
from evergrant.rules.rights import Right

__all__ = ["DOORS"]

#: Lines on one page.
LINES = 100
_MOST_LOOKED_AT = 1_000
_NOT_SENT = (RunStep.PLANNED, RunStep.DOCUMENT, RunStep.UPLOADED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a run's way. ``at`` None: it did not come so far, or nobody wrote it down."""

    words: str
    at: datetime | None
    state: str  # done, now, ahead


async def run(asked: Asked) -> Response:
    found, account = await _read(asked, after=_number(asked.query.get("after", "")))
    return asked.page(
        "feeds/run.html",
        account=account,
        run=found.run,
        path=PATHS[found.run.path],
        steps=_steps(found.run),
        changes=found.changes,
        further=found.next_message,
        ended=found.run.accepted + found.run.refused + found.run.returned,
        late=is_late(found.run, asked.now) and found.run.ended_at is None,
        may_send=asked.may(Right.AMAZON_WRITE),
        can_stop=_can_stop(found.run),
        Step=RunStep,
        words=trade_words,
        markets=asked.desk.marketplaces,
    )


async def decide_form(asked: Asked) -> Response:
    found, account = await _read(asked, limit=_MOST_LOOKED_AT)
    happened = asked.query.get("happened", "") == "yes"
    return _decide_page(asked, found, account, happened)


def _decide_page(
    asked: Asked,
    found: RunRead,
    account: Account,
    happened: bool,
    error: InvalidInput | None = None,
) -> Response:
    if found.run.step is not RunStep.UNCERTAIN:
        raise Conflict(
            "Nothing of this run is uncertain.", hint="Somebody decided it, or Amazon told of it."
        )
    open_ones = [one for one in found.changes if one.state is ChangeState.UNCERTAIN]
    facts: dict[str, Any] = {
        "account": account,
        "run": found.run,
        "happened": happened,
        "changes": open_ones,
        "kinds": Counter(one.kind for one in open_ones),
        "money": _money(open_ones),
        "words": trade_words,
    }
    if error is None:
        return asked.page("feeds/decide.html", **facts)
    return asked.flawed("feeds/decide.html", error, **facts)


async def decide(asked: Asked) -> Response:
    run_id = asked.path["run_id"]
    answer = asked.form.get("happened", "")
    note = asked.form.get("note", "").strip()
    if answer not in ("yes", "no") or not note:
        found, account = await _read(asked, limit=_MOST_LOOKED_AT)
        missing = InvalidInput(
            flaws=[Flaw("Say how you know: the journal keeps it.", field="note", code="missing")]
        )
        return _decide_page(asked, found, account, answer == "yes", missing)
    await asked.desk.feeds.runs.decide(run_id, answer == "yes", by=asked.caller, note=note)
    said = (
        "Noted: its changes count as accepted."
        if answer == "yes"
        else "Noted: its changes wait again and go with the next run."
    )
    return asked.back(f"/console/feeds/runs/{run_id}", said)


async def stop_form(asked: Asked) -> Response:
    found, account = await _read(asked, limit=1)
    return asked.page("feeds/stop.html", account=account, run=found.run, words=trade_words)


async def stop(asked: Asked) -> Response:
    run_id = asked.path["run_id"]
    await asked.desk.feeds.runs.cancel(run_id, by=asked.caller)
    said = "Stopped. Its changes wait again; pause the account if they are not to go."
    return asked.back(f"/console/feeds/runs/{run_id}", said)


# --- inside ---------------------------------------------------------------------------------------


async def _read(asked: Asked, *, after: int = 0, limit: int = LINES) -> tuple[RunRead, Account]:
    found = await asked.desk.feeds.ledger.run(
        asked.path["run_id"], by=asked.caller, after_message=after, limit=limit
    )
    view = await asked.desk.accounts.get(found.run.account_id, by=asked.caller)
    return found, view.account


def _steps(run: FeedRun) -> list[Step]:
    path = PATHS[run.path]
    if path.manner is Manner.CALLS:
        way = [("Planned", run.created_at), ("Calls to Amazon", run.asked_at)]
    elif path.manner is Manner.TRANSACTION:
        way = [
            ("Planned", run.created_at),
            ("Sent", run.asked_at),
            ("Taken by Amazon", run.submitted_at),
        ]
    else:
        way = [
            ("Planned", run.created_at),
            ("Document uploaded", run.document_at),
            ("Sent", run.asked_at),
            ("Taken by Amazon", run.submitted_at),
        ]
    way.append((_end(run, path), run.ended_at))
    reached = _reached(run, path, len(way))
    return [
        Step(words=words, at=at, state=_state_of(place, reached, run))
        for place, (words, at) in enumerate(way)
    ]


def _end(run: FeedRun, path: PathFacts) -> str:
    if run.step is RunStep.FAILED:
        return "Did not come through"
    return "Report read" if path.manner is Manner.FEED else "Done"


def _reached(run: FeedRun, path: PathFacts, steps: int) -> int:
    """The place of the step that it is at."""
    if run.step.is_over:
        return steps
    if path.manner is Manner.CALLS:
        return 0 if run.step is RunStep.PLANNED else 1
    behind = 0 if path.manner is Manner.TRANSACTION else 1
    return {
        RunStep.PLANNED: 0,
        RunStep.DOCUMENT: behind,
        RunStep.UPLOADED: behind + 1,
        RunStep.SUBMITTING: behind + 1,
        RunStep.UNCERTAIN: behind + 1,
    }.get(run.step, behind + 2)


def _state_of(place: int, reached: int, run: FeedRun) -> str:
    if place < reached or run.step.is_over:
        return "done"
    if place > reached:
        return "ahead"
    return "stuck" if run.step is RunStep.UNCERTAIN else "now"


def _can_stop(run: FeedRun) -> bool:
    """Whether it is worth asking; the room says for certain."""
    if run.step.is_over or run.step in (RunStep.UNCERTAIN, RunStep.SUBMITTING):
        return False
    manner = PATHS[run.path].manner
    return run.step in _NOT_SENT or manner is not Manner.TRANSACTION


def _money(changes: list[Change]) -> dict[str, Decimal]:
    """What was to go back to buyers, by currency."""
    found: dict[str, Decimal] = {}
    for one in changes:
        if one.kind is ChangeKind.REFUND:
            currency = str(one.wish.get("currency", ""))
            back = trade_words.amounts(one.wish.get("items"))
            found[currency] = found.get(currency, Decimal(0)) + back
    return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


_RUN = "/console/feeds/runs/{run_id}"
DOORS = (
    Door("GET", _RUN, run, Right.READ),
    Door("GET", f"{_RUN}/decide", decide_form, Right.AMAZON_WRITE),
    Door("POST", f"{_RUN}/decide", decide, Right.AMAZON_WRITE),
    Door("GET", f"{_RUN}/stop", stop_form, Right.AMAZON_WRITE),
    Door("POST", f"{_RUN}/stop", stop, Right.AMAZON_WRITE),
)
