"""``evergrant apikey``: programs of the house; and everybody else who may come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli import connections
from evergrant.entrances.cli.given import instant, span
from evergrant.entrances.cli.operators import operators
from evergrant.entrances.cli.running import app_with, at_desk
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json, table, thing

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.people import NewApiKey
    from evergrant.ports.things import ApiKey
    from evergrant.rules.rights import Caller

__all__ = ["add", "api_keys"]

api_keys = app_with("API keys for programs of the house.")

Limit = Annotated[int, typer.Option(min=1, max=500, help="So many at most.")]
After = Annotated[str | None, typer.Option(help="Go on after the one with this id.")]


def add(app: typer.Typer) -> None:
    app.add_typer(operators, name="operator", rich_help_panel="Let in")
    app.add_typer(api_keys, name="apikey", rich_help_panel="Let in")
    connections.add(app)


@api_keys.command("add")
def add_api_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    right: Annotated[
        list[str],
        typer.Option(
            help="read, write, orders, access_tokens, audit, sign_off or manage; at the gateway "
            "amazon_read, amazon_write and personal_data; data_plane for nginx. Give it once per "
            "right."
        ),
    ],
    instance: Annotated[
        str | None,
        typer.Option(help="Reaches the accounts of this client instance only: id or name."),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            help="Reaches this account and nothing besides, id or name; once per account."
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Its end: a day (its first instant, UTC) or an instant.")
    ] = None,
    json: Json = False,
) -> None:
    """Make an API key.

    It is shown once, here, and kept as a hash.

    Example: evergrant apikey add "order script" --right amazon_read --right personal_data \
--account "Blue Heron Books" --expires 2027-03-01
    """

    async def work(desk: Desk, by: Caller) -> NewApiKey:
        bound = (await desk.registry.find_instance(instance, by=by)).id if instance else None
        named = [(await desk.accounts.find(one, by=by)).account.id for one in account or ()]
        return await desk.people.add_api_key(
            name=name,
            rights=right,
            client_instance_id=bound,
            account_ids=named or None,
            expires_at=instant(expires, "expires"),
            by=by,
        )

    _show_new(at_desk(work), as_json=json)


def _show_new(made: NewApiKey, *, as_json: bool) -> None:
    if as_json:
        show_json({**plain(made.key), "secret": made.secret.reveal()})
        return
    remark(f"API key {made.key.id}. Keep it now; it is not shown again:")
    say(made.secret.reveal())


@api_keys.command("list")
def list_api_keys(limit: Limit = 100, after: After = None, json: Json = False) -> None:
    """List API keys, revoked ones too; never the keys themselves."""

    async def look(desk: Desk, by: Caller) -> tuple[list[ApiKey], dict[str, str]]:
        keys = await desk.people.api_keys(by=by, after=after, limit=limit)
        return keys, {} if json else await _names(desk, keys)

    rows, names = at_desk(look)
    table(
        rows if json else [{**plain(row), "reach": _reach(row, names)} for row in rows],
        (
            *("id", "name", "rights", ("reach", "reaches")),
            *(("last_used_at", "used"), ("expires_at", "ends"), ("revoked_at", "revoked")),
            ("replaced_by", "replaced by"),
        ),
        as_json=json,
        optional=("replaced by",),
        next=rows[-1].id if len(rows) == limit else None,
        empty="No API key yet. Next: evergrant apikey add --help",
    )


async def _names(desk: Desk, keys: Sequence[ApiKey]) -> dict[str, str]:
    """Names of the client instances and accounts that these keys reach, by their ids."""
    async with desk.store.transaction() as tx:
        named = {one for key in keys for one in key.account_ids or ()}
        names = {one.id: one.name for one in await tx.accounts.all(id=named)} if named else {}
        return names | {one.id: one.name for one in await tx.instances.all()}


def _reach(key: ApiKey, names: Mapping[str, str]) -> str:
    """Whom it reaches, in the names of people."""
    instance = names.get(key.client_instance_id or "", "all")
    if key.account_ids is None:
        return instance
    return ", ".join(sorted(names.get(one, one) for one in key.account_ids))


@api_keys.command("show")
def show_api_key(
    id: Annotated[str, typer.Argument(help="Id of the key: key_...")], json: Json = False
) -> None:
    """Show an API key: its rights, whom it reaches, its last use, its end, what replaces it.

    Never the key itself.
    """

    async def look(desk: Desk, by: Caller) -> tuple[ApiKey, dict[str, str]]:
        key = await desk.people.api_key(id, by=by)
        return key, {} if json else await _names(desk, [key])

    key, names = at_desk(look)
    thing(key, as_json=json, extra=None if json else {"reaches": _reach(key, names)})


@api_keys.command("rotate")
def rotate_api_key(
    id: Annotated[str, typer.Argument(help="Id of the key: key_...")],
    overlap: Annotated[
        str, typer.Option(help="How long the old key works on: 30m, 12h, 7d; 0 ends it at once.")
    ] = "7d",
    expires: Annotated[
        str | None,
        typer.Option(help="End of the new key. Without it: it lives as long as the old one had."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a key that takes the place of this one, with the same rights and reach.

    It is shown once, here. The old one works on for the overlap, so that nobody is locked out
    while programs change over.
    """

    async def work(desk: Desk, by: Caller) -> NewApiKey:
        return await desk.people.rotate_api_key(
            id,
            overlap=span(overlap, "overlap"),
            expires_at=instant(expires, "expires"),
            by=by,
        )

    _show_new(at_desk(work), as_json=json)


@api_keys.command("revoke")
def revoke_api_key(
    id: Annotated[str, typer.Argument(help="Id of the key: key_...")], json: Json = False
) -> None:
    """Revoke an API key; within a second it opens nothing."""

    async def work(desk: Desk, by: Caller) -> ApiKey:
        return await desk.people.revoke_api_key(id, by=by)

    thing(at_desk(work), as_json=json)
