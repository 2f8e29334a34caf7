"""The tree of commands. Each group's module is small; rooms are imported inside the commands."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from evergrant.entrances.cli import (
    amazon_reports,
    book,
    calling,
    changes,
    checking,
    diary,
    feeds,
    gateway,
    house,
    keyrack,
    limits,
    mail,
    moving,
    orders,
    register,
    rotation,
    safe,
    telling,
    watching,
)

__all__ = ["app"]

app = typer.Typer(
    name="evergrant",
    help="Every Amazon authorization, alive.\n\n"
    "Connects a software house to the Amazon seller and vendor accounts of its customers and "
    "hands out their access tokens. Begin with [bold]evergrant up[/] and "
    "[bold]evergrant check[/].",
    epilog="Settings come from EVERGRANT_... in the environment: see [bold]evergrant settings[/].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from evergrant import __version__

        typer.echo(f"evergrant {__version__}")
        raise typer.Exit


@app.callback()
def evergrant(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Every Amazon authorization, alive."""


for add in (
    house.add,
    checking.add,
    register.add,
    rotation.add,
    book.add,
    calling.add,
    changes.add,
    feeds.add,
    orders.add,
    amazon_reports.add,
    gateway.add,
    limits.add,
    keyrack.add,
    safe.add,
    moving.add,
    diary.add,
    telling.add,
    mail.add,
    watching.add,
):
    add(app)


def _let_flow(group: typer.Typer) -> None:
    """Help is wrapped where the terminal ends, not where a line of the source does; examples keep
    lines of their own."""
    for command in group.registered_commands:
        lines = inspect.cleandoc(command.help or inspect.getdoc(command.callback) or "").split("\n")
        flowing = lines[:1]
        for line in lines[1:]:
            if line and flowing[-1] and not line.startswith("Example"):
                flowing[-1] += f" {line}"
            else:
                flowing.append(line)
        command.help = "\n".join(flowing)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _let_flow(inner.typer_instance)


_let_flow(app)
