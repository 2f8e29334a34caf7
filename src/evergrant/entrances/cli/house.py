"""``evergrant up``, ``serve``, ``worker``, ``migrate``, ``settings``: run the house."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.running import run_async, run_serving, settings
from evergrant.entrances.cli.show import Json, remark, show_json, table

if TYPE_CHECKING:
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
