"""``evergrant operator``: people of the house, and how they come in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.given import asks_a_person, secret_of
from evergrant.entrances.cli.running import app_with, at_desk, settings
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json, table, thing
from evergrant.errors import InvalidInput

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.signed_in import OperatorInvitation, OperatorSession
    from evergrant.ports.things import Operator
    from evergrant.rules.rights import Caller
    from evergrant.rules.secrecy import Secret
    from evergrant.sessions import NewInvitation

__all__ = ["operators"]

operators = app_with("People of the house who work with Evergrant.")

Limit = Annotated[int, typer.Option(min=1, max=500, help="So many at most.")]
After = Annotated[str | None, typer.Option(help="Go on after the one with this id.")]
Who = Annotated[str, typer.Argument(metavar="OPERATOR", help="Id or mail address.")]
Named = Annotated[str, typer.Argument(help="The person's name.")]
Address = Annotated[str, typer.Option(help="Mail address, to sign in with.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="File with the password, - for standard input. Without it: a prompt."),
]
ROLES = "admin, team_lead, support or auditor."


@operators.command("add")
def add_operator(
    name: Named,
    email: Address,
    role: Annotated[str, typer.Option(help=ROLES)] = "admin",
    password_file: PasswordFile = None,
    json: Json = False,
) -> None:
    """Add an operator; the password is asked for.

    Example: evergrant operator add "Ada Field" --email ada@house.example --role team_lead
    """
    if asks_a_person(password_file):
        _check_role(role)
    password = secret_of("password", file=password_file, twice=True)

    async def work(desk: Desk, by: Caller) -> Operator:
        return await desk.people.add_operator(
            name=name, email=email, role=role, password=password, by=by
        )

    thing(at_desk(work), as_json=json)


def _check_role(role: str) -> None:
    from evergrant.intake import Flaws
    from evergrant.rules.rights import Role

    flaws = Flaws()
    flaws.word("role", role, Role)
    flaws.refuse_if_any()


@operators.command("invite")
def invite_operator(
    name: Named,
    email: Address,
    role: Annotated[str, typer.Option(help=ROLES)] = "support",
    json: Json = False,
) -> None:
    """Send somebody a link with which they become an operator and choose a password.

    The link is printed as well. It works once, for seven days.

    Example: evergrant operator invite "Bea Moor" --email bea@house.example --role support
    """

    async def work(desk: Desk, by: Caller) -> NewInvitation:
        made = await desk.sessions.invite_operator(name=name, email=email, role=role, by=by)
        return await desk.sessions.invitation_link(made.id, by=by)

    made = at_desk(work)
    if json:
        show_json({**plain(made.invitation), "link": made.link.reveal()})
        return
    remark(f"A letter is on its way to {made.invitation.email}. The link in it:")
    say(made.link.reveal())


@operators.command("invitations")
def list_invitations(limit: Limit = 100, after: After = None, json: Json = False) -> None:
    """List invitations, spent ones too; never their links."""

    async def look(desk: Desk, by: Caller) -> list[OperatorInvitation]:
        return await desk.sessions.invitations(by=by, after=after, limit=limit)

    rows = at_desk(look)
    table(
        rows,
        (
            *("id", "name", "email", "role", ("created_at", "made"), ("expires_at", "ends")),
            *(("accepted_at", "accepted"), ("withdrawn_at", "withdrawn")),
        ),
        as_json=json,
        next=rows[-1].id if len(rows) == limit else None,
        optional=("made",),
        empty="No invitation yet. Next: evergrant operator invite --help",
    )


@operators.command("withdraw")
def withdraw_invitation(
    id: Annotated[str, typer.Argument(help="Id of the invitation: oin_...")], json: Json = False
) -> None:
    """Withdraw an invitation: its link opens nothing any more."""

    async def work(desk: Desk, by: Caller) -> OperatorInvitation:
        return await desk.sessions.withdraw_invitation(id, by=by)

    thing(at_desk(work), as_json=json)


@operators.command("list")
def list_operators(limit: Limit = 100, after: After = None, json: Json = False) -> None:
    """List operators, disabled ones too."""

    async def look(desk: Desk, by: Caller) -> list[Operator]:
        return await desk.people.operators(by=by, after=after, limit=limit)

    rows = at_desk(look)
    table(
        rows,
        (
            *("id", "name", "email", "role", ("created_at", "added")),
            *(("second_factor_at", "second factor"), ("signed_in_at", "signed in")),
            ("disabled_at", "disabled"),
        ),
        as_json=json,
        next=rows[-1].id if len(rows) == limit else None,
        optional=("added", "signed in"),
        empty="No operator yet. Next: evergrant operator first",
    )


@operators.command("disable")
def disable_operator(operator: Who, json: Json = False) -> None:
    """Disable an operator: signed out, no longer let in, kept in the journal."""

    async def work(desk: Desk, by: Caller) -> Operator:
        found = await desk.people.find_operator(operator, by=by)
        return await desk.people.disable_operator(found.id, by=by)

    thing(at_desk(work), as_json=json)


@operators.command("enable")
def enable_operator(operator: Who, json: Json = False) -> None:
    """Let an operator in again who was disabled."""

    async def work(desk: Desk, by: Caller) -> Operator:
        found = await desk.people.find_operator(operator, by=by)
        return await desk.sessions.enable(found.id, by=by)

    thing(at_desk(work), as_json=json)


@operators.command("role")
def change_role(
    operator: Who,
    role: Annotated[str, typer.Argument(help=ROLES)],
    json: Json = False,
) -> None:
    """Give an operator another role; in force at once, where they are signed in too.

    Example: evergrant operator role bea@house.example team_lead
    """

    async def work(desk: Desk, by: Caller) -> Operator:
        found = await desk.people.find_operator(operator, by=by)
        return await desk.sessions.change_role(found.id, role, by=by)

    thing(at_desk(work), as_json=json)


@operators.command("password")
def set_password(operator: Who, password_file: PasswordFile = None, json: Json = False) -> None:
    """Set an operator's password; it is asked for. Signs them out everywhere."""
    password = secret_of("password", file=password_file, twice=True)

    async def work(desk: Desk, by: Caller) -> Operator:
        found = await desk.people.find_operator(operator, by=by)
        return await desk.people.set_password(found.id, password, by=by)

    thing(at_desk(work), as_json=json)


