"""The letter box: files of changes that somebody puts into a folder are taken in.

Answers for: which files are complete, taking each one once whatever dies in between and however
many nodes look, moving it to ``done`` or ``refused``, and an answer beside it. Does not answer for:
what files and lines may hold (``files``, ``rules.wishes``).

The folder has one folder for each account, named by the account's name or id. A file (.csv, .json)
is complete when nobody wrote to it for half a minute; a file that ends in ``.part`` is not looked
at, so whoever writes slowly writes under such a name and renames it. PDFs of invoices lie beside
the file that names them, and are put there first.

A file's way: renamed into ``taking``, where of several nodes one is first; taken in, under an
idempotency key made of its name, the instant at which it was written, and its content; its answer
written; its PDFs and at last itself moved away. Whoever dies on the way leaves it in ``taking``,
from where it goes on after a while: the key makes it the same batch, so nothing is taken twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evergrant.errors import (
    CallerError,
    Conflict,
    EvergrantError,
    InvalidInput,
    PartnerError,
    TooLarge,
)
from evergrant.feeds.beside import Beside
from evergrant.feeds.drawers import Drawer, Sheet
from evergrant.feeds.files import ReadFile, read_csv, read_json
from evergrant.feeds.intake import MOST_LINES, Taking
from evergrant.feeds.taken import LineAnswer, Taken
from evergrant.logs import logger
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.rules.rights import SYSTEM
from evergrant.rules.wishes.earlier import LineFate

__all__ = ["LARGEST_FILE", "LEFT_FOR", "QUIET_FOR", "Folder", "FolderRound", "told_line"]

log = logger(__name__)

#: Bytes of one file.
LARGEST_FILE = 64 * 1024 * 1024
#: Nobody wrote to it for so long: it is complete.
QUIET_FOR = timedelta(seconds=30)
#: After so long in ``taking`` whoever took it is dead.
LEFT_FOR = timedelta(minutes=10)
#: Files of one account in one round; the others wait for the next one.
MOST_FILES = 100

_TAKING, _DONE, _REFUSED = "taking", "done", "refused"
_CLAIMED = re.compile(r"[0-9a-f]{8}-(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRound:
    """What one round did: counts of files and lines. ``unknown``: folders named after no account;
    ``troubled``: files that could not be seen to, and are tried again."""

    files: int = 0
    taken: int = 0
    duplicates: int = 0
    refused: int = 0
    troubled: int = 0
    unknown: tuple[str, ...] = ()


@dataclass(slots=True)
class _Counts:
    files: int = 0
    taken: int = 0
    duplicates: int = 0
    refused: int = 0
    troubled: int = 0
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A file in ``taking``, and as what it was put there."""

    sheet: Sheet
    name: str


