"""``evergrant gateway``: its addresses, and nginx as its data plane.

Answers for: files that belong to nginx, and for asking nginx whether it takes them. Does not answer
for: what stands in them (``entrances.gateway.nginx``).
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from evergrant.entrances.cli.given import secret_from_file
from evergrant.entrances.cli.running import app_with, settings
from evergrant.entrances.cli.show import Json, remark, say, show_json
from evergrant.errors import Flaw, InvalidInput
from evergrant.rules.secrecy import scrub

if TYPE_CHECKING:
    from evergrant.entrances.gateway.data_plane import DataPlane, Decider
    from evergrant.settings import Settings

__all__ = ["add"]

gateway = app_with("The gateway: Amazon's own paths, with a key of ours in place of its secrets.")

_CHECK_WITHIN_S: Final = 30
#: Where nginx may be for somebody whose PATH has no folders of root's.
_FOLDERS: Final = (
    *("/usr/sbin", "/usr/local/sbin", "/usr/local/nginx/sbin", "/opt/homebrew/bin"),
    f"{sys.prefix}/nginx/usr/sbin",  # unpacked beside this interpreter
)
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def add(app: typer.Typer) -> None:
    app.add_typer(gateway, name="gateway", rich_help_panel="Use")


@gateway.command("show")
def show(json: Json = False) -> None:
    """Show the addresses of the gateway, and what an SDK is given."""
    read = settings()
    bases = _bases(read)
    told = {
        "endpoint": bases[0],
        "log_in_url": f"{bases[0]}/auth/o2/token",
        "endpoints": bases,
        "nginx_asks": f"{_reached(read)}:{read.decide_port}" if read.decide_port else None,
        "nginx_tells": f"{_reached(read)}:{read.outcomes_port}" if read.decide_port else None,
    }
    if json:
        show_json(told)
        return
    say("An SDK is given two addresses, and keys of Evergrant's in place of Amazon's secrets:")
    for name, text in (
        ("endpoint", bases[0]),
        ("Login with Amazon", f"{bases[0]}/auth/o2/token"),
        ("client id", "the account's id (acc_...)"),
        ("client secret", "an API key (egk_...): evergrant apikey add"),
        ("refresh token", "a connection key (egc_...): evergrant account key"),
    ):
        say(f"  {name:<18} {text}")
    for other in bases[1:]:
        say(f"The gateway is at {other} as well.")
    if read.decide_port:
        say(
            f"nginx asks at {told['nginx_asks']} and tells outcomes at {told['nginx_tells']} (UDP)."
        )
    else:
        say("nginx is not its data plane: EVERGRANT_DECIDE_PORT is not set.")


@gateway.command("nginx-config")
def nginx_config(
    listen: Annotated[
        list[str] | None,
        typer.Option(help="Where nginx listens: address:port. More than once: more of them."),
    ] = None,
    server_name: Annotated[str, typer.Option(help="Name under which programs reach it.")] = "_",
    cert: Annotated[
        Path | None, typer.Option(help="Certificate chain. Without it: no TLS at this nginx.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Private key of the certificate.")] = None,
    decide: Annotated[
        list[str] | None,
        typer.Option(help="Where a process decides: address:port. Once for each process."),
    ] = None,
    outcomes: Annotated[
        list[str] | None,
        typer.Option(help="Where it hears outcomes (UDP), in the order of --decide."),
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(help="The gateway of a process: http://address:port, with its path."),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="File with nginx's own API key (right data_plane), - for standard input. "
            "Without it: the key that an earlier run has written."
        ),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="Whose certificates Amazon's are checked against.")
    ] = None,
    resolver: Annotated[
        str, typer.Option(help="Name server that is asked for Amazon's addresses (nginx 1.27.3).")
    ] = "",
    error_log: Annotated[str, typer.Option(help="nginx's error log.")] = "",
    whole: Annotated[
        bool,
        typer.Option("--whole", help="A complete nginx.conf, for an nginx that does nothing else."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write to this file, and the API key to one beside it that ends in .key"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Have nginx look at what was written.")
    ] = False,
) -> None:
    """Write a configuration in which nginx streams and Evergrant only decides.

    Goes into [bold]http {}[/] of nginx, for example as a file in /etc/nginx/conf.d.

    Example: evergrant gateway nginx-config --api-key-file nginx.key --out
    /etc/nginx/conf.d/evergrant.conf --check
    """
    from evergrant import __version__
    from evergrant.adapters.amazon import user_agent
    from evergrant.entrances.gateway import nginx
    from evergrant.entrances.gateway.data_plane import DataPlane

    read = settings()
    if out is not None:
        out = out.absolute()
    if check and out is None:
        raise InvalidInput("Only a file can be checked.", hint="Name one with --out.")
    plane = DataPlane(
        deciders=_deciders(read, decide or [], outcomes or []),
        gateway=[one.rstrip("/") for one in upstream or [_gateway_of(read)]],
        endpoints=dict(read.marketplaces.endpoints),
        key_file=out.with_suffix(".key") if out else Path("/etc/nginx/evergrant.key"),
        listen=listen or ["127.0.0.1:8443"],
        server_name=server_name,
        certificate=cert.absolute() if cert else None,
        certificate_key=key.absolute() if key else None,
        ca_file=ca_file.absolute() if ca_file else _bundle(),
        resolver=resolver,
        error_log=error_log or ("stderr" if whole or out is None else "/var/log/nginx/error.log"),
        amazon_timeout_s=read.amazon_timeout_s,
        user_agent=user_agent("Evergrant", __version__),
        wait_s=read.gateway_wait_s,
        longest_wait_s=max(read.gateway_wait_s, read.gateway_longest_wait_s),
    )
    text = nginx.config(plane)
    if whole:
        text = nginx.whole(text, (out.parent if out else Path.cwd()).absolute())
    if out is None:
        say(text.rstrip("\n"))
        remark(f"nginx's API key is not part of it; it is read from {plane.key_file}.")
        return
    _write_key(plane.key_file, api_key_file)
    _write(out, text, mode=0o644)
    remark(f"Written: {out}, and nginx's API key to {plane.key_file}.")
    if check:
        _check(out, plane, whole=whole)
    remark("Make nginx read it: nginx -s reload")


# --- what the settings say ------------------------------------------------------------------------


def _reached(read: Settings) -> str:
    """The address at which this machine reaches what listens at ``read.host``."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(read.host, read.host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _bases(read: Settings) -> list[str]:
    """Addresses of the gateway, the best first."""
    scheme, _, place = read.public_url.partition("://")
    port = f":{place.rpartition(':')[2]}" if place.rpartition(":")[2].isdigit() else ""
    bases = [f"{scheme}://{name}{port}" for name in read.gateway_hosts]
    if read.gateway_port:
        bases.append(f"http://{_reached(read)}:{read.gateway_port}")
    return [*bases, f"{read.public_url}/gateway"]


