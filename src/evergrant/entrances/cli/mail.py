"""``evergrant mail``: what came back of letters.

Answers for: the end of a mail server's pipe, with exit codes that the server understands. Does not
answer for: reading or believing a report (the returns table).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.running import app_with, at_desk, complain
from evergrant.entrances.cli.show import Json, say, show_json
from evergrant.errors import Conflict, InvalidInput, NotFound, StoreUnavailable
from evergrant.rules.delivery_reports import LONGEST_REPORT

if TYPE_CHECKING:
    from evergrant.bounces import Bounced
    from evergrant.desk import Desk
    from evergrant.rules.rights import Caller

__all__ = ["add"]

#: EX_TEMPFAIL of sysexits.h: the mail server keeps the report and tries again later.
TRY_AGAIN = 75

_WORDS = {
    "not_arrived": "The letter to {to} did not arrive. It hangs on the notice board.",
    "known": "That was known already of the letter to {to}; nothing changed.",
    "delayed": "The letter to {to} is under way and may yet arrive; that is noted.",
    "arrived": "The letter to {to} arrived, says the report; nothing changed.",
}


def add(app: typer.Typer) -> None:
    group = app_with("Letters that came back.")
    group.command("bounce")(take_bounce)
    app.add_typer(group, name="mail", rich_help_panel="Run")


def take_bounce(
    file: Annotated[
        Path | None, typer.Argument(help="The report as a mail; left out or -: standard input.")
    ] = None,
    pipe: Annotated[
        bool,
        typer.Option(
            "--pipe",
            help="For a mail server: what is no report about a letter of this house is dropped "
            "with exit code 0, so that the server does not send it back to anybody.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Take in a bounce: a delivery status notification (RFC 3464) about a letter.

    Evergrant has no inbox. Let the mail server of the sender's address pipe to this command what
    comes back. While the database does not answer the exit code is 75: try again later.

    Example, in /etc/aliases: connect: "|evergrant mail bounce --pipe"
    """
    raw = _read(file)

    async def take(desk: Desk, by: Caller) -> Bounced:
        return await desk.bounces.take_report(raw, by=by)

    try:
        taken = at_desk(take)
    except StoreUnavailable as error:
        complain(error.code, error.message, error.hint)
        raise typer.Exit(TRY_AGAIN) from None
    except (InvalidInput, NotFound, Conflict) as error:
        if not pipe:
            raise
        complain(error.code, error.message, error.hint)
        return
    if json:
        show_json(
            {
                "letter_id": taken.item.id,
                "topic": taken.item.topic,
                "to": taken.item.to,
                "account_id": taken.item.account_id,
                "outcome": taken.outcome,
                "reason": taken.reason,
            }
        )
        return
    say(_WORDS[taken.outcome.value].format(to=taken.item.to))


def _read(file: Path | None) -> bytes:
    """As much as is looked at. Raises InvalidInput."""
    if file is None or str(file) == "-":
        if sys.stdin.isatty():
            raise InvalidInput("No report was given.", hint="Pipe the mail in, or name a file.")
        report = sys.stdin.buffer.read(LONGEST_REPORT)
        # To some mail servers a command that leaves some of its mail unread has failed.
        while sys.stdin.buffer.read(LONGEST_REPORT):
            pass
        return report
    try:
        with file.open("rb") as opened:
            return opened.read(LONGEST_REPORT)
    except OSError as error:
        raise InvalidInput(f"The file {file} cannot be read: {error.strerror}.") from None
