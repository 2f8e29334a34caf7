"""The journal: who did what to whom.

Answers for: showing its lines, newest first, by account, thing, deed, person and time, and giving
them away as a file. Does not answer for: words (`diary`), or for writing any of them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from evergrant import journal
from evergrant.entrances.console import diary, sheets
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import CallerError, Flaw, InvalidInput
from evergrant.ports.things import JournalLine
from evergrant.rules.rights import CallerKind, Right

__all__ = ["DOORS", "MOST_EXPORTED", "PAGE"]

PAGE = 50
MOST_EXPORTED = 100_000
_MOST_PEOPLE = 200
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_COLUMNS = {
    "id": "number",
    "at": "at (UTC)",
    "who": "who",
    "what": "what",
    "about": "about",
    "verb": "verb",
    "caller": "caller",
    "subject": "subject",
    "account_id": "account",
    "facts": "facts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an address asks for, as it was typed. ``flaws``: what of it means nothing."""

    account: str = ""
    subject: str = ""
    verb: str = ""
    who: str = ""
    begins: str = ""
    ends: str = ""
    flaws: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)  # as ``journal.read`` wants it

    @property
    def is_narrowed(self) -> bool:
        return bool(self.values())

    def values(self) -> dict[str, str]:
        given = {
            "account": self.account,
            "subject": self.subject,
            "verb": self.verb,
            "who": self.who,
            "from": self.begins,
            "until": self.ends,
        }
        return {name: text for name, text in given.items() if text}

    def address(self, path: str = "/console/journal", **more: str) -> str:
        query = urlencode({**self.values(), **more})
        return f"{path}?{query}" if query else path


async def _wanted(asked: Asked) -> Wanted:
    def text(name: str) -> str:
        return asked.query.get(name, "").strip()[:200]

    wanted = Wanted(
        account=text("account"),
        subject=text("subject"),
        verb=text("verb"),
        who=text("who"),
        begins=text("from"),
        ends=text("until"),
    )
    found: dict[str, Any] = {
        "subject": wanted.subject or None,
        "verb": wanted.verb or None,
        "caller": wanted.who or None,
    }
    flaws: dict[str, str] = {}
    if wanted.account:
        try:
            found["account_id"] = await _account(asked, wanted.account)
        except CallerError as error:
            flaws["account"] = str(error)
    for name, typed, argument, later in (
        ("from", wanted.begins, "since", timedelta()),
        ("until", wanted.ends, "until", timedelta(days=1)),
    ):
        try:
            if typed:
                found[argument] = datetime.combine(date.fromisoformat(typed), time(), UTC) + later
        except (ValueError, OverflowError):
            flaws[name] = "This is no day. Write it as 2027-05-31."
    return replace(wanted, flaws=flaws, found=found)


async def _account(asked: Asked, text: str) -> str:
    return (await asked.desk.accounts.find(text, by=asked.caller)).account.id


async def lines(asked: Asked) -> Response:
    wanted = await _wanted(asked)
    given = asked.query.get("after", "")
    after = int(given) if _NUMBER.fullmatch(given) else 0
    found: Sequence[JournalLine] = ()
    if not wanted.flaws:
        found = await journal.read(
            asked.desk.store, asked.caller, after=after, limit=PAGE + 1, **wanted.found
        )
    shown = found[:PAGE]
    return asked.page(
        "journal/list.html",
        422 if wanted.flaws else 200,
        flaws=wanted.flaws,
        wanted=wanted,
        lines=diary.told(shown, await diary.names_of(asked.desk, shown)),
        first=not after,
        older=wanted.address(after=str(shown[-1].id)) if len(found) > PAGE else "",
        verbs=_VERBS,
        people=await _people(asked, wanted.who),
        most=MOST_EXPORTED,
    )


def _grouped() -> list[tuple[str, list[tuple[str, str]]]]:
    def noun(row: tuple[str, str]) -> str:
        return row[0].partition(".")[0].replace("_", " ")

    return [
        (name, [(verb, words) for verb, words in rows])
        for name, rows in groupby(sorted(diary.WORDS.items()), key=noun)
    ]


_VERBS = _grouped()


async def _people(asked: Asked, chosen: str) -> list[tuple[str, str]]:
    """Who may be chosen; everybody's name stands in the journal itself."""
    async with asked.desk.store.transaction() as tx:
        operators = await tx.operators.all(limit=_MOST_PEOPLE)
    found = [
        ("", "anybody"),
        (CallerKind.SYSTEM.value, "Evergrant itself"),
        (CallerKind.PARTNER.value, "selling partners"),
        *((f"{CallerKind.OPERATOR}:{one.id}", one.name) for one in operators),
    ]
    if chosen not in dict(found):
        found.append((chosen, chosen.replace(":", " ").replace("_", " ")))
    return found


# --- files ----------------------------------------------------------------------------------------


async def export_csv(asked: Asked) -> Response:
    return sheets.as_csv("journal.csv", _COLUMNS, await _all(asked), most=MOST_EXPORTED)


async def export_json_lines(asked: Asked) -> Response:
    return sheets.as_json_lines("journal.jsonl", await _all(asked), most=MOST_EXPORTED)


async def _all(asked: Asked) -> AsyncIterator[Mapping[str, Any]]:
    """Newest first. What the address wants is understood before the first byte goes out."""
    wanted = await _wanted(asked)
    if wanted.flaws:
        raise InvalidInput(flaws=[Flaw(words, field=one) for one, words in wanted.flaws.items()])

    async def rows() -> AsyncIterator[Mapping[str, Any]]:
        after = 0
        while True:
            found = await journal.read(
                asked.desk.store,
                asked.caller,
                after=after,
                limit=journal.MOST_LINES,
                **wanted.found,
            )
            names = await diary.names_of(asked.desk, found)
            for line, words in zip(found, diary.told(found, names), strict=True):
                yield _row(line, words)
            if len(found) < journal.MOST_LINES:
                return
            after = found[-1].id

    return rows()


def _row(line: JournalLine, words: diary.ToldLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "at": line.at,
        "who": words.who,
        "what": words.what,
        "about": words.about,
        "verb": line.verb,
        "caller": line.caller,
        "subject": line.subject,
        "account_id": line.account_id,
        "facts": dict(line.facts),
    }


DOORS = (
    Door("GET", "/console/journal", lines, Right.READ),
    Door("GET", "/console/journal/export.csv", export_csv, Right.READ),
    Door("GET", "/console/journal/export.jsonl", export_json_lines, Right.READ),
)
