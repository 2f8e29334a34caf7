"""Files of changes: CSV as spreadsheets and programs write it, and JSON.

Answers for: telling how a CSV file is written (encoding, separator), gathering the rows of one
order, package, document or reference into one line, and which rows a line came from. Does not
answer for: what a line may hold (``rules.wishes``), or for where a file lies (``beside``,
``folder``).

The first row names the fields, as lines of the API do. Items are one row each, with the item's
fields in columns of their own (``order_item_id``, ``quantity``, ``principal``, …, or
``items.<field>``); what belongs to the whole line is repeated, and has to be the same in each row.
Nothing is guessed about money: an amount with a comma counts only where the comma separates
nothing else and two digits or one follow it.

Files that we wrote come back as they were: the apostrophe that kept a cell from being a formula is
taken away, and the column ``remark``, which says what became of a row, is read by nobody.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from evergrant.errors import Flaw, InvalidInput
from evergrant.feeds.taken import Line
from evergrant.rules.changes import ChangeKind
from evergrant.rules.faults import Fault
from evergrant.rules.wishes import Refused

__all__ = ["ITEM_FIELDS", "MOST_ROWS", "REMARK", "ReadFile", "read_csv", "read_json"]

#: Rows of one file.
MOST_ROWS = 200_000
_MOST_COLUMNS = 200
_SEPARATORS = ",;\t"
#: A column for people.
REMARK = "remark"
#: Before text that a spreadsheet would run. Of several apostrophes one is ours.
_GUARD = re.compile(r"\A'(?='*[\s\0]*[=+\-@\uff1d\uff0b\uff0d\uff20])")

#: Gives the content of the file of that name. Raises Fault.
Attachments = Callable[[str], bytes]

#: Columns that belong to the items of a line, where a kind has items.
ITEM_FIELDS: Mapping[ChangeKind, frozenset[str]] = MappingProxyType(
    {
        ChangeKind.SHIPMENT: frozenset(
            {"order_item_id", "quantity", "line", "sku", "asin", "unit", "unit_size"}
        ),
        ChangeKind.CANCELLATION: frozenset(
            {
                *("order_item_id", "line", "sku", "asin", "quantity", "unit", "unit_size"),
                *("net_cost", "accept", "backorder", "reject"),
            }
        ),
        ChangeKind.REFUND: frozenset(
            {
                *("order_item_id", "quantity", "principal", "tax", "shipping", "shipping_tax"),
                *("gift_wrap", "gift_wrap_tax"),
            }
        ),
        ChangeKind.INVOICE: frozenset(
            {"line", "sku", "asin", "quantity", "unit", "unit_size", "net_cost"}
        ),
    }
)
#: Rows that are equal in the first of these that they hold are one line.
_GATHERED_BY: Mapping[ChangeKind, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        ChangeKind.SHIPMENT: (("shipment_id",), ("order_id", "package")),
        ChangeKind.CANCELLATION: (("order_id",),),
        ChangeKind.REFUND: (("reference",),),
        ChangeKind.INVOICE: (("invoice_number",),),
    }
)
_OF_ALL = frozenset({"kind", "marketplace", "reference"})
_KNOWN = frozenset(
    {
        *_OF_ALL,
        *("sku", "quantity", "warehouse", "price", "currency", "order_id", "package", "reason"),
        *("carrier_code", "carrier_name", "shipping_method", "tracking_number", "shipped_at"),
        *("shipping_id", "invoice_number", "total", "vat", "document_type", "transaction_id"),
        *("pdf", "pdf_file", "shipment_id", "ship_from", "ship_to", "order_lines", "invoiced_at"),
        *(name for names in ITEM_FIELDS.values() for name in names),
    }
)
_AMOUNTS = frozenset(
    {
        *("price", "total", "vat", "principal", "tax", "shipping", "shipping_tax", "gift_wrap"),
        *("gift_wrap_tax", "net_cost"),
    }
)
_WITH_COMMA = re.compile(r"[0-9]+,[0-9]{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """``rows``: for each line the rows of the file that it came from; the first row below the
    names is row 2, as spreadsheets count. For JSON: the places in the list, from 1."""

    lines: tuple[Line, ...]
    rows: tuple[tuple[int, ...], ...]


# --- JSON -------------------------------------------------------------------------------------


def read_json(
    content: bytes, *, kind: str = "", attachments: Attachments | None = None
) -> ReadFile:
    """A list of lines, or ``{"changes": [...]}``. ``kind``: of lines that name none. A line may
    name the PDF of an invoice by ``pdf_file``. Raises InvalidInput."""
    try:
        document = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, ValueError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _unreadable(f"This is not JSON that we read{where}.") from None
    changes = document.get("changes") if isinstance(document, dict) else document
    if isinstance(document, dict) and set(document) != {"changes"}:
        raise _unreadable(
            "The document has other members than 'changes'.", 'Write {"changes": [...]}.'
        )
    if not isinstance(changes, list):
        raise _unreadable("There is no list of changes.", 'Write {"changes": [...]}.')
    if len(changes) > MOST_ROWS:
        raise _too_long()
    return ReadFile(
        lines=tuple(_line_of(one, kind, attachments) for one in changes),
        rows=tuple((number,) for number in range(1, len(changes) + 1)),
    )


def _line_of(one: object, kind: str, attachments: Attachments | None) -> Line:
    if not isinstance(one, dict):
        return Refused([Fault("wrong_type", "must be an object.")])
    line = {"kind": kind, **one} if kind else dict(one)
    return _with_file(line, ("pdf_file",), attachments)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given twice")
    return found


# --- CSV --------------------------------------------------------------------------------------


def read_csv(content: bytes, *, kind: str = "", attachments: Attachments | None = None) -> ReadFile:
    """UTF-8 (with a mark at its beginning or without), UTF-16 with a mark, or Windows-1252;
    separated by commas, semicolons or tabs. ``kind``: of rows that name none. The columns ``pdf``
    and ``pdf_file`` name a file, which ``attachments`` gives; None: there are none.

    Raises InvalidInput when nothing can be made of it: no text, no row of names, a name twice, a
    quotation mark that is never closed.
    """
    text = _text(content)
    separator, names = _head(text)
    rows = _rows(text, separator, names)
    if not rows:
        raise _unreadable("There is no row below the names.")
    found = [_row(number, names, cells, kind, comma=separator != ",") for number, cells in rows]
    return _gathered(found, attachments)


def _text(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: Sequence[str] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
        break
    raise _unreadable("This is not a text file.", "Save it as CSV in UTF-8.")


def _head(text: str) -> tuple[str, list[str]]:
    """The separator with which the first row names the most fields that are known."""
    best: tuple[int, str, list[str]] = (-1, ",", [])
    for separator in _SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            cells = next((row for row in reader if any(cell.strip() for cell in row)), [])
        except csv.Error:
            continue
        names = [_name(cell) for cell in cells]
        known = sum(name in _KNOWN or name.startswith("items.") for name in names)
        best = max(best, (known, separator, names), key=lambda one: one[0])
    known, separator, names = best
    if not known:
        raise _unreadable(
            "The first row names no field that is known.",
            "It holds the names of the fields, such as: kind,sku,quantity.",
        )
    while names and not names[-1]:
        names.pop()
    _check_names(names)
    return separator, names


def _check_names(names: Sequence[str]) -> None:
    flaws = []
    if len(names) > _MOST_COLUMNS:
        flaws.append(Flaw(f"There are more than {_MOST_COLUMNS} columns.", code="too_many"))
    for place, name in enumerate(names[:_MOST_COLUMNS], 1):
        if not name:
            flaws.append(Flaw(f"Column {place} has no name.", code="missing"))
        elif name in names[: place - 1]:
            flaws.append(Flaw("names two columns.", field=name[:60], code="repeated"))
    if flaws:
        raise InvalidInput(flaws=flaws)


def _name(cell: str) -> str:
    name = re.sub(r"[\s\-]+", "_", cell.strip().casefold())
    return f"items.{name[5:]}" if name.startswith("item.") else name


def _rows(text: str, separator: str, names: Sequence[str]) -> list[tuple[int, list[str]]]:
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=separator, strict=True)
    found: list[tuple[int, list[str]]] = []
    seen_names = False
    number = 0
    try:
        for cells in reader:
            begins, number = number + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not seen_names:
                seen_names = True
                continue
            if len(cells) > len(names):
                # A file of separators alone must not become very many empty cells.
                beyond = any(cell.strip() for cell in cells[len(names) :])
                cells = [*cells[: len(names)], *(["?"] if beyond else [])]
            found.append((begins, cells))
            if len(found) > MOST_ROWS:
                raise _too_long()
    except csv.Error:
        raise _unreadable(
            f"From row {number + 1} on it cannot be read.",
            "A quotation mark is not closed there, or a cell is too long.",
        ) from None
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    kind: ChangeKind | None
    fields: dict[str, Any]
    item: dict[str, str]
    fault: Fault | None = None


def _row(
    number: int, names: Sequence[str], cells: Sequence[str], kind: str, *, comma: bool
) -> _Row:
    given = {
        name: plain
        for name, cell in zip(names, cells, strict=False)
        if name != REMARK and (plain := _GUARD.sub("", cell.strip(), count=1))
    }
    if any(cell.strip() for cell in cells[len(names) :]):
        return _Row(
            number,
            None,
            {name: given[name] for name in _OF_ALL & given.keys()},
            {},
            Fault(
                "too_many_cells",
                "has more values than there are columns, so nobody knows which is which.",
                hint="Put text that holds the separator between quotation marks.",
            ),
        )
    if comma:
        for name in given.keys() & _AMOUNTS:
            if _WITH_COMMA.fullmatch(given[name]):
                given[name] = given[name].replace(",", ".")
    given.setdefault("kind", kind)
    try:
        found: ChangeKind | None = ChangeKind(given["kind"].lower())
    except ValueError:
        found = None
    of_items = ITEM_FIELDS.get(found, frozenset()) if found else frozenset()
    item = {}
    for name in list(given):
        if name.startswith("items."):
            item[name.removeprefix("items.")] = given.pop(name)
        elif name in of_items:
            item[name] = given.pop(name)
    return _Row(number, found, given, item)


def _gathered(rows: Iterable[_Row], attachments: Attachments | None) -> ReadFile:
    groups: dict[Any, list[_Row]] = {}
    for row in rows:
        groups.setdefault(_group_of(row), []).append(row)
    several = list(groups.values())
    return ReadFile(
        lines=tuple(_line(one, attachments) for one in several),
        rows=tuple(tuple(row.number for row in one) for one in several),
    )


def _group_of(row: _Row) -> Any:
    """Equal for rows that are one line; a row of its own where nothing says so."""
    if row.kind is not None and row.fault is None:
        for names in _GATHERED_BY.get(row.kind, ()):
            if names[0] in row.fields:
                # A package is the first one where it has no number.
                return row.kind, *(row.fields.get(name, "1") for name in names)
    return row.number


def _line(rows: Sequence[_Row], attachments: Attachments | None) -> Line:
    first = rows[0]
    if first.fault is not None:
        return Refused([first.fault], first.fields)
    differing = sorted(
        {
            name
            for row in rows[1:]
            for name in {*row.fields, *first.fields}
            if row.fields.get(name) != first.fields.get(name)
        }
    )
    if differing:
        numbers = ", ".join(str(row.number) for row in rows[:10])
        return Refused(
            [
                Fault(
                    "rows_differ",
                    f"is not the same in the rows of one line ({numbers}).",
                    field=name,
                    hint="What belongs to the whole line is repeated in each of its rows.",
                )
                for name in differing
            ],
            first.fields,
        )
    line = dict(first.fields)
    items = [row.item for row in rows if row.item]
    if items and len(items) < len(rows):
        fault = Fault("rows_differ", "has items in some of its rows, and in others none.")
        return Refused([fault], line)
    if items:
        line["items"] = items
    return _with_file(line, ("pdf", "pdf_file"), attachments)


# --- both -------------------------------------------------------------------------------------


def _with_file(line: dict[str, Any], names: Sequence[str], attachments: Attachments | None) -> Line:
    """With the content of the file that one of these fields names in the place of its name."""
    name = next((one for one in names if line.get(one)), None)
    if name is None:
        return line
    try:
        if attachments is None:
            raise Fault(
                "no_files",
                "names a file, and none can come along this way.",
                hint="Send invoices as JSON, with the PDF in base64.",
            )
        named = line.pop(name)
        if not isinstance(named, str):
            raise Fault("wrong_type", "must be the name of a file.")
        if line.get("pdf"):
            raise Fault("repeated", "names a file, and 'pdf' is there as well.")
        line["pdf"] = attachments(named)
    except Fault as fault:
        return Refused([fault.at(name)], {one: line.get(one) for one in _OF_ALL})
    return line


def _unreadable(message: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput(flaws=[Flaw(message, code="unreadable", hint=hint)])


def _too_long() -> InvalidInput:
    return InvalidInput(
        flaws=[Flaw(f"It has more than {MOST_ROWS} rows.", code="too_long", hint="Split it.")]
    )
