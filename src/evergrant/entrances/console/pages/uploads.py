"""Handing in changes as a file: choose, look at what it would do, take, and follow it.

Answers for: the preview with a verdict for every line, taking exactly what was previewed and only
once, the page of an intake that follows its lines until they settle, and files to begin with. Does
not answer for: reading files (``feeds.files``), judging lines (the hatch), or for sending them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console import carried, sheets, trade_words
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.change_sheets import Sheet, sheet_for, sheets_for
from evergrant.entrances.console.doors import Door
from evergrant.entrances.large_bodies import LARGEST_FILE
from evergrant.errors import CallerError, Flaw, InvalidInput, NotFound, TooLarge
from evergrant.feeds.files import ReadFile, read_csv
from evergrant.feeds.intake import MOST_LINES
from evergrant.feeds.taken import Line, LineAnswer, Taken
from evergrant.overview import AccountQuery
from evergrant.ports.things import Account
from evergrant.ports.traded import Change
from evergrant.rules.changes import OPEN, ChangeKind, ChangeState
from evergrant.rules.rights import Right
from evergrant.rules.wishes import Refused
from evergrant.rules.wishes.earlier import LineFate

__all__ = ["DOORS"]

#: Lines that the preview and the page of an intake show.
SHOWN = 200
_PAGE = 1_000
#: Of one cell on the page.
_LONGEST = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """One line as somebody wrote it, and what would become of it."""

    rows: tuple[int, ...]
    kind: ChangeKind | None
    about: str
    marketplace: str
    wants: str
    answer: LineAnswer
    badge: tuple[str, str]
    is_money: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """``columns``: of the file, each with whether somebody knows it. ``refunds``: money that goes
    back by the lines that would be taken, by currency."""

    taken: Taken
    lines: tuple[PreviewLine, ...]
    columns: tuple[tuple[str, bool], ...]
    kinds: Mapping[ChangeKind, int]
    refunds: Mapping[str, Decimal] = field(default_factory=dict)


# --- choosing -------------------------------------------------------------------------------------


async def choose_account(asked: Asked) -> Response:
    """For whom: any account, also one that never had a change."""
    query = AccountQuery(text=asked.query.get("q", "").strip()[:200], size=20)
    found = await asked.desk.overview.accounts(query, by=asked.caller)
    return asked.page("uploads/account.html", found=found, text=query.text)


async def upload_form(asked: Asked) -> Response:
    account = await _account(asked)
    return asked.page("uploads/new.html", **_facts(asked, account))


async def template(asked: Asked) -> Response:
    """A file to begin with."""
    account = await _account(asked)
    try:
        kind = ChangeKind(asked.query.get("kind", ""))
    except ValueError:
        raise NotFound("There is no such kind of change.") from None
    sheet = sheet_for(kind, account, asked.desk.marketplaces, asked.now)
    if sheet is None or sheet not in sheets_for(account, asked.desk.marketplaces, asked.now):
        raise NotFound("There is no file for these changes.")
    columns = ("kind", *sheet.columns)
    rows = [{"kind": kind.value, **row} for row in sheet.example]
    return sheets.as_csv(f"{kind.value}-template.csv", columns, rows)


# --- looking at it --------------------------------------------------------------------------------


async def preview(asked: Asked) -> Response:
    account = await _account(asked)
    upload = asked.files.get("file")
    kind = asked.form.get("kind", "")
    try:
        if upload is None or not upload.content:
            raise InvalidInput(flaws=[Flaw("is needed.", field="file", code="missing")])
        if len(upload.content) > LARGEST_FILE:
            raise TooLarge(
                f"A file may have {LARGEST_FILE // 1024**2} MiB here.",
                hint="Split it, or hand it in through the folder or the command line.",
                facts={"field": "file"},
            )
        read = await asyncio.to_thread(read_csv, upload.content, kind=_kind(kind))
        taken = await asked.desk.feeds.intake.judge(account.id, read.lines, by=asked.caller)
    except CallerError as error:
        return asked.flawed("uploads/new.html", error, **_facts(asked, account))
    return asked.page(
        "uploads/preview.html",
        account=account,
        preview=_preview(read, taken),
        name=upload.filename[:200],
        kind=kind,
        pieces=await asyncio.to_thread(carried.packed, upload.content),
        key=secrets.token_urlsafe(24),
        most=SHOWN,
        words=trade_words,
    )


async def take(asked: Asked) -> Response:
    """What was previewed, once: the key was made for this preview, and a second click finds what
    the first one did."""
    account = await _account(asked)
    try:
        content = await asyncio.to_thread(
            carried.unpacked, asked.form_list("content"), LARGEST_FILE
        )
        key = asked.form.get("key", "")
        if len(key) < 16:
            raise InvalidInput(flaws=[Flaw("This form is not whole.", code="broken")])
        read = await asyncio.to_thread(read_csv, content, kind=_kind(asked.form.get("kind", "")))
        taken = await asked.desk.feeds.intake.put(
            account.id,
            read.lines,
            by=asked.caller,
            idempotency_key=f"console/{key}",
            source="csv",
            name=asked.form.get("name", ""),
        )
    except CallerError as error:
        return asked.flawed("uploads/new.html", error, **_facts(asked, account))
    to = f"/console/accounts/{account.id}/intakes/{taken.intake_id}"
    if taken.repeated:
        return asked.back(to, "This file was taken before; nothing was taken twice.")
    return asked.back(to, f"{_lines(taken.taken)} taken.")


# --- following it ---------------------------------------------------------------------------------


async def intake(asked: Asked) -> Response:
    """What one batch was answered, and what became of its changes since."""
    account = await _account(asked)
    intake_id = asked.path["intake_id"]
    row = await asked.desk.feeds.ledger.intake(intake_id, by=asked.caller)
    taken = await asked.desk.feeds.intake.get(account.id, intake_id, by=asked.caller)
    changes = await _changes_of(asked, account.id, intake_id)
    counts = Counter(change.state for change in changes)
    wanted = _state(asked.query.get("state", ""))
    shown = [change for change in changes if wanted is None or change.state is wanted]
    names = await asked.desk.feeds.ledger.names([row.caller], by=asked.caller)
    return asked.page(
        "uploads/intake.html",
        account=account,
        intake=row,
        who=names.get(row.caller, row.caller.partition(":")[0].replace("_", " ")),
        taken=taken,
        refused=[one for one in taken.answers if one.fate is LineFate.REFUSED][:SHOWN],
        counts=counts,
        settled=sum(number for state, number in counts.items() if state not in OPEN),
        kept=len(changes),
        changes=shown[:SHOWN],
        matching=len(shown),
        wanted=wanted,
        words=trade_words,
        markets=asked.desk.marketplaces,
    )


async def _changes_of(asked: Asked, account_id: str, intake_id: str) -> list[Change]:
    found: list[Change] = []
    after: str | None = None
    while len(found) < MOST_LINES:
        page = await asked.desk.feeds.ledger.changes(
            account_id, by=asked.caller, intake_id=intake_id, after=after, limit=_PAGE
        )
        found += page
        if len(page) < _PAGE:
            break
        after = page[-1].id
    return found


# --- inside ---------------------------------------------------------------------------------------


async def _account(asked: Asked) -> Account:
    view = await asked.desk.accounts.get(asked.path["account_id"], by=asked.caller)
    return view.account


def _facts(asked: Asked, account: Account) -> dict[str, Any]:
    found = sheets_for(account, asked.desk.marketplaces, asked.now)
    return {
        "account": account,
        "sheets": found,
        "kinds": [("", "The file says it, in a column kind"), *_choices(found)],
        "most_mib": LARGEST_FILE // 1024**2,
        "most_lines": MOST_LINES,
        "words": trade_words,
    }


def _choices(found: Sequence[Sheet]) -> list[tuple[str, str]]:
    return [(one.kind.value, trade_words.KINDS[one.kind]) for one in found]


def _kind(text: str) -> str:
    if not text:
        return ""
    try:
        return ChangeKind(text).value
    except ValueError:
        raise InvalidInput(
            flaws=[Flaw("is no kind of change.", field="kind", code="unknown_value")]
        ) from None


def _state(text: str) -> ChangeState | None:
    try:
        return ChangeState(text)
    except ValueError:
        return None


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"


def _preview(read: ReadFile, taken: Taken) -> Preview:
    """The first lines, those that are refused before all others: nobody finds them else."""
    several = list(zip(read.lines, read.rows, taken.answers, strict=True))
    first = sorted(several, key=lambda one: one[2].fate is not LineFate.REFUSED)[:SHOWN]
    first.sort(key=lambda one: one[2].line)
    unknown = {
        _column(flaw.field or "")
        for answer in taken.answers
        for flaw in answer.flaws
        if flaw.code == "unknown_field"
    }
    columns = dict.fromkeys(name for line in read.lines for name in _columns(line))
    refunds: dict[str, Decimal] = {}
    kinds: Counter[ChangeKind] = Counter()
    for line, _, answer in several:
        kind = _kind_of(answer)
        if answer.fate is LineFate.TAKEN and kind is not None:
            kinds[kind] += 1
            if kind is ChangeKind.REFUND and not isinstance(line, Refused):
                currency = str(line.get("currency", "")).upper()
                back = trade_words.amounts(line.get("items"))
                refunds[currency] = refunds.get(currency, Decimal(0)) + back
    return Preview(
        taken=taken,
        lines=tuple(_line(*one) for one in first),
        columns=tuple((name, name not in unknown) for name in columns),
        kinds=kinds,
        refunds=refunds,
    )


def _line(line: Line, rows: tuple[int, ...], answer: LineAnswer) -> PreviewLine:
    given: Mapping[str, Any] = line.given if isinstance(line, Refused) else line
    kind = _kind_of(answer)
    about = given.get("sku") or given.get("order_id") or given.get("asin") or ""
    return PreviewLine(
        rows=rows,
        kind=kind,
        about=str(about)[:_LONGEST],
        marketplace=str(given.get("marketplace", ""))[:40],
        wants=trade_words.said(kind, given)[:_LONGEST],
        answer=answer,
        badge=trade_words.FATES[answer.fate],
        is_money=kind in trade_words.MONEY and answer.fate is LineFate.TAKEN,
    )


def _kind_of(answer: LineAnswer) -> ChangeKind | None:
    return ChangeKind(answer.kind) if answer.kind else None


def _columns(line: Line) -> list[str]:
    given: Mapping[str, Any] = line.given if isinstance(line, Refused) else line
    names = [name for name in given if name != "items"]
    items = given.get("items")
    if isinstance(items, list):
        names += [name for item in items if isinstance(item, Mapping) for name in item]
    return [str(name)[:60] for name in names]


def _column(field_name: str) -> str:
    """Of a fault at ``items[2].colour``: the column ``colour``."""
    return field_name.rpartition(".")[2]


_UPLOAD = "/console/accounts/{account_id}/upload"
DOORS = (
    Door("GET", "/console/feeds/upload", choose_account, Right.AMAZON_WRITE),
    Door("GET", _UPLOAD, upload_form, Right.AMAZON_WRITE),
    Door("POST", _UPLOAD, preview, Right.AMAZON_WRITE),
    Door("GET", f"{_UPLOAD}/template.csv", template, Right.AMAZON_WRITE),
    Door("POST", f"{_UPLOAD}/take", take, Right.AMAZON_WRITE),
    Door("GET", "/console/accounts/{account_id}/intakes/{intake_id}", intake, Right.READ),
)
