"""The command line: `amazon-emulator serve`, and what one asks of an emulator that runs.

Answers for: options, files that are read and written, and words about what is wrong with them. What
is shown is made in `screen`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from amazon_emulator import __version__, safety, screen, world_file
from amazon_emulator.clock import read_instant
from amazon_emulator.faces import selling_partner_api
from amazon_emulator.faces.levers import lever_list
from amazon_emulator.levers import LeverError, Levers
from amazon_emulator.models import Library, ModelsUnreadable, find_folder, read
from amazon_emulator.models.finding import json_files
from amazon_emulator.server import Emulator, NotLoopback, check_host, listen
from amazon_emulator.stage import FACES, Stage
from amazon_emulator.world import Kind

__all__ = [
    "ContractMode",
    "about",
    "account",
    "check_world",
    "levers",
    "main",
    "operations",
    "pull",
    "serve",
    "version",
    "write_whole",
]

PORT = 9100
LEVERS_PORT = PORT + FACES.index("levers")
USUAL_LEVERS = f"http://127.0.0.1:{LEVERS_PORT}"

# Options in the sections of `serve --help`.
_where = partial(typer.Option, rich_help_panel="Where it is")
_how = partial(typer.Option, rich_help_panel="How it behaves")
_what = partial(typer.Option, rich_help_panel="What is in it")
_models = partial(typer.Option, rich_help_panel="Amazon's models")


class ContractMode(StrEnum):
    """What happens to requests that break Amazon's models."""

    off = "off"
    report = "report"
    refuse = "refuse"


