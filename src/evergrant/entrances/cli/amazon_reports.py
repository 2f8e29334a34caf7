"""``evergrant amazon-report``: reports of Amazon, asked for, looked at and downloaded.

Answers for: how reports look to a person, and for a download that is whole or not there. Does not
answer for: asking Amazon (the reading room), or for reports to Dev Support.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.given import instant
from evergrant.entrances.cli.running import app_with, at_desk
from evergrant.entrances.cli.show import Json, page, plain, remark, say, table, thing
from evergrant.errors import Flaw, InvalidInput

if TYPE_CHECKING:
    from evergrant.amazon_reports import AtAmazon, OpenReport
    from evergrant.desk import Desk
    from evergrant.ports.traded import AmazonReport
    from evergrant.rules.rights import Caller

__all__ = ["add"]

reports = app_with("Reports of Amazon: ask for them, look how far they are, download them.")

Account = Annotated[str, typer.Argument(help="Id or name of the account.")]
Report = Annotated[str, typer.Argument(help="Id of the report: arp_…")]
Limit = Annotated[int, typer.Option(min=1, max=499, help="So many at most.")]

_COLUMNS = ("id", "report_type", "step", "amazon", "created_at", "ended_at", "error")
#: Between two looks of `download --wait`.
pause = asyncio.sleep
_LOOK_S = 5.0


def add(app: typer.Typer) -> None:
    app.add_typer(reports, name="amazon-report", rich_help_panel="Use")


@reports.command("request")
def request(
    account: Account,
    report_type: Annotated[str, typer.Argument(help="As Amazon calls it: GET_…")],
    marketplace: Annotated[
        list[str] | None,
        typer.Option(help="Country code or id; may be repeated. None: the home marketplace."),
    ] = None,
    data_from: Annotated[
        str | None, typer.Option("--from", help="Day or instant at which the data begin.")
    ] = None,
    data_until: Annotated[
        str | None, typer.Option("--until", help="Day or instant at which they end.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="One of Amazon's reportOptions: name=value.")
    ] = None,
    json: Json = False,
) -> None:
    """Ask Amazon for a report.

    The worker asks within Amazon's limits, and looks until it is made.

    Example: evergrant amazon-report request "Blue Heron Books" GET_MERCHANT_LISTINGS_ALL_DATA
    """
    options = dict(_option(text) for text in option or ())
    since, until = instant(data_from, "from"), instant(data_until, "until")

    async def work(desk: Desk, by: Caller) -> AmazonReport:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.amazon_reports.request(
            found.id,
            report_type,
            by=by,
            marketplaces=marketplace or None,
            data_from=since,
            data_until=until,
            options=options,
        )

    made = at_desk(work)
    _show(made, as_json=json)
    if not json:
        _remark_on(made)
        remark(f"When it is done: evergrant amazon-report download {made.id}")


@reports.command("list")
def list_reports(
    account: Account,
    at_amazon: Annotated[
        str | None,
        typer.Option(help="What Amazon has of this type, whoever had it made: GET_…"),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="With --at-amazon: made since that day.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="Go on after this one, or after Amazon's page.")
    ] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List the reports of an account: those asked for here, or those that Amazon has.

    Example: evergrant amazon-report list "Blue Heron Books"
    """
    if at_amazon is not None:
        _list_at_amazon(account, at_amazon, since, after, as_json=json)
        return

    async def look(desk: Desk, by: Caller) -> list[AmazonReport]:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.amazon_reports.list(found.id, by=by, after=after, limit=limit + 1)

    rows, more = page(at_desk(look), limit)
    table(
        rows if json else [_line(row) for row in rows],
        _COLUMNS,
        as_json=json,
        next=rows[-1].id if more else None,
        optional=("amazon", "created at"),
        empty="None was asked for. Next: evergrant amazon-report request --help",
    )


def _list_at_amazon(
    account: str, report_type: str, since: str | None, after: str | None, *, as_json: bool
) -> None:
    begins = instant(since, "since")

    async def look(desk: Desk, by: Caller) -> AtAmazon:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.amazon_reports.list_at_amazon(
            found.id, report_type, by=by, since=begins, page=after or ""
        )

    found = at_desk(look)
    table(
        found.reports,
        ("report_id", "status", "made_at", "data_from", "data_until"),
        as_json=as_json,
        next=found.next_page or None,
        empty="Amazon has none of this type.",
    )
    if found.reports and not as_json:
        remark("To download one: evergrant amazon-report adopt ACCOUNT REPORT_ID")


@reports.command("adopt")
def adopt(
    account: Account,
    report_id: Annotated[str, typer.Argument(help="Amazon's id of the report.")],
    json: Json = False,
) -> None:
    """Take a report that Amazon has already, to download it.

    Example: evergrant amazon-report adopt "Blue Heron Books" 54517018502
    """

    async def work(desk: Desk, by: Caller) -> AmazonReport:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.amazon_reports.adopt(found.id, report_id, by=by)

    taken = at_desk(work)
    _show(taken, as_json=json)
    if not json:
        remark(f"Next: evergrant amazon-report download {taken.id}")


