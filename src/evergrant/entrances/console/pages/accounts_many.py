"""The same for many accounts at once: the rows that somebody ticked, or all that fit a filter.

Answers for: showing first who it concerns and who is left out and why; then doing it one by one, so
that one that cannot be helped keeps nobody else waiting, some seconds at a time where they are
very many. Does not answer for: how a link is sent or a switch set (the rooms).

The page that asks carries the ids for which it was confirmed: an account that fits the filter
later is not touched. Each turn of very many is a form of the page before it, so nothing lies
anywhere that somebody would have to clean up, and whoever leaves the page stops it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console import carried
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_invite import invite_once, moment_of
from evergrant.entrances.console.pages.account_sheet import FLAG_WORDS, WHY_UNAVAILABLE
from evergrant.entrances.console.pages.accounts import HERE, MOST_AT_ONCE
from evergrant.errors import EvergrantError, InvalidInput, NotFound
from evergrant.overview import AccountQuery, AccountRow
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import Right

__all__ = ["DOORS", "MOST", "NAMED", "TURN_S"]

#: Ticked ones: as many as one page of the list holds, and some.
MOST = 200
#: So many are named on the page that asks; of more, how many they are.
NAMED = 50
#: One request goes on for so many seconds, and is looked at after each so many accounts.
TURN_S = 4.0
_STRIDE = 25
#: So many who failed are named in the message; the list shows the others.
_NAMED = 3
_LONGEST_ID = 40
_LONGEST_NAMES = 1_000
_IDS = re.compile(r"[a-z0-9_]+(,[a-z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class _LeftOut:
    row: AccountRow
    why: str


Sorted = tuple[list[AccountRow], list[_LeftOut]]


@dataclass(slots=True)
class _Turn:
    """How far it came, over all turns. ``names``: the first who failed, each with why."""

    total: int
    done: int = 0
    failed: int = 0
    names: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str], total: int) -> _Turn:
        return cls(
            total=_number(form.get("total", "")) or total,
            done=_number(form.get("done", "")),
            failed=_number(form.get("failed", "")),
            names=form.get("names", "")[:_LONGEST_NAMES],
        )

    def fail(self, row: AccountRow, error: EvergrantError) -> None:
        if self.failed < _NAMED:
            told = f"{row.name[:80]} ({str(error).rstrip('.')})"
            self.names = "; ".join(filter(None, (self.names, told)))[:_LONGEST_NAMES]
        self.failed += 1


# --- asking ---------------------------------------------------------------------------------------


async def ask(asked: Asked) -> Response:
    """Nothing is done yet."""
    back = asked.form.get("back", HERE)
    rows = await (_fitting(asked) if asked.form.get("all") else _ticked(asked))
    if rows is None:
        said = f"More than {MOST_AT_ONCE:,} accounts match, the most at once: narrow the filter."
        return asked.back(back, said, "bad")
    if not rows:
        return asked.back(back, "Tick the accounts first.", "bad")
    if asked.form.get("do") == "flags":
        flag, on = _switch(asked)
        fit, left = _switchable(rows, flag)
        return asked.page(
            "accounts/many_flags.html",
            words=FLAG_WORDS[flag][1],
            on=on,
            value=f"{flag.value}:{'on' if on else 'off'}",
            same=sum(row.flags[flag] is on for row in fit),
            back=back,
            **_shown(fit, left),
        )
    fit, left = await _sorted(asked, rows)
    return asked.page(
        "accounts/many_links.html",
        back=back,
        moment=asked.now.isoformat(),
        active=sum(row.state is State.ACTIVE for row in fit),
        **_shown(fit, left),
    )


def _shown(fit: Sequence[AccountRow], left: Sequence[_LeftOut]) -> dict[str, Any]:
    return {
        "fit": fit,
        "left": left,
        "named": NAMED,
        "ids": [row.id for row in fit] if len(fit) <= MOST else [],
        "pieces": _packed([row.id for row in fit]) if len(fit) > MOST else (),
    }


async def _ticked(asked: Asked) -> list[AccountRow]:
    ids = list(dict.fromkeys(asked.form_list("id")))
    if len(ids) > MOST:
        raise InvalidInput(f"At most {MOST} accounts at once.")
    return await asked.desk.overview.rows(ids, by=asked.caller)


async def _fitting(asked: Asked) -> list[AccountRow] | None:
    """All that fit the filter, whatever the page; None: too many."""
    query = AccountQuery.of_address(asked.form.get("query", "")).but()
    found: list[AccountRow] = []
    async for row in asked.desk.overview.every(query, by=asked.caller):
        if len(found) == MOST_AT_ONCE:
            return None
        found.append(row)
    return found


# --- doing ----------------------------------------------------------------------------------------


async def send_links(asked: Asked) -> Response:
    moment = moment_of(asked)

    async def fit(rows: Sequence[AccountRow]) -> Sequence[AccountRow]:
        return (await _sorted(asked, rows))[0]

    async def one(row: AccountRow) -> bool:
        return await invite_once(asked, row.id, moment) is not None

    again = {"moment": asked.form.get("moment", "")}
    return await _each(asked, fit, one, "link is on its way", "links are on their way", again)


async def set_flags(asked: Asked) -> Response:
    flag, on = _switch(asked)

    async def fit(rows: Sequence[AccountRow]) -> Sequence[AccountRow]:
        return _switchable(rows, flag)[0]

    async def one(row: AccountRow) -> bool:
        await asked.desk.accounts.set_flags(row.id, {flag.value: on}, by=asked.caller)
        return True

    words = f"{FLAG_WORDS[flag][1]} is {'on' if on else 'off'} for"
    again = {"switch": asked.form["switch"]}
    return await _each(asked, fit, one, f"account: {words} it", f"accounts: {words} them", again)


async def _each(
    asked: Asked,
    fit: Callable[[Sequence[AccountRow]], Awaitable[Sequence[AccountRow]]],
    act: Callable[[AccountRow], Awaitable[bool]],
    one: str,
    many: str,
    again: Mapping[str, str],
) -> Response:
    """Some of them; where the time of this turn is over, a page that goes on with the others."""
    ids = _ids(asked)
    turn = _Turn.of(asked.form, len(ids))
    ends = time.monotonic() + TURN_S
    back = asked.form.get("back", HERE)
    while ids:
        rows = await asked.desk.overview.rows(ids[:_STRIDE], by=asked.caller)
        ids = ids[_STRIDE:]
        for row in await fit(rows):
            try:
                turn.done += await act(row)
            except EvergrantError as error:
                turn.fail(row, error)
        if ids and time.monotonic() >= ends:
            return asked.page(
                "accounts/many_turn.html",
                turn=turn,
                left=len(ids),
                pieces=_packed(ids),
                again=again,
                back=back,
                words=f"{turn.done:,} {one if turn.done == 1 else many}",
            )
    said = f"{turn.done:,} {one if turn.done == 1 else many}."
    if turn.failed:
        beyond = turn.failed - _NAMED
        said += f" Not done for {turn.names}{f' and {beyond:,} more' if beyond > 0 else ''}."
    return asked.back(back, said, "bad" if turn.failed else "good")


# --- inside ---------------------------------------------------------------------------------------


def _ids(asked: Asked) -> list[str]:
    """Of the page that asked, or of the turn before."""
    pieces = asked.form_list("ids")
    if not pieces:
        ids = list(dict.fromkeys(asked.form_list("id")))
        if len(ids) > MOST:
            raise InvalidInput(f"At most {MOST} accounts at once.")
        return ids
    text = carried.unpacked(pieces, MOST_AT_ONCE * _LONGEST_ID).decode("latin-1")
    found = list(dict.fromkeys(text.split(",")))
    if not _IDS.fullmatch(text) or len(found) > MOST_AT_ONCE:
        raise InvalidInput("This form is not whole. Nothing was changed; begin at the list again.")
    return found


def _packed(ids: Sequence[str]) -> tuple[str, ...]:
    return carried.packed(",".join(ids).encode())


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _switchable(rows: Sequence[AccountRow], flag: Flag) -> Sorted:
    fit = [row for row in rows if row.flags[flag] is not None]
    left = [_LeftOut(row, WHY_UNAVAILABLE[flag]) for row in rows if row.flags[flag] is None]
    return fit, left


def _switch(asked: Asked) -> tuple[Flag, bool]:
    name, _, wish = asked.form.get("switch", "").partition(":")
    if name not in {flag.value for flag in Flag} or wish not in ("on", "off"):
        raise InvalidInput("Choose a switch, and whether it is to be on or off.")
    return Flag(name), wish == "on"


async def _sorted(asked: Asked, rows: Sequence[AccountRow]) -> Sorted:
    """Who gets a mail, and who does not and why."""
    private, incomplete = set(), set()
    for of in {row.application_id for row in rows}:
        application = await asked.desk.registry.application(of, by=asked.caller)
        if application.kind is ApplicationKind.PRIVATE:
            private.add(of)
        elif not await _is_complete(asked, of):
            incomplete.add(of)
    fit, left = [], []
    for row in rows:
        why = ""
        if row.state is State.CLOSED:
            why = "It is closed."
        elif row.application_id in private:
            why = "Its application is private and has no consent page: adopt a refresh token."
        elif row.application_id in incomplete:
            why = "Its application has no credentials yet."
        elif not row.client_email:
            why = "It has no client e-mail."
        if why:
            left.append(_LeftOut(row, why))
        else:
            fit.append(row)
    return fit, left


async def _is_complete(asked: Asked, application_id: str) -> bool:
    try:
        credentials = await asked.desk.registry.credentials(application_id, by=asked.caller)
    except NotFound:
        return False
    return credentials.secret_set


DOORS = (
    Door("POST", f"{HERE}/many", ask, Right.WRITE),
    Door("POST", f"{HERE}/many/links", send_links, Right.WRITE),
    Door("POST", f"{HERE}/many/flags", set_flags, Right.WRITE),
)
