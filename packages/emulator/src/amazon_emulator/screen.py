"""What the command line shows: the start, lists of levers and of operations, a world in a sentence.

Answers for: text for a person, as wide as the terminal. It prints nothing itself.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from amazon_emulator import __version__, world_file
from amazon_emulator.apis.operations import Operation
from amazon_emulator.clock import stamp
from amazon_emulator.models import Library
from amazon_emulator.stage import Stage

__all__ = ["Row", "contents", "levers_shown", "operation_rows", "rows_shown", "start"]

FACES = {
    "lwa": "https://api.amazon.com",
    "seller_central": "https://sellercentral.amazon.*",
    "vendor_central": "https://vendorcentral.amazon.*",
    "na": "https://sellingpartnerapi-na.amazon.com",
    "eu": "https://sellingpartnerapi-eu.amazon.com",
    "fe": "https://sellingpartnerapi-fe.amazon.com",
    "levers": "nothing of Amazon's: move time, fail, revoke, ...",
    "sandbox_na": "https://sandbox.sellingpartnerapi-na.amazon.com",
    "sandbox_eu": "https://sandbox.sellingpartnerapi-eu.amazon.com",
    "sandbox_fe": "https://sandbox.sellingpartnerapi-fe.amazon.com",
    "documents": "the storage behind feeds and reports",
    "aws": "SQS and STS",
}


# --- the start ------------------------------------------------------------------------------------


def start(stage: Stage, *, played: int, credentials: bool, usual_levers: bool) -> str:
    """What whoever started it wants to know: where it is, who is in it, what to do next.

    With ``credentials`` everything that one signs in and calls with; without, of the first
    authorization alone. ``usual_levers``: commands find them without being told where they are."""
    known = world_file.describe(stage)
    head = (
        f"Amazon emulator {__version__}. All state is in memory and ends with this process.\n"
        f"Its clock says {stamp(stage.clock.now())}. {_known(stage.models, played)}"
    )
    parts = [
        head,
        _columns([(face, address, FACES[face]) for face, address in stage.addresses.items()]),
        *(_application(one) for one in known["applications"]),
        *([_partners(known["partners"])] if known["partners"] else []),
        *_grants(known["grants"], credentials=credentials),
        _next(stage, known, credentials=credentials, usual_levers=usual_levers),
    ]
    return "\n\n".join(parts)


def _known(library: Library, played: int) -> str:
    told = f"{played} operations are played with state"
    if not library.operations:
        return f"{told}; the others need Amazon's models (--models DIR)."
    count = len(library.models)
    models = "1 model" if count == 1 else f"{count} models"
    return f"{told}; {len(library.operations)} are described by {models} in {library.folder}."


def _application(one: dict[str, Any]) -> str:
    fields = ("application_id", "lwa_client_id", "lwa_client_secret")
    head = f"Application {one['name']} ({one['status']})"
    return head + "\n" + _columns([(name, str(one[name] or "none")) for name in fields])


def _partners(partners: list[dict[str, Any]]) -> str:
    rows = [
        (
            str(one["kind"]),
            str(one["name"]),
            str(one["selling_partner_id"]),
            ",".join(one["vendor_codes"] or one["marketplaces"]),
            str(one["email"]),
            str(one["password"]),
        )
        for one in partners
    ]
    return "Selling partners, who sign in with\n" + _columns(rows)


def _grants(grants: list[dict[str, Any]], *, credentials: bool) -> Iterator[str]:
    for one in grants if credentials else grants[:1]:
        yield (
            f"Refresh token of {one['partner']} for {one['application']}, region {one['region']}\n"
            f"  {one['refresh_token']}"
        )


def _next(stage: Stage, known: dict[str, Any], *, credentials: bool, usual_levers: bool) -> str:
    where = "" if usual_levers else f" --levers {stage.addresses['levers']}"
    rows = [(f"amazon-emulator account{where}", "a seller of your own, and all a client needs")]
    if len(known["grants"]) > 1 and not credentials:
        more = f"amazon-emulator pull{where} GET '/world?credentials=true'"
        rows.append((more, f"the other {len(known['grants']) - 1} refresh tokens"))
    rows += [
        (
            f"amazon-emulator pull{where} POST /clock/advance '{{\"seconds\": 3600}}'",
            "an hour later",
        ),
        ("amazon-emulator levers", "all that can be moved"),
    ]
    return "In another terminal:\n" + _columns(rows) + "\n\nCtrl-C ends it."


# --- levers ---------------------------------------------------------------------------------------


def levers_shown(levers: Iterable[dict[str, str]], width: int) -> str:
    """By area, wrapped."""
    parts = []
    for area, inside in groupby(levers, lambda lever: lever["area"]):
        lines = [area.upper()]
        for lever in inside:
            lines.append(f"\n  {lever['method']} {lever['path']}")
            lines += _wrapped(lever["does"], width, "      ")
        parts.append("\n".join(lines))
    return "\n\n\n".join(parts)


# --- operations -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One operation and what answers it: ``state``, or the model's cases, or an example."""

    operation: str
    method: str
    path: str
    answered_by: str

    def holds(self, text: str) -> bool:
        """Whether some words are in it, whatever their case."""
        whole = f"{self.operation} {self.method} {self.path} {self.answered_by}".lower()
        return all(word in whole for word in text.lower().split())


def operation_rows(played: Iterable[Operation], library: Library) -> list[Row]:
    """By path: what is played, and of the library what is not."""
    rows = {(one.method, one.path): Row(one.name, one.method, one.path, "state") for one in played}
    for one in library.operations:
        cases = len(one.cases)
        by = "example" if not cases else "1 case" if cases == 1 else f"{cases} cases"
        rows.setdefault((one.method, one.path), Row(one.name, one.method, one.path, by))
    return sorted(rows.values(), key=lambda row: (row.path, row.method))


def rows_shown(rows: Iterable[Row]) -> str:
    """A line for each."""
    return _columns([(row.operation, row.answered_by, f"{row.method} {row.path}") for row in rows])


# --- worlds ---------------------------------------------------------------------------------------


def contents(stage: Stage) -> str:
    """How much is in a world: "1 application, 2 partners, 3 grants; catalogue, orders"."""
    whole = world_file.export(stage)
    people = [
        f"{len(whole[name])} {name if len(whole[name]) != 1 else name[:-1]}"
        for name in ("applications", "partners", "grants")
    ]
    sections = [name for name, _ in world_file.SECTIONS if name in whole]
    return ", ".join(people) + (f"; {', '.join(sections)}" if sections else "")


# --- text -----------------------------------------------------------------------------------------


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Aligned, and indented by two."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
