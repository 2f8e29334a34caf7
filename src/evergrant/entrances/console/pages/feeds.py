"""Feeds: how all accounts stand in the kitchen today, and one account's work.

Answers for: totals and the accounts that have work, why something waits and what helps, the plan of
the next turn, changes with Amazon's words, taking back what waits, pausing, resuming, hurrying.
Does not answer for: one run (``feed_runs``), or for handing in (``uploads``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from evergrant.entrances.console import sheets, trade_words
from evergrant.entrances.console.actions import address_of
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.change_sheets import COLUMNS, rows_of
from evergrant.entrances.console.doors import Door
from evergrant.errors import InvalidInput, NotFound
from evergrant.feeds.intake import MOST_WITHDRAWN
from evergrant.feeds.ledger import AccountFeeds, Only
from evergrant.feeds.planning import Explained
from evergrant.ports.things import Account
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules import ids, waits
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.faults import Fault
from evergrant.rules.rights import Right
from evergrant.rules.waits import Waiting, Why

__all__ = ["DOORS"]

#: Accounts on one page, and those that are looked through for it at a time.
ACCOUNTS = 50
_SCANNED = 100
#: Changes and runs on one page.
CHANGES = 100
RUNS = 30
#: Where more wait, the plan is worked out only when somebody asks for it.
PLANNED_AT_ONCE = 20_000
#: Refused changes of the last days go into the file.
REFUSED_FOR = timedelta(days=30)
_PAGE = 1_000

_TABS = (
    ("", "Something to do"),
    ("somebody", "Needs somebody"),
    ("paused", "Paused"),
    ("all", "All"),
)
#: Reasons that end only when a person acts.
_FOR_PEOPLE = frozenset({*trade_words.HELPS, Why.PAUSED, Why.NOT_SIGNED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One account of the list. ``counts``: of all kinds."""

    feeds: AccountFeeds
    counts: Mapping[ChangeState, int]
    waits: tuple[Waiting, ...]

    @property
    def account(self) -> Account:
        return self.feeds.account

    @property
    def paused(self) -> bool:
        return self.feeds.work is not None and self.feeds.work.paused_at is not None

    def of(self, *states: ChangeState) -> int:
        return sum(self.counts.get(state, 0) for state in states)

    @property
    def needs_somebody(self) -> bool:
        return (
            self.paused
            or self.of(ChangeState.UNCERTAIN, ChangeState.REFUSED) > 0
            or any(one.why in _FOR_PEOPLE for one in self.waits)
        )

    @property
    def can_be_hurried(self) -> bool:
        """Something waits that does not wait for a person."""
        waiting = self.of(ChangeState.PENDING) - sum(
            one.count for one in self.waits if one.why in _FOR_PEOPLE
        )
        return waiting > 0 and not self.paused

    def belongs_to(self, tab: str) -> bool:
        if tab == "all":
            return True
        if tab == "paused":
            return self.paused
        if tab == "somebody":
            return self.needs_somebody
        return not self.feeds.is_idle or self.needs_somebody


# --- everything -----------------------------------------------------------------------------------


async def today(asked: Asked) -> Response:
    ledger = asked.desk.feeds.ledger
    tab = asked.query.get("show", "")
    tab = tab if tab in dict(_TABS) else ""
    lines, further = await _lines(asked, tab, _after(asked, ids.Kind.ACCOUNT))
    return asked.page(
        "feeds/today.html",
        totals=await ledger.totals(by=asked.caller),
        lines=await _with_names(asked, lines),
        tab=tab,
        tabs=_TABS,
        further=further,
        **_common(asked),
    )


async def _lines(asked: Asked, tab: str, after: str | None) -> tuple[list[Line], str | None]:
    """Those that the tab shows, and behind whom there are more."""
    found: list[Line] = []
    only = {"all": Only.ANY, "paused": Only.PAUSED}.get(tab, Only.BUSY)
    while True:
        page = await asked.desk.feeds.ledger.status(
            by=asked.caller, only=only, after=after, limit=_SCANNED
        )
        for one in page:
            if (line := _line(one)).belongs_to(tab):
                if len(found) == ACCOUNTS:
                    return found, found[-1].account.id
                found.append(line)
        if len(page) < _SCANNED:
            return found, None
        after = page[-1].account.id


def _line(feeds: AccountFeeds) -> Line:
    counts: dict[ChangeState, int] = {}
    for kind in feeds.kinds:
        for state, number in kind.counts.items():
            counts[state] = counts.get(state, 0) + number
    noted = waits.read(feeds.work.waits) if feeds.work is not None else []
    pending = counts.get(ChangeState.PENDING, 0)
    return Line(feeds=feeds, counts=counts, waits=tuple(noted) if pending else ())


