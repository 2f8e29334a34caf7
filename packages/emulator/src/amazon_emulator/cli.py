"""The command line: `amazon-emulator serve`."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import tempfile
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from amazon_emulator import __version__, safety, world_file
from amazon_emulator.clock import read_instant, stamp
from amazon_emulator.faces import selling_partner_api
from amazon_emulator.faces.levers import lever_list
from amazon_emulator.models import Library, ModelsUnreadable, find_folder, read
from amazon_emulator.server import Emulator, NotLoopback

__all__ = ["ContractMode", "about", "levers", "main", "serve", "version", "write_whole"]


class ContractMode(StrEnum):
    """What happens to requests that break Amazon's models."""

    off = "off"
    report = "report"
    refuse = "refuse"


app = typer.Typer(
    help="Amazon's Selling Partner API in a box: consent pages of Seller and Vendor Central, Login "
    "with Amazon, SP-API for na, eu and fe, and levers to move it all. State lives in memory.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def main() -> None:
    app()


@app.callback()
def about() -> None:
    """Amazon's Selling Partner API in a box."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def levers() -> None:
    """List every lever: method, path, what it does."""
    for lever in lever_list():
        typer.echo(f"{lever['method']:<7}{lever['path']}\n       {lever['does']}")


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65000, help="First of twelve ports; 0 takes free ones.")
    ] = 9100,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    gentle: Annotated[
        bool,
        typer.Option(
            help="The plain reading of Amazon's pages. Without it, what Amazon varies is varied: "
            "callback shapes, header case, unknown fields."
        ),
    ] = False,
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of Amazon's models (a clone of selling-partner-api-models), for every "
            "operation that is not played with state. Default: AMAZON_EMULATOR_MODELS, or a folder "
            "of that name nearby.",
        ),
    ] = None,
    no_models: Annotated[
        bool, typer.Option("--no-models", help="Do without models, whatever lies nearby.")
    ] = False,
    limits: Annotated[
        bool, typer.Option("--limits/--no-limits", help="Enforce Amazon's usage plans.")
    ] = True,
    contract: Annotated[
        ContractMode,
        typer.Option(
            help="Compare requests and answers with the models: tell the breaks at the levers, or "
            "refuse such requests with 400."
        ),
    ] = ContractMode.off,
    world: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Begin with the world of this file, as exported."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes that variety the same every time.")] = 0,
    addresses_file: Annotated[
        Path | None,
        typer.Option(help="Write the addresses there as JSON once every face answers."),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(metavar="ISO", help="First instant, e.g. 2026-11-21T10:00:00Z."),
    ] = None,
    with_demo_world: Annotated[
        bool,
        typer.Option(
            "--demo-world",
            help="Begin with an application, two sellers, a vendor, listings, orders.",
        ),
    ] = False,
    login_uri: Annotated[
        str, typer.Option(help="Log-in URI of the demo world's application.")
    ] = "http://127.0.0.1:8080/amazon/login",
    redirect_uri: Annotated[
        str, typer.Option(help="Redirect URI of the demo world's application.")
    ] = "http://127.0.0.1:8080/callback",
    i_know: Annotated[
        bool, typer.Option("--i-know", help="Listen on an address that others can reach.")
    ] = False,
) -> None:
    """Run until Ctrl-C or SIGTERM. Prints one address per face."""
    if no_models and models is not None:
        _fail("--models and --no-models exclude each other")
    if with_demo_world and world is not None:
        _fail("--world and --demo-world exclude each other")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    if addresses_file is not None:
        _clear_place(addresses_file)
    try:
        emulator = Emulator(
            gentle=gentle,
            host=host,
            port=port,
            seed=seed,
            start=_instant(clock),
            i_know=i_know,
            models=None if no_models else _library(models),
            limits=limits,
            contract=contract.value,
        )
        if with_demo_world:
            world_file.load_file(emulator.stage, world_file.small())
            [application] = emulator.stage.world.applications.values()
            application.login_uri = safety.checked_address("--login-uri", login_uri)
            application.redirect_uris = [safety.checked_address("--redirect-uri", redirect_uri)]
        elif world is not None:
            world_file.load_file(emulator.stage, world)
        server = emulator.prepare()
    except (NotLoopback, ModelsUnreadable, ValueError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"cannot listen on {host}, ports from {port}: {error.strerror}")

    def tell() -> None:
        _show(emulator, world_file.printed(emulator.stage))
        if addresses_file is not None:
            write_whole(addresses_file, json.dumps(emulator.addresses, indent=2) + "\n")

    server.when_ready = tell
    # What exists by now stays for good: the collector of garbage need not walk it again and again.
    gc.collect()
    gc.freeze()
    asyncio.run(emulator.serve(server))


def _library(given: Path | None) -> Library | None:
    """The models that were named, or that are found nearby; each unreadable file is told."""
    folder = find_folder(given, os.environ, [Path.cwd()])
    if folder is None:
        return None
    library = read(folder)
    for file, why in (*library.unreadable, *library.doubled):
        typer.echo(f"amazon-emulator: {file}: {why}", err=True)
    return library


def _show(emulator: Emulator, issued: dict[str, Any]) -> None:
    typer.echo(f"Amazon emulator {__version__}; all state is in memory and ends with this process.")
    typer.echo(f"Its clock says {stamp(emulator.stage.clock.now())}.")
    typer.echo(f"{_known(emulator)}\n")
    for face, address in emulator.addresses.items():
        typer.echo(f"  {face:<15} {address}")
    for what, made in issued.items():
        typer.echo(f"\n{what}")
        for name in (
            *("name", "application_id", "lwa_client_id", "lwa_client_secret", "status"),
            *("selling_partner_id", "email", "password", "vendor_codes", "marketplaces"),
            *("refresh_token",),
        ):
            if made.get(name):
                typer.echo(f"  {name:<20} {_plain(made[name])}")
    typer.echo(f"\nLevers: {emulator.addresses['levers']}/ lists them. Ctrl-C ends it.")
    sys.stdout.flush()


def _known(emulator: Emulator) -> str:
    """What it answers, in one sentence."""
    played = len(selling_partner_api.OPERATIONS)
    library = emulator.stage.models
    if not library.operations:
        return (
            f"{played} operations are played with state; the others need Amazon's models "
            "(--models DIR)."
        )
    return (
        f"{played} operations are played with state; {len(library.operations)} are described by "
        f"{len(library.models)} models in {library.folder}."
    )


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _clear_place(file: Path) -> None:
    """Addresses of an earlier run are removed, so that nobody takes them for this one's."""
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        _fail(f"cannot write {file}: {file.parent} is no folder that can be written to")
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        _fail(f"cannot replace {file}: {error.strerror}")


def write_whole(file: Path, text: str) -> None:
    """Whoever looks sees the whole file or none."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "w") as out:
        out.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(file)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else read_instant(text)


def _fail(words: str) -> NoReturn:
    typer.echo(f"amazon-emulator: {words}", err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    main()
