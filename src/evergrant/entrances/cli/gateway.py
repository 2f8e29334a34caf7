"""``evergrant gateway``: its addresses, and nginx as its data plane."""

from __future__ import annotations

import typer

from evergrant.entrances.cli.running import app_with

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    group = app_with("The gateway: Amazon's own paths with a key of ours.")
    app.add_typer(group, name="gateway", rich_help_panel="Use")
    group.command("show")(show)


def show() -> None:
    """Show the addresses of the gateway."""