@operators.command("unlock")
def unlock_operator(operator: Who, json: Json = False) -> None:
    """Let an operator sign in at once who failed too often."""

    async def work(desk: Desk, by: Caller) -> Operator:
        found = await desk.people.find_operator(operator, by=by)
        return await desk.sessions.unlock(found.id, by=by)

    thing(at_desk(work), as_json=json)


@operators.command("second-factor-reset")
def reset_second_factor(operator: Who, json: Json = False) -> None:
    """Take away a second factor that was lost, and its recovery codes.

    Signs the operator out everywhere; the next sign-in sets up a new one.
    """

    async def work(desk: Desk, by: Caller) -> Operator:
        found = await desk.people.find_operator(operator, by=by)
        return await desk.sessions.remove_second_factor(found.id, by=by)

    thing(at_desk(work), as_json=json)


@operators.command("unbind")
def unbind_single_sign_on(
    operator: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Disconnect single sign-on from an operator, who signs in with their password then.

    Signs them out everywhere. The next account at the identity provider that has their mail
    address, verified, is connected again: to keep somebody out, disable them.
    """

    async def look(desk: Desk, by: Caller) -> Operator:
        return await desk.people.find_operator(operator, by=by)

    async def work(desk: Desk, by: Caller) -> Operator:
        return await desk.sessions.unbind_single_sign_on(found.id, by=by)

    found = at_desk(look)
    if found.sso_subject and not yes:
        if not sys.stdin.isatty():
            raise InvalidInput(
                f"Nobody is there to confirm that {found.name} is signed out everywhere.",
                hint="Add --yes.",
            )
        typer.confirm(f"Disconnect single sign-on from {found.name} now?", abort=True)
    thing(at_desk(work), as_json=json)


@operators.command("sessions")
def list_sessions(
    operator: Annotated[
        str | None, typer.Argument(help="Id or mail address; without it, of everybody.")
    ] = None,
    json: Json = False,
) -> None:
    """List the browsers that operators are signed in with."""

    async def look(desk: Desk, by: Caller) -> tuple[list[OperatorSession], dict[str, str]]:
        named = await desk.people.find_operator(operator, by=by) if operator else None
        rows = await desk.sessions.sessions(by=by, operator_id=named.id if named else None)
        if json:
            return rows, {}
        async with desk.store.transaction() as tx:
            return rows, {one.id: one.name for one in await tx.operators.all()}

    rows, names = at_desk(look)
    table(
        rows,
        (
            *("id", ("operator_id", "operator"), "address", "agent"),
            *(("created_at", "since"), ("seen_at", "seen"), ("ends_at", "ends")),
        ),
        as_json=json,
        names=names,
        optional=("since", "agent"),
        empty="Nobody is signed in.",
    )


@operators.command("sign-out")
def sign_out_operator(operator: Who, json: Json = False) -> None:
    """End all sessions of an operator at once."""

    async def work(desk: Desk, by: Caller) -> tuple[Operator, int]:
        found = await desk.people.find_operator(operator, by=by)
        return found, await desk.sessions.revoke_all(found.id, by=by)

    found, ended = at_desk(work)
    if json:
        show_json({"operator_id": found.id, "ended": ended})
        return
    say(f"{found.name}: {ended} {'session' if ended == 1 else 'sessions'} ended.")


@operators.command("first")
def first_operator(json: Json = False) -> None:
    """Show the code that admits the first operator of a house that has none."""

    async def look(desk: Desk, by: Caller) -> Secret | None:
        return await desk.sessions.first_start_code()

    code = at_desk(look)
    page = f"{settings().public_url}/console/first"
    if json:
        show_json({"code": code.reveal() if code else None, "page": page if code else None})
        return
    if code is None:
        remark("This house has an operator. Next: evergrant operator invite --help")
        return
    remark(f"Open {page} and give it this code. It works once:")
    say(code.reveal())