class Folder:
    """``folder`` None: there is none, and rounds do nothing."""

    def __init__(self, *, store: Store, clock: Clock, taking: Taking, folder: Path | None) -> None:
        self._store = store
        self._clock = clock
        self._taking = taking
        self._folder = folder

    async def round(self) -> FolderRound:
        """Takes in every file that is complete. A file that cannot be seen to does not hold up the
        others. Raises StoreUnavailable, and nothing is lost by it."""
        counts = _Counts()
        if self._folder is not None:
            try:
                with Drawer.opened(self._folder) as everything:
                    for name in await asyncio.to_thread(everything.drawers):
                        await self._account(everything, name, counts)
            except OSError as error:
                counts.troubled += 1
                _warn("the folder of changes cannot be read", error)
        return FolderRound(
            files=counts.files,
            taken=counts.taken,
            duplicates=counts.duplicates,
            refused=counts.refused,
            troubled=counts.troubled,
            unknown=tuple(counts.unknown),
        )

    async def _account(self, everything: Drawer, name: str, counts: _Counts) -> None:
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(name) or await tx.accounts.one(name=name)
        if account is None:
            counts.unknown.append(name)
            log.warning("a folder of changes is named after no account", folder=name)
            return
        try:
            with everything.drawer(name) as box:
                for claimed in await asyncio.to_thread(_claim, box, self._clock.now()):
                    try:
                        await self._take(box, account.id, claimed, counts)
                    except OSError as error:
                        counts.troubled += 1
                        _warn("a file of changes waits for the next round", error, claimed.name)
        except OSError as error:
            counts.troubled += 1
            _warn("an account's folder of changes cannot be read", error, name)

    async def _take(self, box: Drawer, account_id: str, one: _Claimed, counts: _Counts) -> None:
        with box.drawer(_TAKING) as taking:
            beside = Beside(box)
            key = ""
            try:
                content = await asyncio.to_thread(_content, taking, one)
                key = _key(one, content)
                read = await asyncio.to_thread(_read, one.name, content, beside)
                told = _told(read, await self._put(account_id, one.name, read, key))
            except FileNotFoundError:
                return  # another node has seen to it
            except (CallerError, PartnerError) as error:
                told = _Told(refusal=_refusal(error))
            except BaseException:
                # The database is away, or we are being stopped: the next round begins anew.
                with contextlib.suppress(OSError):
                    _put_back(box, taking, one)
                raise
            await asyncio.to_thread(_away, box, taking, one, told, beside, key)
        counts.files += 1
        counts.taken += told.taken
        counts.duplicates += told.duplicates
        counts.refused += told.refused
        log.info(
            "a file of changes was taken in",
            account_id=account_id,
            file=one.name,
            taken=told.taken,
            refused=told.refused,
        )

    async def _put(self, account_id: str, name: str, read: ReadFile, key: str) -> list[Taken]:
        """In parts, each under a key of its own; what was taken before is told again."""
        parts = []
        for begin in range(0, len(read.lines), MOST_LINES):
            try:
                taken = await self._taking.put(
                    account_id,
                    read.lines[begin : begin + MOST_LINES],
                    by=SYSTEM,
                    idempotency_key=f"{key}/{begin}",
                    source="folder",
                    name=name,
                )
            except Conflict as known:
                # It was taken, and somebody died before all was moved away: a PDF is gone already.
                intake_id = str(known.facts["intake_id"])
                taken = await self._taking.get(account_id, intake_id, by=SYSTEM, repeated=True)
            parts.append(taken)
        return parts


# --- claiming ---------------------------------------------------------------------------------


def _claim(box: Drawer, now: datetime) -> list[_Claimed]:
    """Files that are complete, moved into ``taking``; and those that were left there."""
    with box.drawer(_TAKING, make=True) as taking:
        found = [
            _Claimed(sheet, match[1])
            for sheet in taking.sheets(".csv", ".json")
            if (match := _CLAIMED.fullmatch(sheet.name)) and _since(sheet.moved_ns, now) >= LEFT_FOR
        ]
        for sheet in box.sheets(".csv", ".json"):
            if len(found) >= MOST_FILES:
                break
            if _since(sheet.written_ns, now) < QUIET_FOR:
                continue
            claim = f"{secrets.token_hex(4)}-{sheet.name}"
            try:
                box.move(sheet.name, taking, claim)
            except FileNotFoundError:
                continue  # another node was first
            moved = taking.sheet(claim)
            found.append(_Claimed(moved, sheet.name))
    return found


def _content(taking: Drawer, one: _Claimed) -> bytes:
    if one.sheet.size > LARGEST_FILE:
        raise TooLarge(f"A file may have {LARGEST_FILE // 1024**2} MiB at most.", hint="Split it.")
    content = taking.read(one.sheet.name, LARGEST_FILE)
    if taking.sheet(one.sheet.name).written_ns != one.sheet.written_ns:
        raise OSError("somebody still writes to it")
    return content