def _gateway_of(read: Settings) -> str:
    if read.gateway_port:
        return f"http://{_reached(read)}:{read.gateway_port}"
    return f"http://{_reached(read)}:{read.port}/gateway"


def _deciders(read: Settings, decide: Sequence[str], outcomes: Sequence[str]) -> list[Decider]:
    from evergrant.entrances.gateway.data_plane import Decider

    if not decide:
        if not read.decide_port or not read.outcomes_port:
            raise InvalidInput(
                "No process of Evergrant decides.",
                hint="Set EVERGRANT_DECIDE_PORT and EVERGRANT_OUTCOMES_PORT to ports of your "
                "choice, here and where Evergrant runs; or name processes with --decide and "
                "--outcomes.",
            )
        decide = [f"{_reached(read)}:{read.decide_port}"]
        outcomes = outcomes or [f"{_reached(read)}:{read.outcomes_port}"]
    elif not outcomes and len(decide) == 1 and read.outcomes_port:
        outcomes = [f"{decide[0].rpartition(':')[0]}:{read.outcomes_port}"]
    if len(decide) != len(outcomes):
        raise InvalidInput(
            flaws=[
                Flaw(
                    "is needed once for each --decide.",
                    field="outcomes",
                    hint="A process decides at one port and hears at another how calls ended: "
                    "--decide 127.0.0.1:8082 --outcomes 127.0.0.1:8083",
                )
            ]
        )
    return [
        Decider(decide=asked, outcomes=told) for asked, told in zip(decide, outcomes, strict=True)
    ]


def _bundle() -> Path:
    """Where this machine keeps whom it trusts."""
    found = ssl.get_default_verify_paths().cafile
    for path in (*_BUNDLES, found):
        if path and Path(path).is_file():
            return Path(path)
    raise InvalidInput(
        "There is no bundle of certificates here.",
        hint="Install ca-certificates, or name a bundle with --ca-file.",
    )


# --- files and nginx ------------------------------------------------------------------------------


def _write_key(path: Path, file: Path | None) -> None:
    """A key that is given, else the one that is there already."""
    from evergrant.entrances.gateway import nginx

    # Never EVERGRANT_API_KEY: that is a program's, and has no right to ask for decisions.
    if file is not None:
        given = secret_from_file("API key", file)
        _write(path, nginx.key_file(given.reveal()), mode=0o600)
    elif not path.is_file():
        raise InvalidInput(
            "nginx needs an API key of its own.",
            hint="evergrant apikey add nginx --right data_plane, put the key into a file, and name "
            "the file with --api-key-file.",
        )


def _write(path: Path, text: str, *, mode: int) -> None:
    """In one move, so that nginx never reads half of it."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
        beside.replace(path)
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written: {error.strerror}.",
            hint="nginx's folders usually belong to root.",
        ) from None


def _check(out: Path, plane: DataPlane, *, whole: bool) -> None:
    from evergrant.entrances.gateway import nginx

    command = _nginx()
    if command is None:
        remark("There is no nginx here, so it was not checked.")
        return
    with tempfile.TemporaryDirectory() as folder:
        complete = Path(folder) / "nginx.conf"
        complete.write_text(nginx.whole(f'include "{out}";', Path(folder)), encoding="utf-8")
        looked = subprocess.run(  # noqa: S603  # nginx, with fixed arguments
            [command, "-t", "-q", "-c", str(out if whole else complete), "-p", folder],
            capture_output=True,
            text=True,
            timeout=_CHECK_WITHIN_S,
            check=False,
        )
    if looked.returncode != 0:
        raise InvalidInput(
            f"nginx does not take it: {scrub(' '.join(looked.stderr.split()))}",
            hint="A name of Amazon's that cannot be resolved here, or a file that nginx may not "
            "read, is said by nginx in the same way.",
        )
    remark(f"{command} takes it.")


def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path=os.pathsep.join(_FOLDERS))
