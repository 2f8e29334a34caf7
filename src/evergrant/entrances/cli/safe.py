"""``evergrant vault`` and ``evergrant db``: the key ring, and the way out of a database."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.running import app_with, at_desk, at_wires, run_async, settings
from evergrant.entrances.cli.show import Json, remark, say, show_json, thing

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
    if json:
        show_json(rotation)
    else:
        say(f"{rotation.resealed} resealed; everything new is sealed with {rotation.new_key_id}.")
        remark("Copy the key ring to its safe place now: the copy there lacks the new key.")
        remark("Older keys may leave it when no dump that you keep needs them any more.")
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

    _begin(f"Writing the database to {file} ...")
    began = time.monotonic()
    run_async(wiring.dump_database(settings(), file, plain=plain))
    remark(f"Written: {_size(file)} in {time.monotonic() - began:.1f} s.")
    remark("Keep the key ring in another place: without it, the dump is of no use.")


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

    _begin(f"Reading {file} ...")
    began = time.monotonic()
    run_async(wiring.restore_database(settings(), file))
    remark(
        f"Restored in {time.monotonic() - began:.1f} s. Now: evergrant migrate && evergrant check"
    )


def _begin(words: str) -> None:
    """For somebody who waits; a log has the end of it."""
    if sys.stderr.isatty():
        remark(words)


def _size(file: Path) -> str:
    size = file.stat().st_size
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{size / 1000:.0f} kB"