@reports.command("show")
def show(report: Report, json: Json = False) -> None:
    """Show how far a report is.

    Example: evergrant amazon-report show arp_01k9z4h6q8w2e5r7t9y1a3s5d7
    """

    async def look(desk: Desk, by: Caller) -> AmazonReport:
        return await desk.amazon_reports.get(report, by=by)

    found = at_desk(look)
    _show(found, as_json=json)
    if not json:
        _remark_on(found)


@reports.command("cancel")
def cancel(report: Report, json: Json = False) -> None:
    """Do not wait for a report any more.

    Example: evergrant amazon-report cancel arp_01k9z4h6q8w2e5r7t9y1a3s5d7
    """

    async def work(desk: Desk, by: Caller) -> AmazonReport:
        return await desk.amazon_reports.cancel(report, by=by)

    _show(at_desk(work), as_json=json)


@reports.command("download")
def download(
    report: Report,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write, - for standard output; it is replaced."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Amazon has made it.")] = False,
) -> None:
    """Download a report's document, unpacked.

    Into a file that is named after it, into --output, or to standard output when that is a pipe.
    A file is whole or not there.

    Example: evergrant amazon-report download arp_01k9z4h6q8w2e5r7t9y1a3s5d7 --output listings.txt
    """
    to_pipe = str(output) == "-" or (output is None and not sys.stdout.isatty())

    async def work(desk: Desk, by: Caller) -> Path | None:
        if wait:
            await _until_over(desk, report, by)
        async with desk.amazon_reports.open(report, by=by) as coming:
            if to_pipe:
                await _copy(coming, sys.stdout.buffer, lambda done: None)
                return None
            target = output or Path(_name_of(coming))
            from evergrant.moving.writing import whole_file

            with _progress(target.name) as told, whole_file(target) as file:
                await _copy(coming, file, told)
            return target

    written = at_desk(work)
    if written is not None:
        say(str(written))


@reports.command("types")
def types(
    search: Annotated[
        str | None, typer.Argument(help="Only those with this in their names.")
    ] = None,
    json: Json = False,
) -> None:
    """List the types of reports that Evergrant knows. Others can be asked for as well.

    Example: evergrant amazon-report types ORDERS
    """
    from evergrant.rules.amazon_reports import KNOWN, note_of

    rows = [
        {**plain(KNOWN[name]), "longest": None, "note": note_of(name)}
        for name in sorted(KNOWN)
        if search is None or search.upper() in name
    ]
    for row in rows:
        longest = KNOWN[row["name"]].longest
        row["longest_days"] = longest.days if longest else None
        del row["longest"]
    table(
        rows,
        ("name", ("partner_kinds", "for"), "restricted", "requestable", "note"),
        as_json=json,
        optional=("restricted", "requestable"),
        empty="None that Evergrant knows. It can be asked for all the same.",
    )


# --- inside -----------------------------------------------------------------------------------


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InvalidInput(flaws=[Flaw("must look like name=value.", field="option")])
    return name.strip(), value


#: Of no use to whoever waits for a report.
_OURS = frozenset({"version", "looks", "changed_at", "asked_at", "document_id", "report_id"})


def _show(report: AmazonReport, *, as_json: bool) -> None:
    if as_json:
        thing(report, as_json=True)
        return
    facts = {name: value for name, value in plain(report).items() if name not in _OURS}
    thing({**facts, "id_at_amazon": report.report_id}, as_json=False)


def _line(report: AmazonReport) -> dict[str, Any]:
    return {
        **plain(report),
        "amazon": report.processing_status or "-",
        "error": report.last_error,
    }


def _remark_on(report: AmazonReport) -> None:
    from evergrant.rules.amazon_reports import KNOWN, note_of
    from evergrant.spelling import did_you_mean

    if note := note_of(report.report_type):
        remark(note)
    if report.report_type not in KNOWN and (near := did_you_mean(report.report_type, KNOWN)):
        remark(near)


async def _until_over(desk: Desk, report: str, by: Caller) -> None:
    while (await desk.amazon_reports.get(report, by=by)).ended_at is None:
        await pause(_LOOK_S)


async def _copy(coming: OpenReport, file: IO[bytes], told: Callable[[int], None]) -> None:
    done = 0
    async for piece in coming.pieces:
        file.write(piece)
        done += len(piece)
        told(done)
    file.flush()


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere. How long it will be, Amazon does not say."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TransferSpeedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done: bar.update(task, completed=done)


def _name_of(coming: OpenReport) -> str:
    from evergrant.rules.amazon_reports import file_name

    return file_name(coming.report.report_type, coming.report.id, coming.content_type)
