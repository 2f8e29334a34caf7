"""nginx as the data plane of one installation: what its configuration is made of.

Answers for: refusing what would not be one value in a line of that configuration. Does not answer
for: the lines (``nginx``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from evergrant.errors import Flaw
from evergrant.rules.marketplaces import Region

__all__ = ["LATE_S", "DataPlane", "Decider", "is_path", "server_of"]

#: What a decision may take besides waiting for a permit: an access token of Amazon's, most of all.
#: A process that needs longer refuses the call; one that says nothing even then hangs.
LATE_S: Final = 10.0

_NAME = re.compile(r"[A-Za-z0-9.*_-]{1,253}", re.ASCII)
_LISTEN = re.compile(r"(?:(?:[A-Za-z0-9.-]+|\*|\[[0-9A-Fa-f:]+\]):)?[0-9]{1,5}", re.ASCII)
_SERVER = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}", re.ASCII)
_BELOW = re.compile(r"[A-Za-z0-9/_-]*", re.ASCII)
_AGENT = re.compile(r"[A-Za-z0-9 ()./=;_,+-]{0,500}", re.ASCII)
_PATH = re.compile(r"""[^\x00-\x1f\x7f"'\\$;{}#]+""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """One process of Evergrant: where it is asked and where it hears outcomes (UDP). Both are
    ``address:port``, and no names: by the address nginx knows who decided."""

    decide: str
    outcomes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlane:
    """What the configuration is made of. ``key_file`` holds nginx's own API key as nginx reads it
    (`key_file`); ``gateway`` are origins of Evergrant's gateway, with its path if it has one."""

    deciders: Sequence[Decider]
    gateway: Sequence[str]
    endpoints: Mapping[Region, str]
    key_file: Path
    listen: Sequence[str] = ("127.0.0.1:8443",)
    server_name: str = "_"
    certificate: Path | None = None
    certificate_key: Path | None = None
    ca_file: Path = Path("/etc/ssl/certs/ca-certificates.crt")
    resolver: str = ""
    error_log: str = "stderr"
    amazon_timeout_s: float = 30
    wait_s: float = 10  # of programs that do not say
    longest_wait_s: float = 120
    user_agent: str = ""  # of calls whose program names none

    def flaws(self) -> tuple[Flaw, ...]:
        """All that would not be one value in nginx's configuration."""
        return (
            *self._flaws_of_processes(),
            *self._flaws_of_server(),
            *self._flaws_of_files(),
        )

    def _flaws_of_processes(self) -> Iterable[Flaw]:
        if not self.deciders:
            yield Flaw("at least one process of Evergrant has to decide.", field="decide")
        for one in self.deciders:
            for name, address in (("decide", one.decide), ("outcomes", one.outcomes)):
                if not _is_address(address):
                    yield Flaw(
                        f"'{address}' is no address with a port.",
                        field=name,
                        hint="No name: 127.0.0.1:8082 or [::1]:8082.",
                    )
        if len({one.decide for one in self.deciders}) != len(self.deciders):
            yield Flaw("is named twice.", field="decide")
        if len({urlsplit(one).path.rstrip("/") for one in self.gateway}) != 1:
            yield Flaw("has to have the same path at all processes.", field="gateway")
        for origin in self.gateway:
            parts = urlsplit(origin)
            if (
                parts.scheme != "http"
                or not _SERVER.fullmatch(server_of(origin))
                or not _BELOW.fullmatch(f"{parts.path}{parts.query and '?'}")
            ):
                yield Flaw(f"'{origin}' is no address of Evergrant's.", field="gateway")
        for region, endpoint in self.endpoints.items():
            if not _SERVER.fullmatch(server_of(endpoint)):
                yield Flaw(f"'{endpoint}' is no endpoint.", field=f"endpoints.{region.value}")

    def _flaws_of_server(self) -> Iterable[Flaw]:
        for one in self.listen or ("",):
            if not _LISTEN.fullmatch(one):
                yield Flaw(
                    f"'{one}' is nothing that nginx could listen at.",
                    field="listen",
                    hint="127.0.0.1:8443, [::1]:8443, *:443 or 443.",
                )
        if not _NAME.fullmatch(self.server_name):
            yield Flaw("is no name of a server.", field="server_name")
        if (self.certificate is None) != (self.certificate_key is None):
            yield Flaw("A certificate and its key belong together.", field="cert")
        if self.resolver and not (_is_address(self.resolver) or _is_host(self.resolver)):
            yield Flaw(
                "is no address of a name server.", field="resolver", hint="For example 127.0.0.53."
            )

        if not _AGENT.fullmatch(self.user_agent):
            yield Flaw("cannot be written into a configuration of nginx.", field="user_agent")

    def _flaws_of_files(self) -> Iterable[Flaw]:
        for name, path in (
            ("cert", self.certificate),
            ("key", self.certificate_key),
            ("ca_file", self.ca_file),
            ("key_file", self.key_file),
            ("error_log", self.error_log),
        ):
            if path is not None and not is_path(str(path)):
                yield Flaw(
                    "cannot be written into a configuration of nginx.",
                    field=name,
                    hint="Without quotes, dollars, braces, semicolons and backslashes.",
                )


def is_path(text: str) -> bool:
    """Whether nginx reads this between quotes as it stands here."""
    return _PATH.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    numbered = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536
    return bool(colon) and numbered and _is_host(host)


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return text.startswith("[") == (":" in text)


def server_of(url: str) -> str:
    """``host:port`` of an origin, for a line ``server``."""
    parts = urlsplit(url)
    if parts.username is not None or parts.hostname is None:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
