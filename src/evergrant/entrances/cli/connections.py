"""``evergrant connectionkey``: what an SDK holds in the place of a refresh token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.given import instant, span
from evergrant.entrances.cli.running import app_with, at_desk
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json, table, thing

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.people import NewConnectionKey
    from evergrant.ports.things import ConnectionKey
    from evergrant.rules.rights import Caller

__all__ = ["add", "add_key", "connection_keys"]

connection_keys = app_with("Connection keys: one account each, for SDKs.")

Account = Annotated[str, typer.Argument(help="Id or name of the account.")]
KeyId = Annotated[str, typer.Argument(help="Id of the key: con_...")]
Expires = Annotated[
    str | None, typer.Option(help="Its end: a day (its first instant, UTC) or an instant.")
]


def add(app: typer.Typer) -> None:
    app.add_typer(connection_keys, name="connectionkey", rich_help_panel="Let in")


@connection_keys.command("add")
def add_connection_key(
    account: Account,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    expires: Expires = None,
    json: Json = False,
) -> None:
    """Make a connection key for an SDK.

    It is what an SDK takes as its refresh token at Evergrant's [bold]POST /auth/o2/token[/]. It
    is shown once, here.

    Example: evergrant connectionkey add "Blue Heron Books" --name "nightly scripts"
    """
    add_key(account, name, expires, as_json=json)


def add_key(account: str, name: str, expires: str | None, *, as_json: bool) -> None:
    """Makes one and shows it."""

    async def work(desk: Desk, by: Caller) -> NewConnectionKey:
        found = await desk.accounts.find(account, by=by)
        ends_at = instant(expires, "expires")
        return await desk.people.add_connection_key(
            found.account.id, name=name, expires_at=ends_at, by=by
        )

    _show_new(at_desk(work), as_json=as_json)


def _show_new(made: NewConnectionKey, *, as_json: bool) -> None:
    if as_json:
        show_json({**plain(made.key), "secret": made.secret.reveal()})
        return
    remark(f"Connection key {made.key.id}. Keep it now; it is not shown again:")
    say(made.secret.reveal())


@connection_keys.command("list")
def list_connection_keys(account: Account, json: Json = False) -> None:
    """List the connection keys of an account, revoked ones too; never the keys themselves."""

    async def look(desk: Desk, by: Caller) -> list[ConnectionKey]:
        found = await desk.accounts.find(account, by=by)
        return await desk.people.connection_keys(found.account.id, by=by)

    table(
        at_desk(look),
        (
            *("id", "name", ("created_at", "made"), ("last_used_at", "used")),
            *(("expires_at", "ends"), ("revoked_at", "revoked"), ("replaced_by", "replaced by")),
        ),
        as_json=json,
        optional=("made", "replaced by"),
        empty="No connection key yet. Next: evergrant connectionkey add --help",
    )


@connection_keys.command("show")
def show_connection_key(id: KeyId, json: Json = False) -> None:
    """Show a connection key: its account, its last use, its end, what replaces it."""

    async def look(desk: Desk, by: Caller) -> ConnectionKey:
        return await desk.people.connection_key(id, by=by)

    thing(at_desk(look), as_json=json)


@connection_keys.command("rotate")
def rotate_connection_key(
    id: KeyId,
    overlap: Annotated[
        str, typer.Option(help="How long the old key works on: 30m, 12h, 7d; 0 ends it at once.")
    ] = "7d",
    expires: Annotated[
        str | None,
        typer.Option(help="End of the new key. Without it: it lives as long as the old one had."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a key that takes the place of this one, for the same account.

    It is shown once, here. The old one works on for the overlap, so that nobody is locked out
    while programs change over.
    """

    async def work(desk: Desk, by: Caller) -> NewConnectionKey:
        return await desk.people.rotate_connection_key(
            id, overlap=span(overlap, "overlap"), expires_at=instant(expires, "expires"), by=by
        )

    _show_new(at_desk(work), as_json=json)


@connection_keys.command("revoke")
def revoke_connection_key(id: KeyId, json: Json = False) -> None:
    """Revoke a connection key; within a second it opens nothing."""

    async def work(desk: Desk, by: Caller) -> ConnectionKey:
        return await desk.people.revoke_connection_key(id, by=by)

    thing(at_desk(work), as_json=json)
