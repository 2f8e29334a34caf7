"""``evergrant vault`` and ``evergrant db``: the key ring, and the way out of a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.running import app_with, at_desk, at_wires, run_async, settings
from evergrant.entrances.cli.show import Json, remark, thing

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.rules.rights import Caller
    from evergrant.vault import Rotation
    from evergrant.wiring import Wires

__all__ = ["add", "database", "vault"]

vault = app_with("The safe that holds every secret, sealed.")
database = app_with("The database as a whole.")


def add(app: typer.Typer) -> None:
    app.add_typer(vault, name="vault", rich_help_panel="Run")
    app.add_typer(database, name="db", rich_help_panel="Run")


@vault.command("rotate-key")
def rotate_key(
    go_on: Annotated[
        bool,
        typer.Option("--go-on", help="Add no key: only reseal what hangs on older ones."),
    ] = False,
    json: Json = False,
) -> None:
    """Reseal everything with a fresh key.

    The key is added to the key ring; serving goes on meanwhile. Safe to interrupt;
    [bold]--go-on[/] continues. With EVERGRANT_KEYRING as a setting, put the
    new key first there yourself, restart, and use [bold]--go-on[/].
    """

    def told(done: int, total: int) -> None:
        remark(f"{done} of {total} resealed")

    async def work(desk: Desk, by: Caller) -> Rotation:
        progress = None if json else told
        if go_on:
            return await desk.vault.reseal(desk.store, desk.clock, progress)
        return await desk.vault.rotate_key(desk.store, desk.clock, progress)

    rotation = at_desk(work)
    thing(rotation, as_json=json)
    if rotation.left:
        remark("Some could not be resealed: keep the older keys in the ring.")
        raise typer.Exit(1)


@vault.command("status")
def status(json: Json = False) -> None:
    """Show the keys' ids and what is sealed with each.

    Never a key itself. A key may leave the ring when nothing is sealed with it any more.
    """
    thing(at_wires(_status), as_json=json)


async def _status(wires: Wires) -> dict[str, object]:
    ring = list(await wires.keyring.key_ids())
    async with wires.desk.store.transaction() as tx:
        total = await tx.safe.count()
        counts = {key_id: await tx.safe.count(key_id=key_id) for key_id in ring}
    return {
        "current_key_id": await wires.keyring.current_key_id(),
        "key_ids": ring,
        "sealed": total,
        "sealed_by": {key_id: count for key_id, count in counts.items() if count},
        "sealed_by_missing_keys": total - sum(counts.values()),
    }


@database.command("dump")
def dump(
    file: Annotated[Path, typer.Argument(help="Where to; it must not exist yet.")],
    plain: Annotated[
        bool, typer.Option("--plain", help="SQL as text instead of pg_dump's own format.")
    ] = False,
) -> None:
    """Write the whole database to a file.

    Secrets in it are sealed; the key ring is not part of it and has to be kept elsewhere.

    Example: evergrant db dump evergrant.dump
    """
    from evergrant import wiring

    run_async(wiring.dump_database(settings(), file, plain=plain))
    remark(f"Written to {file}. Keep the key ring in another place: without it, it is of no use.")


@database.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="What [bold]evergrant db dump[/] wrote.")],
) -> None:
    """Fill an empty database from a dump.

    The embedded PostgreSQL, or any other named by
    EVERGRANT_DATABASE_URL. Stop every Evergrant process first.

    Example: EVERGRANT_DATABASE_URL=postgresql://db.house.example/evergrant \
evergrant db restore evergrant.dump
    """
    from evergrant import wiring

    run_async(wiring.restore_database(settings(), file))
    remark("Restored. Now: evergrant migrate && evergrant check")