app = typer.Typer(
    help="Amazon's Selling Partner API in a box: the consent pages of Seller and Vendor Central, "
    "Login with Amazon, SP-API for na, eu and fe, and levers to move it all.",
    epilog="Begin with: amazon-emulator serve --gentle --demo-world",
    no_args_is_help=True,
    add_completion=False,
    # A trace with the values of variables would show what must not be shown.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
world_app = typer.Typer(help="Worlds in files.", no_args_is_help=True)
app.add_typer(world_app, name="world")

LeversUrl = Annotated[
    str | None,
    typer.Option(
        "--levers", metavar="URL", help=f"Address of the levers. Default: {USUAL_LEVERS}."
    ),
]
AddressesFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Or the file that `serve --addresses-file` wrote."),
]
ModelsFolder = Annotated[
    Path | None,
    _models(
        metavar="DIR",
        help="Folder of Amazon's models: a clone of selling-partner-api-models, or some of it. "
        "Default: AMAZON_EMULATOR_MODELS, else a folder of that name nearby.",
    ),
]
NoModels = Annotated[
    bool,
    _models("--no-models", help="Do without models, whatever lies nearby."),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def main() -> None:
    app()


@app.callback()
def about() -> None:
    """Amazon's Selling Partner API in a box."""


# --- serving --------------------------------------------------------------------------------------


@app.command(
    epilog="For example:\n\n amazon-emulator serve --gentle --demo-world\n\n"
    " amazon-emulator serve --port 0 --addresses-file addresses.json --world my-world.json\n\n"
    " amazon-emulator serve --models selling-partner-api-models --contract report"
)
def serve(
    port: Annotated[
        int,
        _where(
            min=0,
            max=65_535 - len(FACES) + 1,
            metavar="N",
            help="First of twelve ports; 0 takes free ones.",
        ),
    ] = PORT,
    addresses_file: Annotated[
        Path | None,
        _where(metavar="FILE", help="Write the addresses there as JSON once every face answers."),
    ] = None,
    host: Annotated[str, _where(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    i_know: Annotated[
        bool,
        _where(
            "--i-know",
            help="Listen on an address that others can reach: there is no protection of any kind.",
        ),
    ] = False,
    gentle: Annotated[
        bool,
        _how(
            help="The plain reading of Amazon's pages. Without it, what Amazon varies is varied: "
            "callback shapes, header case, unknown fields."
        ),
    ] = False,
    limits: Annotated[
        bool,
        _how("--limits/--no-limits", help="Enforce Amazon's usage plans."),
    ] = True,
    seed: Annotated[
        int,
        _how(metavar="N", help="Without --gentle: the same variety for the same number."),
    ] = 0,
    clock: Annotated[
        str | None,
        _how(
            metavar="INSTANT",
            help="What its clock says first, e.g. 2026-11-21T10:00:00Z. Default: now.",
        ),
    ] = None,
    with_demo_world: Annotated[
        bool,
        _what(
            "--demo-world",
            help="Begin with an application, two sellers, a vendor, listings, orders.",
        ),
    ] = False,
    world: Annotated[
        Path | None,
        _what(
            metavar="FILE",
            help="Begin with the world of this file; `world check FILE` looks at it first.",
        ),
    ] = None,
    login_uri: Annotated[
        str,
        _what(metavar="URL", help="Log-in URI of the demo world's application."),
    ] = "http://127.0.0.1:8080/amazon/login",
    redirect_uri: Annotated[
        str,
        _what(metavar="URL", help="Redirect URI of the demo world's application."),
    ] = "http://127.0.0.1:8080/callback",
    show_credentials: Annotated[
        bool,
        _what("--show-credentials", help="Print every refresh token, not the first alone."),
    ] = False,
    models: ModelsFolder = None,
    no_models: NoModels = False,
    contract: Annotated[
        ContractMode,
        _models(
            help="Compare requests and answers with the models: `report` tells breaks at the "
            "lever GET /contract, `refuse` answers such requests with 400 besides."
        ),
    ] = ContractMode.off,
) -> None:
    """Run until Ctrl-C or SIGTERM; prints the addresses and how to begin."""
    _only_one(no_models and models is not None, "--models", "--no-models")
    _only_one(with_demo_world and world is not None, "--world", "--demo-world")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    if addresses_file is not None:
        _check_place(addresses_file)
    try:
        start = None if clock is None else read_instant(clock)
        check_host(host, i_know=i_know)
        # Before models are read, which takes seconds.
        for one in listen(host, port).values():
            one.close()
        emulator = Emulator(
            gentle=gentle,
            host=host,
            port=port,
            seed=seed,
            start=start,
            i_know=i_know,
            models=None if no_models else _library(models, [Path.cwd()]),
            limits=limits,
            contract=contract.value,
        )
        if contract is not ContractMode.off and not emulator.stage.models.models:
            raise ValueError("--contract needs Amazon's models: name their folder with --models")
        if world is not None:
            world_file.load_file(_nowhere(start), world)
        if with_demo_world:
            world_file.load_file(emulator.stage, world_file.small())
            [application] = emulator.stage.world.applications.values()
            application.login_uri = safety.checked_address("--login-uri", login_uri)
            application.redirect_uris = [safety.checked_address("--redirect-uri", redirect_uri)]
        server = emulator.prepare()
        if world is not None:
            # Queues and documents have addresses by now.
            world_file.load_file(emulator.stage, world)
    except (NotLoopback, ModelsUnreadable, ValueError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(_cannot_listen(host, port, error))
    if addresses_file is not None:
        # Those of an earlier run: nobody shall take them for this one's.
        addresses_file.unlink(missing_ok=True)

    def tell() -> None:
        typer.echo(
            screen.start(
                emulator.stage,
                played=len(selling_partner_api.OPERATIONS),
                credentials=show_credentials,
                usual_levers=emulator.addresses["levers"] == USUAL_LEVERS,
            )
        )
        sys.stdout.flush()
        if addresses_file is not None:
            write_whole(addresses_file, json.dumps(emulator.addresses, indent=2) + "\n")

    server.when_ready = tell
    # What exists by now stays for good: the collector of garbage need not walk it again and again.
    gc.collect()
    gc.freeze()
    asyncio.run(emulator.serve(server))


def _library(given: Path | None, near: list[Path]) -> Library | None:
    """The models that were named, or that are found near; each unreadable file is told."""
    folder = find_folder(given, os.environ, near)
    if folder is None:
        return None
    files = sum(1 for _ in json_files(folder))
    typer.echo(f"amazon-emulator: reading the models in {folder}: {files} files", err=True)
    library = read(folder)
    for file, why in (*library.unreadable, *library.doubled):
        typer.echo(f"amazon-emulator: {file}: {why}", err=True)
    return library


def _check_place(file: Path) -> None:
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        _fail(f"cannot write {file}: {file.parent} is no folder that can be written to")
    if file.is_dir():
        _fail(f"cannot write {file}: it is a folder; name a file in it")


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if not port:
        return f"cannot listen on {host}: {error.strerror}"
    words = f"cannot listen on {host}, ports {port} to {port + len(FACES) - 1}: {error.strerror}."
    shown = f"[{host}]" if ":" in host else host
    other = Levers(f"http://{shown}:{port + FACES.index('levers')}", timeout_s=1)
    try:
        other.now()
    except LeverError:
        return f"{words} Take others with --port N, or free ones with --port 0"
    return f"{words} An emulator runs there already: use it, end it, or start beside it: --port 0"


def write_whole(file: Path, text: str) -> None:
    """Whoever looks sees the whole file or none."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "w") as out:
        out.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(file)


# --- asking an emulator that runs -----------------------------------------------------------------


@app.command(
    epilog='For example:\n\n amazon-emulator pull POST /lwa/fail \'{"mode": "503", "times": 2}\' · '
    "amazon-emulator pull GET '/history/count?operation=createFeed'\n\n"
    " amazon-emulator pull PUT /world @my-world.json"
)
def pull(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, PUT, ...")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="As `amazon-emulator levers` says.")],
    body: Annotated[
        str | None,
        typer.Argument(metavar="JSON", help="What the lever takes; @FILE reads it, - asks stdin."),
    ] = None,
    url: LeversUrl = None,
    addresses_file: AddressesFile = None,
) -> None:
    """Pull a lever of an emulator that runs; prints its JSON. Exit code 1 when it refuses."""
    wish = None if body is None else _json_of(body)
    asked = path if path.startswith("/") else f"/{path}"
    try:
        _print_json(_levers(url, addresses_file).pull(method.upper(), asked, wish))
    except LeverError as error:
        _refused(error)


@app.command(
    epilog="For example:\n\n amazon-emulator account > account.json\n\n "
    'eval "$(amazon-emulator account --shell)"'
)
def account(
    kind: Annotated[Kind, typer.Option(help="Who authorizes.")] = "seller",
    home: Annotated[
        str, typer.Option(metavar="COUNTRY", help="Country of its home marketplace.")
    ] = "DE",
    shell: Annotated[
        bool, typer.Option("--shell", help="As assignments that a shell can `eval`.")
    ] = False,
    url: LeversUrl = None,
    addresses_file: AddressesFile = None,
) -> None:
    """Make an application, a selling partner and its authorization; prints all a client needs."""
    try:
        made = _levers(url, addresses_file).account(kind, home=home)
    except LeverError as error:
        _refused(error)
    if not shell:
        _print_json(made)
        return
    for name, value in {**made, **made["addresses"]}.items():
        if isinstance(value, str):
            typer.echo(f"{name}={shlex.quote(value)}")


def _levers(url: str | None, addresses_file: Path | None) -> Levers:
    """Raises LeverError."""
    _only_one(url is not None and addresses_file is not None, "--levers", "--addresses-file")
    if addresses_file is not None:
        return Levers.from_file(addresses_file)
    return Levers(url or USUAL_LEVERS)


def _refused(error: LeverError) -> NoReturn:
    silent = "" if error.status else ". Say where one runs with --levers or --addresses-file"
    _fail(f"{error.words}{silent}", code=1)


def _json_of(given: str) -> Any:
    try:
        if given == "-":
            return json.load(sys.stdin)
        if given.startswith("@"):
            return json.loads(Path(given[1:]).read_bytes())
        return json.loads(given)
    except OSError as error:
        _fail(f"cannot read {given[1:]}: {error.strerror}")
    except ValueError as error:
        _fail(f"that is no JSON: {error}. In a shell, put it between single quotes")


# --- lists and files ------------------------------------------------------------------------------


@app.command()
def levers(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Those alone that say so, e.g. queue.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the levers, by area: method, path, what it does (`?`: may be left out)."""
    found = [
        lever
        for lever in lever_list()
        if all(word in " ".join(lever.values()).lower() for word in text.lower().split())
    ]
    if as_json:
        _print_json(found)
    elif not found:
        _fail(f"no lever speaks of {text!r}", code=1)
    else:
        typer.echo(screen.levers_shown(found, min(shutil.get_terminal_size().columns, 100)))


@app.command()
def operations(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Those alone that say so, e.g. orders.")
    ] = "",
    models: ModelsFolder = None,
    no_models: NoModels = False,
    as_json: AsJson = False,
) -> None:
    """List the operations of SP-API that it answers, and from what: state, or models."""
    _only_one(no_models and models is not None, "--models", "--no-models")
    try:
        library = None if no_models else _library(models, [Path.cwd()])
    except ModelsUnreadable as error:
        _fail(str(error))
    rows = screen.operation_rows(selling_partner_api.OPERATIONS, library or Library(Path()))
    found = [row for row in rows if row.holds(text)]
    if as_json:
        _print_json([asdict(row) for row in found])
    elif not found:
        _fail(f"no operation speaks of {text!r}", code=1)
    else:
        typer.echo(screen.rows_shown(found))
        if library is None:
            typer.echo("\nOthers need Amazon's models: --models DIR", err=True)


@world_app.command("check")
def check_world(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A world, as exported or by hand.")],
) -> None:
    """Say what is in a world's file, or where it is wrong (exit code 1). Nothing runs."""
    stage = _nowhere(None)
    try:
        world_file.load_file(stage, file)
    except ValueError as error:
        _fail(str(error), code=1)
    typer.echo(f"{file} is good: {screen.contents(stage)}")


def _nowhere(start: datetime | None) -> Stage:
    """To try a world on, without a socket."""
    stage = Stage.fresh(gentle=True, seed=0, start=start)
    stage.addresses.update(
        {face: f"http://127.0.0.1:{PORT + number}" for number, face in enumerate(FACES)}
    )
    return stage


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


# --- words ----------------------------------------------------------------------------------------


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _only_one(both: bool, first: str, second: str) -> None:
    if both:
        _fail(f"{first} and {second} exclude each other")


def _fail(words: str, code: int = 2) -> NoReturn:
    typer.echo(f"amazon-emulator: {words}", err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
