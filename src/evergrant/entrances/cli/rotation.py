"""``evergrant app rotate-secret`` and ``evergrant app rotation``: client secrets."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.given import asks_a_person, instant, secret_of
from evergrant.entrances.cli.register import After, App, Limit, applications
from evergrant.entrances.cli.running import at_desk
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json, table
from evergrant.errors import InvalidInput

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.things import Application
    from evergrant.ports.watched import Rotation
    from evergrant.rotation import Pasted, RotationState
    from evergrant.rules.rights import Caller

__all__ = ["add"]

#: As Amazon's console calls them (page "rotating-your-apps-lwa-credentials").
WHERE = (
    "In Amazon's console (Solution Provider Portal, or Seller or Vendor Central: Develop Apps):",
    "  the application's row, LWA credentials, View, then Rotate secret.",
    "  Only the primary user of the account can. The old secret goes on working for 7 days.",
)


def add(app: typer.Typer) -> None:
    """The commands hang on ``evergrant app``, which `register` adds."""


@applications.command("rotate-secret")
def rotate_secret(
    app: App,
    ask: Annotated[
        bool,
        typer.Option("--ask", help="Have Amazon make one; it comes by the application's queue."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --ask: do not ask back.")] = False,
    secret_file: Annotated[
        Path | None, typer.Option(help="File with the new client secret, - for standard input.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Day on which it ends, as Amazon's console shows it.")
    ] = None,
    json: Json = False,
) -> None:
    """Put a new client secret into force.

    By hand: rotate it in Amazon's console, then give it here: at the prompt, by standard input or
    file. It is tried with Login with Amazon first; a wrong one changes nothing. With [bold]--ask[/]
    Amazon is asked for one, and the rest happens by itself.

    Example: evergrant app rotate-secret "Northwind Connect"
    """
    if ask and (secret_file is not None or expires is not None):
        raise InvalidInput("--ask has Amazon make the secret: there is none to give here.")

    async def look(desk: Desk, by: Caller) -> Application:
        return await desk.registry.find_application(app, by=by)

    found = at_desk(look)
    if ask:
        _ask(found, yes=yes, as_json=json)
    else:
        _paste(found, secret_file, instant(expires, "expires"), as_json=json)


@applications.command("rotation")
def show_rotation(app: App, limit: Limit = 100, after: After = None, json: Json = False) -> None:
    """Show how it stands with an application's client secret, and its rotations so far.

    Example: evergrant app rotation "Northwind Connect"
    """

    async def look(desk: Desk, by: Caller) -> tuple[RotationState, list[Rotation]]:
        found = await desk.registry.find_application(app, by=by)
        state = await desk.rotations.state(found.id, by=by)
        return state, await desk.rotations.history(found.id, by=by, after=after, limit=limit)

    state, rotations = at_desk(look)
    if json:
        show_json({**plain(state), "rotations": plain(rotations)})
        return
    _tell(state)
    if rotations:
        table(
            rotations,
            ("id", "source", "step", "asked_at", "received_at", "promoted_at", "last_error"),
            as_json=False,
            next=rotations[-1].id if len(rotations) == limit else None,
            optional=("asked at", "received at"),
        )


def _ask(found: Application, *, yes: bool, as_json: bool) -> None:
    if not yes:
        if not sys.stdin.isatty():
            raise InvalidInput(
                "Nobody is there to confirm that Amazon shall make a new client secret.",
                hint="Add --yes.",
            )
        remark("Amazon makes a new client secret; the one in force dies 7 days later.")
        typer.confirm(f"Rotate the client secret of {found.name} now?", abort=True)

    async def work(desk: Desk, by: Caller) -> RotationState:
        return await desk.rotations.start(found.id, by=by)

    state = at_desk(work)
    if as_json:
        show_json(state)
        return
    _tell(state)
    remark(
        "The worker takes it in, tries it and puts it into force. "
        f"Watch it: evergrant app rotation {shlex.quote(found.name)}"
    )


def _paste(
    found: Application, file: Path | None, expires_at: datetime | None, *, as_json: bool
) -> None:
    if asks_a_person(file):
        for line in WHERE:
            remark(line)
    secret = secret_of("New client secret", file=file)
    remark("Trying it with Login with Amazon ...")

    async def work(desk: Desk, by: Caller) -> Pasted:
        return await desk.rotations.paste(found.id, secret, by=by, expires_at=expires_at)

    pasted = at_desk(work)
    if as_json:
        show_json(pasted)
        return
    if not pasted.changed:
        say("Login with Amazon takes it, and it is in force already.")
    else:
        say("Login with Amazon takes it. It is in force now.")
    if pasted.previous_ends_at is not None:
        say(f"The former one is kept until {pasted.previous_ends_at:%Y-%m-%d}.")
    if pasted.expires_at is None:
        remark("Nobody knows when it ends. Tell it, as Amazon's console shows it: --expires DAY")
    elif expires_at is None and pasted.changed:
        # The console may have made it up to a week before it was brought here.
        say(f"It ends on {pasted.expires_at:%Y-%m-%d} or up to a week later.")
        remark("The very day, as Amazon's console shows it, may be told: --expires DAY")
    else:
        say(f"It ends on {pasted.expires_at:%Y-%m-%d}.")


def _tell(state: RotationState) -> None:
    say(f"Client secret of {state.application_name}")
    ends_at = state.secret_expires_at
    say(f"  ends      {f'{ends_at:%Y-%m-%d} ({state.phase})' if ends_at else 'nobody knows when'}")
    if state.previous_secret_ends_at is not None:
        say(f"  former    kept until {state.previous_secret_ends_at:%Y-%m-%d}")
    say(f"  rotates   {'by itself' if state.automatic else 'by hand'}")
    say(f"  next      {state.next}")
    if state.next_at is not None:
        say(f"  then      {state.next_at:%Y-%m-%d %H:%M} UTC")
    if state.trouble:
        say(f"  trouble   {state.trouble}")
    if not state.automatic:
        remark(f"By hand: evergrant app rotate-secret {shlex.quote(state.application_name)}")