def _since(nanoseconds: int, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def _warn(message: str, error: OSError, name: str = "") -> None:
    log.warning(message, file=name, reason=error.strerror or str(error))


def _put_back(box: Drawer, taking: Drawer, one: _Claimed) -> None:
    if not box.has(one.name):
        taking.move(one.sheet.name, box, one.name)


def _key(one: _Claimed, content: bytes) -> str:
    """Of this file, put there at that instant: the same values may be put there again tomorrow."""
    digest = hashlib.sha256(f"{one.name}\0{one.sheet.written_ns}\0".encode())
    digest.update(content)
    return digest.hexdigest()


def _read(name: str, content: bytes, attachments: Beside) -> ReadFile:
    if name.lower().endswith(".json"):
        return read_json(content, attachments=attachments)
    if not content.rstrip(b" \t\0").endswith((b"\n", b"\r")):
        # An amount that was cut off is an amount as well.
        raise InvalidInput(
            "The last row does not end: the file may have been cut off on its way.",
            hint="End it with a line break, and put it here again.",
        )
    return read_csv(content, attachments=attachments)


# --- answering --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a file is answered. ``refusal``: of the file as a whole."""

    taken: int = 0
    duplicates: int = 0
    refused: int = 0
    refusal: dict[str, Any] | None = None
    intake_ids: tuple[str, ...] = ()
    notes: tuple[dict[str, str], ...] = ()
    lines: tuple[dict[str, Any], ...] = ()

    @property
    def is_good(self) -> bool:
        return self.refusal is None and not self.refused


def _told(read: ReadFile, parts: list[Taken]) -> _Told:
    answers = [answer for part in parts for answer in part.answers]
    notes = {(note.code, note.kind): note for part in parts for note in part.notes}
    return _Told(
        taken=sum(part.taken for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        refused=sum(part.refused for part in parts),
        intake_ids=tuple(part.intake_id for part in parts),
        notes=tuple(
            {"code": note.code, "kind": note.kind, "message": note.message}
            for note in notes.values()
        ),
        lines=tuple(
            told_line(answer, rows) for answer, rows in zip(answers, read.rows, strict=False)
        ),
    )


def told_line(answer: LineAnswer, rows: tuple[int, ...]) -> dict[str, Any]:
    """One line's answer for a file's answer, in plain JSON; ``rows`` are those of the file."""
    told: dict[str, Any] = {"rows": list(rows), "outcome": answer.fate.value}
    for name in ("kind", "reference", "change_id"):
        if value := getattr(answer, name):
            told[name] = value
    if answer.fate is LineFate.REFUSED:
        told["flaws"] = [
            {
                name: value
                for name in ("field", "code", "message", "hint")
                if (value := getattr(flaw, name))
            }
            for flaw in answer.flaws
        ]
    return told


def _refusal(error: EvergrantError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _away(
    box: Drawer, taking: Drawer, one: _Claimed, told: _Told, attached: Beside, key: str
) -> None:
    """The answer first, then the PDFs, at last the file: what is in ``taking`` is not over."""
    written_at = datetime.fromtimestamp(one.sheet.written_ns / 1e9, UTC)
    mark = f"{written_at:%Y%m%dT%H%M%SZ}-{key[:8] or one.sheet.name[:8]}"
    answer = {
        "file": one.name,
        "refusal": told.refusal,
        "intake_ids": list(told.intake_ids),
        "taken": told.taken,
        "duplicates": told.duplicates,
        "refused": told.refused,
        "notes": list(told.notes),
        "lines": list(told.lines),
    }
    with box.drawer(_DONE if told.is_good else _REFUSED, make=True) as target:
        target.write(
            f"{mark}-{one.name}.answer.json",
            json.dumps(answer, indent=1, ensure_ascii=False).encode("utf-8", "replace"),
        )
        if told.is_good:
            # Of a file with bad lines they stay, so that it can be mended and put here again.
            for name in dict.fromkeys(attached.asked):
                with contextlib.suppress(FileNotFoundError):
                    box.move(name, target, f"{mark}-{name}")
        with contextlib.suppress(FileNotFoundError):
            taking.move(one.sheet.name, target, f"{mark}-{one.name}")