async def _with_names(asked: Asked, lines: list[Line]) -> list[tuple[Line, str]]:
    """Each with the name of whoever paused it."""
    callers = {one.feeds.work.paused_by for one in lines if one.paused and one.feeds.work}
    names = await asked.desk.feeds.ledger.names(callers, by=asked.caller) if callers else {}
    return [
        (
            one,
            trade_words.pauser(one.feeds.work.paused_by, names)
            if one.paused and one.feeds.work
            else "",
        )
        for one in lines
    ]


# --- one account ----------------------------------------------------------------------------------


async def account(asked: Asked) -> Response:
    ledger = asked.desk.feeds.ledger
    account_id = asked.path["account_id"]
    (feeds,) = await ledger.status(by=asked.caller, account_id=account_id)
    line = _line(feeds)
    ((_, paused_by),) = await _with_names(asked, [line])
    wish = _Wish.of(asked.query)
    found = await ledger.changes(
        account_id,
        by=asked.caller,
        after=_after(asked, ids.Kind.CHANGE),
        limit=CHANGES + 1,
        newest_first=True,
        **wish.filters(),
    )
    planned = await _planned(asked, line)
    return asked.page(
        "feeds/account.html",
        account=feeds.account,
        feeds=feeds,
        line=line,
        paused_by=paused_by,
        planned=planned,
        noted=planned.waits if planned is not None else line.waits,
        runs=await _runs(asked, feeds),
        wish=wish,
        changes=found[:CHANGES],
        older=wish.address(found[CHANGES - 1].id) if len(found) > CHANGES else None,
        **_common(asked),
    )


async def _planned(asked: Asked, line: Line) -> Explained | None:
    """None: so much waits that somebody has to ask for it."""
    if line.of(ChangeState.PENDING) > PLANNED_AT_ONCE and "plan" not in asked.query:
        return None
    return await asked.desk.feeds.plans.explain(line.account.id, by=asked.caller)


async def _runs(asked: Asked, feeds: AccountFeeds) -> list[FeedRun]:
    """Open ones first, then the latest that are over."""
    latest = await asked.desk.feeds.ledger.latest_runs(
        feeds.account.id, by=asked.caller, limit=RUNS
    )
    over = [run for run in latest if run.ended_at is not None]
    return [*reversed(feeds.open_runs), *over][:RUNS]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """Which changes somebody wants to see; what is not understood is left out."""

    account_id: str = ""
    state: ChangeState | None = None
    kind: ChangeKind | None = None
    subject: str = ""
    reference: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> _Wish:
        states = {state.value: state for state in ChangeState}
        kinds = {kind.value: kind for kind in ChangeKind}
        return cls(
            state=states.get(given.get("state", "")),
            kind=kinds.get(given.get("kind", "")),
            subject=given.get("subject", "").strip()[:200],
            reference=given.get("reference", "").strip()[:200],
        )

    @property
    def is_narrowed(self) -> bool:
        return bool(self.state or self.kind or self.subject or self.reference)

    def filters(self) -> dict[str, Any]:
        return {
            "states": None if self.state is None else (self.state,),
            "kind": self.kind,
            "subject": self.subject or None,
            "reference": self.reference or None,
        }

    def values(self) -> dict[str, str]:
        given = {
            "state": self.state.value if self.state else "",
            "kind": self.kind.value if self.kind else "",
            "subject": self.subject,
            "reference": self.reference,
        }
        return {name: value for name, value in given.items() if value}

    def address(self, after: str = "") -> str:
        """The text behind the ``?``."""
        return urlencode({**self.values(), **({"after": after} if after else {})})


async def change(asked: Asked) -> Response:
    """One change, whole."""
    found = await asked.desk.feeds.ledger.change(asked.path["change_id"], by=asked.caller)
    view = await asked.desk.accounts.get(found.account_id, by=asked.caller)
    return asked.page("feeds/change.html", account=view.account, change=found, **_common(asked))


async def refused(asked: Asked) -> Response:
    """What Amazon refused in the last days, as a file to mend and to hand in again."""
    account_id = asked.path["account_id"]
    view = await asked.desk.accounts.get(account_id, by=asked.caller)
    columns = [name for name in COLUMNS if name not in _SELDOM]
    return sheets.as_csv(
        f"refused-{view.account.name}.csv", columns, _refused_rows(asked, account_id)
    )


#: Columns that only vendors have; nothing of theirs is told as a table.
_SELDOM = frozenset(
    {
        *("asin", "line", "net_cost", "accept", "backorder", "reject", "order_lines", "revision"),
        *("warehouse", "vendor_code", "unit", "unit_size", "invoiced_at", "total", "vat"),
        *("invoice_number", "document_type"),
    }
)


async def _refused_rows(asked: Asked, account_id: str) -> AsyncIterator[dict[str, str]]:
    after: str | None = ids.make(ids.Kind.CHANGE, asked.now - REFUSED_FOR, bytes(10))
    while True:
        page = await asked.desk.feeds.ledger.changes(
            account_id,
            by=asked.caller,
            states=(ChangeState.REFUSED,),
            after=after,
            limit=_PAGE,
        )
        for one in page:
            for row in rows_of(one, asked.desk.marketplaces) or ():
                yield row
        if len(page) < _PAGE:
            return
        after = page[-1].id


