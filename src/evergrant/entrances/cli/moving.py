"""``evergrant import`` and ``evergrant export``: whole books in and out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.given import secret_of
from evergrant.entrances.cli.running import at_desk, run_async
from evergrant.entrances.cli.show import Json, remark, say, show_json, table
from evergrant.errors import InvalidInput

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.moving import Books, Entry, Export, Progress, Report, Sealing
    from evergrant.ports import Keyring
    from evergrant.rules.rights import Caller

__all__ = ["add"]

#: More lines than that nobody reads on a screen; the report has them all.
MOST_LINES = 500

PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the passphrase, - for standard input. Without it: a prompt."),
]


def add(app: typer.Typer) -> None:
    app.command("import", rich_help_panel="Set up")(import_books)
    app.command("export", rich_help_panel="Run")(export_books)


def import_books(
    path: Annotated[
        Path,
        typer.Argument(help="Folder of CSV files, one .csv, a .json, a .sql dump, or an export."),
    ],
    carry_out: Annotated[
        bool,
        typer.Option("--carry-out/--dry-run", help="Do it, instead of showing what would happen."),
    ] = False,
    keep_aws: Annotated[
        bool, typer.Option("--keep-aws", help="Keep AWS keys that no queue is named for.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Also try refresh tokens that Amazon refused before."),
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write all lines to this .json or .csv; no secret in it.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Move in: applications, credentials, instances, accounts.

    From the tables integration, integration_credentials, client and account_amazon of another
    database, or from [bold]evergrant export[/]. Without [bold]--carry-out[/] nothing is changed.
    What exists is left as it is; what broke off goes on when it is run again. The exit code is 1
    when lines were refused, failed or wait for an answer.

    Example: evergrant import dump.sql --report lines.csv
    """
    from evergrant.moving import read, report_text, write_file

    if report is not None and report.suffix.lower() not in (".json", ".csv"):
        raise InvalidInput(f"{report} is neither .json nor .csv.")
    books = read(path)
    keyring = _opened(books, passphrase_file)

    async def work(desk: Desk, by: Caller) -> Report:
        if not carry_out:
            return await desk.moving.look(
                books, by=by, keep_aws=keep_aws, again=again, keyring=keyring
            )
        with _progress() as progress:
            return await desk.moving.carry_out(
                books,
                by=by,
                keep_aws=keep_aws,
                again=again,
                keyring=keyring,
                progress=progress,
            )

    found = at_desk(work)
    if report is not None:
        write_file(report, report_text(found, as_csv=report.suffix.lower() == ".csv"))
    if json:
        say(report_text(found, as_csv=False).rstrip())
    else:
        _show(found, path)
    if not found.clean:
        raise typer.Exit(1)


def _opened(books: Books, passphrase_file: Path | None) -> Keyring | None:
    """Told at once when it is the wrong passphrase."""
    from evergrant import wiring

    if books.sealing is None:
        return None
    passphrase = secret_of("passphrase", file=passphrase_file)
    return run_async(wiring.passphrase_ring(passphrase, books.sealing))


@contextlib.contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Moving in", total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield told


# --- what a person reads ------------------------------------------------------------------------


def _show(report: Report, path: Path) -> None:
    shown = _worth_showing(report.entries)
    table(
        [_line(one) for one in shown],
        ("line", "thing", "name", "what", "remarks"),
        as_json=False,
    )
    if len(shown) < len(report.entries):
        left = len(report.entries) - len(shown)
        remark(f"{left} more lines are not shown; --report writes them all.")
    for notice in report.notices:
        remark(notice)
    if report.skipped:
        passed = ", ".join(f"{what} ({count})" for what, count in list(report.skipped.items())[:20])
        remark(f"Passed over: {passed}.")
    for thing, counts in report.counts.items():
        words = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
        say(f"{thing.value}: {words}")
    if not report.carried_out:
        remark(f"Nothing was changed. To do it: evergrant import {path} --carry-out")
    elif any(one.outcome == "again" for one in report.entries):
        remark("Lines marked 'again' were not finished: run the same command once more.")


def _worth_showing(entries: Sequence[Entry]) -> Sequence[Entry]:
    if len(entries) <= MOST_LINES:
        return entries
    troubled = [one for one in entries if one.step in ("ask", "refuse") or one.outcome == "failed"]
    rest = [one for one in entries if one not in troubled and (one.questions or one.notices)]
    return (troubled + rest)[:MOST_LINES]


def _line(one: Entry) -> dict[str, Any]:
    said = (one.why, *one.notices, *(f"? {question}" for question in one.questions))
    return {
        "line": one.place,
        "thing": one.thing.value,
        "name": one.name,
        "what": one.step.value if one.outcome is None else one.outcome.value,
        "remarks": " ".join(text for text in said if text),
    }


# --- export -------------------------------------------------------------------------------------


def export_books(
    file: Annotated[Path, typer.Argument(help="Where to; it must not exist yet.")],
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="With secrets, sealed by a passphrase.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Write the books to a file that [bold]evergrant import[/] reads.

    Applications, credentials, client instances, accounts with their flags and authorizations; not
    the journal, API keys or operators. Without [bold]--with-secrets[/] it holds no secret at all.

    Example: evergrant export books.json --with-secrets
    """
    from evergrant.moving import write_file

    if file.exists():
        raise InvalidInput(f"{file} exists already.", hint="Name another file.")
    if passphrase_file is not None and not with_secrets:
        raise InvalidInput("A passphrase is for --with-secrets only.")
    sealing: Sealing | None = None
    if with_secrets:
        from evergrant import wiring

        passphrase = secret_of("passphrase", file=passphrase_file, twice=True)
        sealing = run_async(wiring.passphrase_sealing(passphrase))

    async def work(desk: Desk, by: Caller) -> Export:
        return await desk.moving.export(by=by, sealing=sealing)

    exported = at_desk(work)
    write_file(file, exported.text())
    if json:
        show_json({"counts": exported.counts, "secrets": exported.secrets})
    else:
        words = ", ".join(f"{count} of {name}" for name, count in exported.counts.items())
        secrets = f"{exported.secrets} secrets, each sealed" if with_secrets else "no secret in it"
        say(f"Written to {file}: {words}; {secrets}.")
        if with_secrets:
            remark("Keep the passphrase in another place: without it the secrets are gone.")
    if exported.unreadable:
        remark(f"{len(exported.unreadable)} secrets did not open and are not in it:")
        for name in exported.unreadable:
            remark(f"  {name}")
        raise typer.Exit(1)
