"""``evergrant changes``: hand in a file of changes, and take back what waits.

Answers for: reading the file, and how refused lines look to a person. Does not answer for: what
became of changes afterwards (``feeds``), or for files in the watched folder (a worker's task).
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.running import app_with, at_desk
from evergrant.entrances.cli.show import Json, remark, say, show_json, table
from evergrant.errors import InvalidInput

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.feeds.files import ReadFile
    from evergrant.feeds.taken import Taken, Withdrawn
    from evergrant.rules.rights import Caller

__all__ = ["add"]

changes = app_with("Hand in stock, prices, shipments, invoices, cancellations and refunds.")

#: So many refused lines are shown; there may be thousands, of one cause.
MOST_SHOWN = 50


def add(app: typer.Typer) -> None:
    app.add_typer(changes, name="changes", rich_help_panel="Work")


@changes.command("add")
def hand_in(
    account: Annotated[str, typer.Argument(help="Id or name of the account.")],
    file: Annotated[Path, typer.Argument(help="A .csv or .json; - is standard input, as CSV.")],
    kind: Annotated[
        str | None,
        typer.Option(
            help="Of rows that name none: stock, price, shipment, invoice, cancellation or refund."
        ),
    ] = None,
    pdf_folder: Annotated[
        Path | None,
        typer.Option(help="Where PDFs of invoices lie; without it, beside the file."),
    ] = None,
    key: Annotated[
        str,
        typer.Option(
            help="Idempotency key: the same file under the same key is taken once, however often "
            "it is handed in."
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be taken and refused.")
    ] = False,
    json: Json = False,
) -> None:
    """Hand in a file of changes for an account.

    The first row of a CSV file names the fields; rows of one package, refund, order or document
    are one line. Good lines are taken, bad ones are shown with all that is wrong with them.
    The exit code is 1 if any line was refused.

    Columns of sellers. stock: sku, quantity. price: sku, price, currency. shipment: order_id,
    carrier_code, tracking_number, shipped_at, order_item_id, quantity. cancellation: order_id,
    reason. refund: order_id, reference, currency, reason, order_item_id, principal, tax. invoice:
    order_id, invoice_number, total, vat, pdf. All may have a marketplace and a reference.

    Example: evergrant changes add "Blue Heron Books" stock.csv --kind stock --dry-run
    """
    read = _read(file, kind or "", pdf_folder)

    async def work(desk: Desk, by: Caller) -> list[Taken]:
        from evergrant.feeds.intake import MOST_LINES

        account_id = (await desk.accounts.find(account, by=by)).account.id
        parts = []
        for begin in range(0, len(read.lines), MOST_LINES):
            lines = read.lines[begin : begin + MOST_LINES]
            if dry_run:
                parts.append(await desk.feeds.intake.judge(account_id, lines, by=by))
                continue
            parts.append(
                await desk.feeds.intake.put(
                    account_id,
                    lines,
                    by=by,
                    idempotency_key=_part_of(key, begin),
                    source="command_line",
                    name=file.name,
                )
            )
        return parts

    if not read.lines:
        raise InvalidInput(f"There is no line in {file}.")
    parts = at_desk(work)
    _show(read, parts, dry_run=dry_run, json=json)
    if any(part.refused for part in parts):
        raise typer.Exit(1)


def _part_of(key: str, begin: int) -> str:
    if not key:
        return ""
    return f"{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}/{begin}"


def _read(file: Path, kind: str, pdf_folder: Path | None) -> ReadFile:
    from evergrant.feeds.beside import beside
    from evergrant.feeds.files import read_csv, read_json
    from evergrant.feeds.folder import LARGEST_FILE

    _check_kind(kind)
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with file.open("rb") as stream:
                content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from None
    if len(content) > LARGEST_FILE:
        raise InvalidInput(f"{file} has more than {LARGEST_FILE // 1024**2} MiB.", hint="Split it.")
    folder = pdf_folder or (Path() if str(file) == "-" else file.absolute().parent)
    with beside(folder) as attachments:
        read = read_json if file.suffix.lower() == ".json" else read_csv
        return read(content, kind=kind, attachments=attachments)


def _check_kind(kind: str) -> None:
    from evergrant.intake import Flaws
    from evergrant.rules.changes import ChangeKind

    flaws = Flaws()
    if kind:
        flaws.word("kind", kind, ChangeKind)
    flaws.refuse_if_any()


def _show(read: ReadFile, parts: list[Taken], *, dry_run: bool, json: bool) -> None:
    from evergrant.feeds.folder import told_line

    answers = [answer for part in parts for answer in part.answers]
    lines = [told_line(answer, rows) for answer, rows in zip(answers, read.rows, strict=True)]
    notes = list({(note.code, note.kind): note for part in parts for note in part.notes}.values())
    counts = Counter(line["outcome"] for line in lines)
    if json:
        show_json(
            {
                "dry_run": dry_run,
                "intake_ids": [part.intake_id for part in parts if part.intake_id],
                "repeated": all(part.repeated for part in parts),
                **{name: counts[name] for name in ("taken", "duplicate", "superseded", "refused")},
                "notes": notes,
                "lines": lines,
            }
        )
        return
    refused = [line for line in lines if line["outcome"] == "refused"]
    if refused:
        table(
            [row for line in refused[:MOST_SHOWN] for row in _rows_of(line)],
            ("row", "kind", "field", "what", "hint"),
            as_json=False,
            optional=("hint",),
        )
    if len(refused) > MOST_SHOWN:
        remark(f"and {len(refused) - MOST_SHOWN} more; --json shows all of them.")
    for note in notes:
        remark(f"{note.kind or 'All of it'}: {note.message}")
    if parts[0].repeated:
        remark("This came before under the same key: nothing was taken now.")
    would = "would be " if dry_run else ""
    summary = [f"{would}taken {counts['taken']}"] + [
        f"{word} {counts[name]}"
        for name, word in (
            ("duplicate", "known already"),
            ("superseded", "overtaken by a later row"),
            ("refused", "refused"),
        )
        if counts[name]
    ]
    count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
    say(f"{count}: {', '.join(summary)}.")
    if counts["taken"] and not dry_run:
        remark("What becomes of them: evergrant feeds status ACCOUNT, or feeds changes ACCOUNT")


def _rows_of(line: dict[str, Any]) -> list[dict[str, Any]]:
    row = ", ".join(str(number) for number in line["rows"][:5])
    return [
        {
            "row": row if number == 0 else "",
            "kind": line.get("kind", "") if number == 0 else "",
            "field": flaw.get("field", "-"),
            "what": flaw["message"],
            "hint": flaw.get("hint", ""),
        }
        for number, flaw in enumerate(line["flaws"])
    ]


@changes.command("withdraw")
def withdraw(
    change_ids: Annotated[list[str], typer.Argument(help="Ids of changes: chg_….")],
    json: Json = False,
) -> None:
    """Take back changes that wait.

    What is under way to Amazon, or over, stays as it is; then the exit code is 1.

    Example: evergrant changes withdraw chg_01k9z4h6q8w2e5r7t9y1a3s5d7
    """

    async def work(desk: Desk, by: Caller) -> Withdrawn:
        return await desk.feeds.intake.withdraw(change_ids, by=by)

    done = at_desk(work)
    if json:
        show_json(done)
    else:
        for change_id, state in done.left.items():
            remark(f"{change_id} is {state.value.replace('_', ' ')}: it was left as it is.")
        say(f"Taken back: {len(done.withdrawn)}.")
    if done.left:
        raise typer.Exit(1)
