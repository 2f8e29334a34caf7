"""One account: how it stands, the one thing to do next, the way so far, and all that is known.

Answers for: that page, and for what is done to the account as a whole from it. Does not answer for:
asking for consent (``account_invite``), changing its fields (``accounts_new``), or for the pages
beside it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked, flaws_of
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import harmless, home_of, sheet
from evergrant.entrances.console.paper import day
from evergrant.errors import CallerError, Conflict, Flaw, InvalidInput, NotFound
from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.reminders import is_undated
from evergrant.rules.rights import Right

__all__ = ["DOORS", "day_given"]

_OF = "/console/accounts/{account_id}"
_MOST_NOTICES = 50


async def show(asked: Asked) -> Response:
    desk, by, account_id = asked.desk, asked.caller, asked.path["account_id"]
    view = await desk.accounts.get(account_id, by=by)
    application = await desk.registry.application(view.account.application_id, by=by)
    own = view.authorization
    return await sheet(
        asked,
        "accounts/account.html",
        view=view,
        way=await desk.overview.way(account_id, by=by),
        notices=await desk.notices.list(by=by, account_id=account_id, limit=_MOST_NOTICES),
        outlook=(await desk.watch.outlooks([own]))[own.id],
        undated=own.grant_id is not None
        and is_undated(application.kind, own.granted_at, own.term_ends_at),
        central=_central(asked, view.account.home_marketplace, view.account.partner_kind),
    )


def _central(asked: Asked, country: str, kind: PartnerKind) -> str:
    """Where the selling partner signs in at Amazon; "" where no such address is known."""
    try:
        return asked.desk.marketplaces.by_country(country).central(kind)
    except Fault:
        return ""


# --- the day of the grant -------------------------------------------------------------------------


async def granted_form(asked: Asked) -> Response:
    return await sheet(asked, "accounts/granted.html", today=f"{asked.now:%Y-%m-%d}")


async def note_granted(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    try:
        at = day_given(asked, "granted_at")
        if at is None:
            raise InvalidInput(flaws=[Flaw("is needed.", field="granted_at", code="missing")])
        own = await asked.desk.watch.note_granted_at(account_id, at, by=asked.caller)
    except CallerError as error:
        return await sheet(
            asked,
            "accounts/granted.html",
            422,
            today=f"{asked.now:%Y-%m-%d}",
            flaws=flaws_of(error),
            given=asked.form,
        )
    ends = f" It lasts until {day(own.term_ends_at)}." if own.term_ends_at else ""
    return asked.back(home_of(account_id), f"The day is noted.{ends}")


def day_given(asked: Asked, field: str) -> datetime | None:
    """A day of a form, as its first instant in UTC; None where it was left empty. Raises
    InvalidInput."""
    text = asked.form.get(field, "").strip()
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        flaw = Flaw("is no day; write it as 2027-05-12.", field=field)
        raise InvalidInput(flaws=[flaw]) from None


# --- closing and opening again ------------------------------------------------------------------


async def close_form(asked: Asked) -> Response:
    return await sheet(asked, "accounts/close.html")


async def close(asked: Asked) -> Response:
    """Only with the account's name beside it: whoever closes should know which one."""
    account_id = asked.path["account_id"]
    view = await asked.desk.accounts.get(account_id, by=asked.caller)
    if " ".join(asked.form.get("name", "").split()) != " ".join(view.account.name.split()):
        return await sheet(
            asked,
            "accounts/close.html",
            422,
            view=view,
            flaws={"name": "This is not the account's name. Nothing was closed."},
            given=asked.form,
        )
    await asked.desk.accounts.close(account_id, by=asked.caller)
    return asked.back(
        home_of(account_id),
        f"{view.account.name} is closed. Nothing is handed out or sent any more.",
    )


async def reopen(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    try:
        view = await asked.desk.accounts.reopen(account_id, by=asked.caller)
    except (Conflict, InvalidInput) as error:
        return asked.back(home_of(account_id), f"{error} {error.hint or ''}".strip(), "bad")
    return asked.back(home_of(account_id), f"{view.account.name} is open again.")


# --- notes and notices --------------------------------------------------------------------------


async def write_notes(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    notes = asked.form.get("notes", "").replace("\r\n", "\n")
    try:
        await asked.desk.accounts.change(account_id, {"notes": notes}, by=asked.caller)
    except InvalidInput as error:
        return await sheet(
            asked, "accounts/notes.html", 422, flaws=flaws_of(error), given=harmless(asked.form)
        )
    return asked.back(home_of(account_id), "The notes are saved.")


async def notes_form(asked: Asked) -> Response:
    return await sheet(asked, "accounts/notes.html")


async def settle_notice(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    notice = await asked.desk.notices.get(asked.path["notice_id"], by=asked.caller)
    if notice.account_id != account_id:
        raise NotFound("There is no such notice.")
    await asked.desk.notices.settle(notice.id, by=asked.caller)
    return asked.back(home_of(account_id), "It is off the board. If it goes on, it comes back.")


DOORS = (
    Door("GET", _OF, show, Right.READ),
    Door("GET", f"{_OF}/granted", granted_form, Right.WRITE),
    Door("POST", f"{_OF}/granted", note_granted, Right.WRITE),
    Door("GET", f"{_OF}/close", close_form, Right.WRITE),
    Door("POST", f"{_OF}/close", close, Right.WRITE),
    Door("POST", f"{_OF}/reopen", reopen, Right.WRITE),
    Door("GET", f"{_OF}/notes", notes_form, Right.WRITE),
    Door("POST", f"{_OF}/notes", write_notes, Right.WRITE),
    Door("POST", f"{_OF}/notices/{{notice_id}}/settle", settle_notice, Right.WRITE),
)
