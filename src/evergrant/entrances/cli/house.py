"""``evergrant up``, ``serve``, ``worker``, ``migrate``, ``check``, ``settings``: run the house."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.running import run_async, run_serving, settings
from evergrant.entrances.cli.show import Json, remark, say, show_json, table

if TYPE_CHECKING:
    from evergrant.checks import Finding
    from evergrant.settings import Settings

__all__ = ["add"]

AddressFile = Annotated[
    Path | None,
    typer.Option(help="Write the address to this file once it answers; of use with port 0."),
]


def add(app: typer.Typer) -> None:
    for name, command in (
        ("up", up),
        ("serve", serve),
        ("worker", worker),
        ("migrate", migrate),
        ("check", check),
        ("settings", show_settings),
    ):
        app.command(name, rich_help_panel="Run")(command)


def up(address_file: AddressFile = None) -> None:
    """Run everything in one process.

    Embedded PostgreSQL (without EVERGRANT_DATABASE_URL), migrations, key ring, development
    mailbox (without EVERGRANT_SMTP_URL), server and worker. Ctrl-C ends it in order.

    Example: EVERGRANT_PUBLIC_URL=https://connect.house.example evergrant up
    """
    from evergrant.entrances.cli.processes import run_up

    run_serving(run_up(_configured(), address_file))


def serve(address_file: AddressFile = None) -> None:
    """Run a server only.

    The database has to be migrated; mails and webhooks wait for a worker. For more cores,
    start more of them. EVERGRANT_ROLE=web answers partners' browsers only,
    EVERGRANT_ROLE=api programs only.
    """
    from evergrant.entrances.cli.processes import run_serve

    run_serving(run_serve(_configured(), address_file))


def worker() -> None:
    """Run a worker only: mails, webhooks, terms.

    Start as many as you like; they share the work and take over from one that died.
    """
    from evergrant.entrances.cli.processes import run_worker

    run_serving(run_worker(_configured()))


def migrate() -> None:
    """Bring the database's schema up to date.

    Makes the key ring as well, when there is none yet. Run it once before the servers of a new
    version start; [bold]evergrant up[/] does it by itself.
    """
    from evergrant import wiring

    run_async(wiring.migrate(_configured()))
    remark("The schema is up to date.")


def check(
    json: Json = False,
    live: Annotated[
        bool, typer.Option("--live", help="Also ask Login with Amazon for each application.")
    ] = False,
) -> None:
    """Look for what is missing or wrong.

    Settings, database, queue, key ring, mail, applications, accounts; nothing is changed.
    Ends with 1 when a finding is an error. Each finding is described in
    docs/reference/checks.md.
    """
    from evergrant.checks import Severity, look

    findings: list[Finding] = run_async(look(live=live))
    if json:
        show_json({"items": findings})
    else:
        _draw(findings, live=live)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(1)


def _draw(findings: list[Finding], *, live: bool) -> None:
    """By severity, each finding with what to do; one sentence at the end."""
    from evergrant.checks import Severity
    from evergrant.checks.kinds import FINDINGS
    from evergrant.entrances.cli.drawing import draw_groups

    words = {
        Severity.ERROR: ("Does not work", "error"),
        Severity.WARNING: ("Will not work, or not safely", "warning"),
        Severity.NOTE: ("Worth knowing", "note"),
    }
    counted = []
    groups = []
    for severity, (heading, name) in words.items():
        own = [finding for finding in findings if finding.severity is severity]
        rows = []
        for finding in own:
            title = FINDINGS[finding.code].title
            rows += [(finding.code, f"{title}. {finding.message}"), ("", f"-> {finding.hint}")]
        groups.append((f"{heading} ({len(own)})", rows))
        if own:
            counted.append(f"{len(own)} {name}{'s' if len(own) > 1 else ''}")
    if findings:
        draw_groups(groups)
        say("")
    if not findings:
        say("All is well.")
    elif any(finding.severity is Severity.ERROR for finding in findings):
        say(f"{', '.join(counted)}: begin with {findings[0].code}.")
    else:
        say(f"{', '.join(counted)}; everything that was looked at works.")
    if not live:
        remark("Amazon was not asked: evergrant check --live does that.")


def show_settings(json: Json = False) -> None:
    """Print every setting that is in force.

    Secrets are masked. The source is the environment, a file, or the default.
    """
    shown = settings().shown
    if json:
        show_json({"items": shown})
    else:
        table(shown, ("name", "value", "source"), as_json=False)


def _configured() -> Settings:
    from evergrant import logs

    read = settings()
    logs.configure(read.log_format, read.log_level)
    return read
