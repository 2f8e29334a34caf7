"""The same for many accounts at once: the rows that somebody ticked.

Answers for: showing first who it concerns and who is left out and why; then doing it one by one, so
that one that cannot be helped keeps nobody else waiting. Does not answer for: how a link is sent or
a switch set (the rooms).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_invite import invite_once, moment_of
from evergrant.entrances.console.pages.account_sheet import FLAG_WORDS, WHY_UNAVAILABLE
from evergrant.entrances.console.pages.accounts import HERE
from evergrant.errors import EvergrantError, InvalidInput, NotFound
from evergrant.overview import AccountRow
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import Right

__all__ = ["DOORS", "MOST"]

#: As many as one page of the list holds, and some.
MOST = 200
#: So many who failed are named in the message; the list shows the others.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class _LeftOut:
    row: AccountRow
    why: str


async def ask(asked: Asked) -> Response:
    """Nothing is done yet."""
    back = asked.form.get("back", HERE)
    rows = await _ticked(asked)
    if not rows:
        return asked.back(back, "Tick the accounts first.", "bad")
    if asked.form.get("do") == "flags":
        flag, on = _switch(asked)
        fit = [row for row in rows if row.flags[flag] is not None]
        left = [_LeftOut(row, WHY_UNAVAILABLE[flag]) for row in rows if row.flags[flag] is None]
        return asked.page(
            "accounts/many_flags.html",
            fit=fit,
            left=left,
            words=FLAG_WORDS[flag][1],
            on=on,
            value=f"{flag.value}:{'on' if on else 'off'}",
            same=sum(row.flags[flag] is on for row in fit),
            back=back,
        )
    fit, left = await _sorted(asked, rows)
    return asked.page(
        "accounts/many_links.html",
        fit=fit,
        left=left,
        back=back,
        moment=asked.now.isoformat(),
        active=sum(row.state is State.ACTIVE for row in fit),
    )


async def send_links(asked: Asked) -> Response:
    moment = moment_of(asked)
    fit, _ = await _sorted(asked, await _ticked(asked))

    async def one(row: AccountRow) -> bool:
        return await invite_once(asked, row.id, moment) is not None

    return await _each(asked, fit, one, "link is on its way", "links are on their way")


async def set_flags(asked: Asked) -> Response:
    flag, on = _switch(asked)
    fit = [row for row in await _ticked(asked) if row.flags[flag] is not None]

    async def one(row: AccountRow) -> bool:
        await asked.desk.accounts.set_flags(row.id, {flag.value: on}, by=asked.caller)
        return True

    words = f"{FLAG_WORDS[flag][1]} is {'on' if on else 'off'} for"
    return await _each(asked, fit, one, f"account: {words} it", f"accounts: {words} them")


async def _each(
    asked: Asked,
    rows: Sequence[AccountRow],
    act: Callable[[AccountRow], Awaitable[bool]],
    one: str,
    many: str,
) -> Response:
    done = 0
    failed: list[str] = []
    for row in rows:
        try:
            done += await act(row)
        except EvergrantError as error:
            failed.append(f"{row.name} ({str(error).rstrip('.')})")
    said = f"{done:,} {one if done == 1 else many}."
    if failed:
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        said += f" Not done for {'; '.join(failed[:_NAMED])}{more}."
    return asked.back(asked.form.get("back", HERE), said, "bad" if failed else "good")


async def _ticked(asked: Asked) -> list[AccountRow]:
    ids = list(dict.fromkeys(asked.form_list("id")))
    if len(ids) > MOST:
        raise InvalidInput(f"At most {MOST} accounts at once.")
    return await asked.desk.overview.rows(ids, by=asked.caller)


def _switch(asked: Asked) -> tuple[Flag, bool]:
    name, _, wish = asked.form.get("switch", "").partition(":")
    if name not in {flag.value for flag in Flag} or wish not in ("on", "off"):
        raise InvalidInput("Choose a switch, and whether it is to be on or off.")
    return Flag(name), wish == "on"


async def _sorted(
    asked: Asked, rows: Sequence[AccountRow]
) -> tuple[list[AccountRow], list[_LeftOut]]:
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