# --- doing something about it ---------------------------------------------------------------------


async def pause(asked: Asked) -> Response:
    note = asked.form.get("note", "")
    await asked.desk.feeds.work.pause(asked.path["account_id"], by=asked.caller, note=note)
    return _home(asked, "Paused. Changes are still taken; what Amazon has already is finished.")


async def resume(asked: Asked) -> Response:
    await asked.desk.feeds.work.resume(asked.path["account_id"], by=asked.caller)
    return _home(asked, "It goes on, with the latest values.")


async def run_now(asked: Asked) -> Response:
    await asked.desk.feeds.work.run_now(asked.path["account_id"], by=asked.caller)
    return _home(asked, "The next run comes within seconds.")


async def withdraw_form(asked: Asked) -> Response:
    """What would be taken back, before it is: either ticked ones, or all that a filter finds."""
    account_id = asked.path["account_id"]
    view = await asked.desk.accounts.get(account_id, by=asked.caller)
    wish = _Wish.of(asked.form)
    if asked.form.get("all"):
        found = await _waiting(asked, account_id, wish)
    else:
        found = [await _of_account(asked, one) for one in _ticked(asked)]
    waiting = [one for one in found if one.state is ChangeState.PENDING]
    if not waiting:
        return _home(asked, "Nothing of that waits any more.", "bad")
    return asked.page(
        "feeds/withdraw.html",
        account=view.account,
        changes=waiting,
        left=len(found) - len(waiting),
        most=MOST_WITHDRAWN,
        **_common(asked),
    )


async def withdraw(asked: Asked) -> Response:
    chosen = _ticked(asked)
    if not chosen:
        return _home(asked, "Nothing was chosen.", "bad")
    done = await asked.desk.feeds.intake.withdraw(chosen, by=asked.caller)
    said = f"Taken back: {len(done.withdrawn):,}."
    if done.left:
        said += f" {len(done.left):,} had moved on and stay as they are."
    return _home(asked, said, "good" if done.withdrawn else "bad")


async def _waiting(asked: Asked, account_id: str, wish: _Wish) -> list[Change]:
    filters = {**wish.filters(), "states": (ChangeState.PENDING,)}
    return await asked.desk.feeds.ledger.changes(
        account_id, by=asked.caller, limit=MOST_WITHDRAWN, **filters
    )


def _ticked(asked: Asked) -> list[str]:
    return list(dict.fromkeys(asked.form_list("change")))[:MOST_WITHDRAWN]


async def _of_account(asked: Asked, change_id: str) -> Change:
    """Raises NotFound for one of another account: the form names its account."""
    found = await asked.desk.feeds.ledger.change(change_id, by=asked.caller)
    if found.account_id != asked.path["account_id"]:
        raise NotFound("There is no such change.")
    return found


# --- inside ---------------------------------------------------------------------------------------


def _common(asked: Asked) -> dict[str, Any]:
    url = asked.request.url
    return {
        "address": f"{url.path}?{url.query}" if url.query else url.path,
        "words": trade_words,
        "markets": asked.desk.marketplaces,
        "may_write": asked.may(Right.WRITE),
        "may_send": asked.may(Right.AMAZON_WRITE),
        "helps": trade_words.HELPS,
        "address_of": address_of,
        "Why": Why,
        "S": ChangeState,
    }


def _home(asked: Asked, said: str, kind: str = "good") -> Response:
    """Back to where the button was."""
    home = f"/console/feeds/accounts/{asked.path['account_id']}"
    return asked.back(asked.form.get("back") or home, said, kind)


def _after(asked: Asked, kind: ids.Kind) -> str | None:
    """Of the address; what is no id is left out."""
    try:
        return ids.check(kind, asked.query["after"]) if asked.query.get("after") else None
    except (Fault, InvalidInput):
        return None


_ACCOUNT = "/console/feeds/accounts/{account_id}"
DOORS = (
    Door("GET", "/console/feeds", today, Right.READ),
    Door("GET", _ACCOUNT, account, Right.READ),
    Door("GET", f"{_ACCOUNT}/refused.csv", refused, Right.READ),
    Door("GET", "/console/feeds/changes/{change_id}", change, Right.READ),
    Door("POST", f"{_ACCOUNT}/pause", pause, Right.WRITE),
    Door("POST", f"{_ACCOUNT}/resume", resume, Right.WRITE),
    Door("POST", f"{_ACCOUNT}/run-now", run_now, Right.WRITE),
    Door("POST", f"{_ACCOUNT}/withdraw", withdraw_form, Right.AMAZON_WRITE),
    Door("POST", f"{_ACCOUNT}/withdraw/now", withdraw, Right.AMAZON_WRITE),
)
