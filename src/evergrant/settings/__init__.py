"""Settings: the environment, read once, into frozen values.

Answers for: every name that an operator may set, its default and meaning, what is wrong with a
value. Does not answer for: whether the thing behind a setting works (``checks``).
Every setting may also come from a file: ``NAME_FILE`` names it (secrets mounted by Docker,
Kubernetes or systemd). A name that begins with ``EVERGRANT_`` and that nobody knows is an error.
An empty value counts as not set.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evergrant.errors import Misconfigured
from evergrant.rules import ids
from evergrant.rules.faults import Fault
from evergrant.rules.invitations import LETTER_LIFE
from evergrant.rules.marketplaces import STANDARD, Marketplaces
from evergrant.rules.overrides import overridden
from evergrant.rules.secrecy import Secret
from evergrant.settings import readers
from evergrant.spelling import did_you_mean

__all__ = [
    "SETTINGS",
    "House",
    "LogFormat",
    "ServerRole",
    "Setting",
    "Settings",
    "ShownSetting",
    "WebhookTargets",
]

PREFIX = "EVERGRANT_"
LARGEST_FILE = 1024 * 1024

#: Names with our prefix that other programs of this repository read.
READ_ELSEWHERE = frozenset({"EVERGRANT_AMAZON_MODELS", "EVERGRANT_URL", "EVERGRANT_API_KEY"})


class ServerRole(StrEnum):
    """What one server process answers: partners' browsers, programs, or both."""

    ALL = "all"
    WEB = "web"
    API = "api"
    GATEWAY = "gateway"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class WebhookTargets(StrEnum):
    """Where webhooks may go."""

    PUBLIC = "public"  # https to public addresses
    ANY = "any"  # internal addresses and plain http as well


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The software house as letters and pages name it."""

    name: str
    public_url: str  # without a slash at the end
    support_email: str  # Dev Support
    mail_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSetting:
    """One setting as it may be shown: a secret says only whether it is set."""

    name: str
    value: str
    source: str  # "default", "environment" or the path of the file that it came from


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one process. Secrets are ``Secret``; paths are absolute."""

    home: Path
    database_url: Secret | None  # None: the embedded server below home
    database_pool: int
    public_url: str  # an origin, without a slash at the end
    host: str
    port: int  # 0: any free one
    role: ServerRole
    keyring: Secret | None  # None: the file below home
    smtp_url: Secret | None  # None: the development mailbox
    mailbox_port: int
    mail_from: str
    support_email: str
    house_name: str
    marketplaces: Marketplaces = field(repr=False)  # standard, with the operator's overrides
    marketplaces_file: Path | None
    log_format: LogFormat
    log_level: str  # debug, info, warning, error
    clock_file: Path | None
    gateway_port: int | None  # None: no port of its own; 0: any free one
    gateway_hosts: tuple[str, ...]
    gateway_wait_s: float
    gateway_longest_wait_s: float
    decide_port: int | None  # None: no nginx asks us
    outcomes_port: int  # UDP, beside decide_port
    invitation_life: timedelta
    metrics_accounts: int  # pairs of account and operation
    body_limit: int  # bytes
    lwa_timeout_s: float
    amazon_timeout_s: float
    webhook_timeout_s: float
    webhook_targets: WebhookTargets | None  # None: any in development, else public
    mail_timeout_s: float
    worker_concurrency: int
    shown: tuple[ShownSetting, ...] = field(repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads ``environ`` (default: that of the process). Raises Misconfigured, which names
        everything that is wrong."""
        reading = _Reading(os.environ if environ is None else environ)
        values = reading.values()
        reading.refuse_if_wrong()
        settled = {name: values[name] or stand_in for name, stand_in in _STAND_INS.items()}
        values["gateway_hosts"] = values["gateway_hosts"] or ()
        settled["public_url"] = values["public_url"] or _url_of(values["host"], values["port"])
        return cls(
            **{**values, **settled},
            marketplaces=reading.marketplaces,
            shown=reading.shown(settled),
        )

    def at_port(self, port: int) -> Settings:
        """The same, once it is known which port the server got (EVERGRANT_PORT=0)."""
        derived = self.public_url == _url_of(self.host, self.port)
        public_url = _url_of(self.host, port) if derived else self.public_url
        return replace(self, port=port, public_url=public_url)

    @property
    def house(self) -> House:
        return House(
            name=self.house_name,
            public_url=self.public_url,
            support_email=self.support_email,
            mail_from=self.mail_from,
        )

    @property
    def login_uri(self) -> str:
        """To be registered at Amazon as the application's log-in URI."""
        return f"{self.public_url}/amazon/login"

    @property
    def redirect_uri(self) -> str:
        """To be registered at Amazon as the application's redirect URI."""
        return f"{self.public_url}/callback"

    @property
    def keyring_file(self) -> Path:
        return self.home / "keyring"

    @property
    def webhooks_to_anywhere(self) -> bool:
        """Without a mail relay nothing leaves the house, and instances live on this machine."""
        if self.webhook_targets is None:
            return self.development
        return self.webhook_targets is WebhookTargets.ANY

    @property
    def development(self) -> bool:
        """No mail relay is given: mails go to the development mailbox."""
        return self.smtp_url is None


# --- the list -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One name that an operator may set. ``default`` is text as one would write it; "" means
    that there is none, and ``unset`` says what happens then."""

    name: str
    into: str  # field of Settings
    section: str
    what: str
    example: str
    read: Callable[[str], Any] = field(repr=False)
    default: str = ""
    unset: str = ""
    secret: bool = False
    names_a_file: bool = False

    @property
    def file_name(self) -> str | None:
        """The name under which a file can be given instead."""
        return None if self.names_a_file else f"{self.name}_FILE"


def _s(name: str, section: str, read: Callable[[str], Any], what: str, **more: Any) -> Setting:
    return Setting(
        name=f"{PREFIX}{name}",
        into=more.pop("into", name.lower()),
        section=section,
        read=read,
        what=what,
        **more,
    )


_PLACE, _DATA, _HOUSE, _AMAZON = "Server", "Data and secrets", "House and mail", "Amazon"
_LIMITS, _LOGS = "Limits", "Logs and development"
_GATEWAY = "Gateway"

# fmt: off
SETTINGS: tuple[Setting, ...] = (
    _s("PUBLIC_URL", _PLACE, readers.public_url,
       "Where selling partners and Amazon reach this installation: an origin, https except on "
       "loopback. Letters, pages and the URIs registered at Amazon are made of it.",
       unset="`http://` with host and port below", example="https://connect.your-house.example"),
    _s("HOST", _PLACE, readers.host, "Address that the server listens at.",
       default="127.0.0.1", example="10.0.0.7"),
    _s("PORT", _PLACE, readers.integer(0, 65535),
       "Port that the server listens at; 0 takes any free one.",
       default="8080", example="8000"),
    _s("ROLE", _PLACE, readers.word(ServerRole),
       "What this process answers: `web` (partners' browsers), `api` (programs), `gateway` (calls "
       "to Amazon) or `all`.",
       default="all", example="api"),
    _s("WORKER_CONCURRENCY", _PLACE, readers.integer(1, 200),
       "Jobs that one worker does at a time.",
       default="10", example="25"),
    _s("HOME", _DATA, readers.folder,
       "Folder for the embedded database and the key ring. Keep it closed to other users.",
       default="~/.evergrant", example="/var/lib/evergrant"),
    _s("DATABASE_URL", _DATA, readers.database_url, "PostgreSQL 14 or newer.", secret=True,
       unset="an embedded PostgreSQL runs below the home folder",
       example="postgresql://evergrant:…@db.internal/evergrant"),
    _s("DATABASE_POOL", _DATA, readers.integer(2, 200), "Most connections per process.",
       default="10", example="20"),
    _s("KEYRING", _DATA, Secret,
       "Keys that seal secrets: `id:base64,id:base64`, 32 bytes each, the first one seals.",
       secret=True, unset="the file `keyring` in the home folder, made on the first start",
       example="k2:…,k1:…"),
    _s("HOUSE_NAME", _HOUSE, ids.check_name,
       "Name of the software house, as letters and pages say it. Needed with a mail relay.",
       unset="a made-up house, for trying out", example="Northwind Commerce Software"),
    _s("SMTP_URL", _HOUSE, readers.smtp_url,
       "Mail relay: `smtp://` (with `?starttls=1`) or `smtps://`.",
       secret=True, unset="mails go to the development mailbox at `/dev/mailbox`",
       example="smtp://user:…@mail.internal:587?starttls=1"),
    _s("MAIL_FROM", _HOUSE, readers.sender, "Sender of all letters. Needed with a mail relay.",
       unset="a made-up address, for trying out",
       example="Northwind <connect@northwind.example>"),
    _s("SUPPORT_EMAIL", _HOUSE, ids.check_email,
       "Dev Support: receives a report of every failed authorization. Needed with a mail relay.",
       unset="a made-up address, for trying out", example="dev-support@northwind.example"),
    _s("INVITATION_DAYS", _HOUSE, readers.days(1, 90),
       "Days that the link of an invitation works.",
       into="invitation_life", default=str(LETTER_LIFE.days), example="7"),
    _s("MARKETPLACES_FILE", _AMAZON, readers.folder,
       "JSON or TOML file that overrides hosts, endpoints and marketplaces.", names_a_file=True,
       unset="Amazon's 23 stores as published", example="/etc/evergrant/marketplaces.toml"),
    _s("LWA_TIMEOUT_S", _AMAZON, readers.seconds(0.1, 120),
       "Seconds to wait for Login with Amazon.",
       default="10", example="5"),
    _s("AMAZON_TIMEOUT_S", _AMAZON, readers.seconds(0.1, 600),
       "Seconds to wait for the Selling Partner API.", default="30", example="60"),
    _s("GATEWAY_PORT", _GATEWAY, readers.integer(0, 65535),
       "Port at which the gateway answers with Amazon's own paths; 0 takes any free one.",
       unset="no port of its own; the gateway is below `/gateway` of the main one",
       example="8081"),
    _s("GATEWAY_HOSTS", _GATEWAY, readers.host_names,
       "Names, with commas between, under which requests to the main port go to the gateway.",
       unset="none", example="amazon.connect.your-house.example"),
    _s("GATEWAY_WAIT_S", _GATEWAY, readers.seconds(0, 600),
       "Seconds that a call waits for a permit when its program does not say how long it is "
       "ready to wait.",
       default="10", example="0"),
    _s("GATEWAY_LONGEST_WAIT_S", _GATEWAY, readers.seconds(0, 3600),
       "Longest wait that a program may ask for, in seconds.", default="120", example="600"),
    _s("DECIDE_PORT", _GATEWAY, readers.integer(0, 65535),
       "Port at which nginx, as data plane, asks what to do with a request. Never open it to "
       "anybody but nginx.",
       unset="nginx is not the data plane", example="8082"),
    _s("OUTCOMES_PORT", _GATEWAY, readers.integer(0, 65535),
       "UDP port at which nginx tells how calls ended; 0 takes any free one.",
       default="8083", example="9083"),
    _s("METRICS_ACCOUNTS", _GATEWAY, readers.integer(0, 10_000),
       "Pairs of account and operation, the busiest ones, that `/metrics` tells apart by "
       "Evergrant's account ids; all others are one. 0 names no account.",
       default="100", example="0"),
    _s("BODY_LIMIT", _LIMITS, readers.integer(1024, 1024**3),
       "Largest request body, in bytes.",
       default="1048576", example="262144"),
    _s("MAIL_TIMEOUT_S", _LIMITS, readers.seconds(0.1, 600),
       "Seconds to wait for the mail relay.",
       default="30", example="10"),
    _s("WEBHOOK_TIMEOUT_S", _LIMITS, readers.seconds(0.1, 120),
       "Seconds to wait for a client instance to take a webhook.", default="10", example="5"),
    _s("WEBHOOK_TARGETS", _LIMITS, readers.word(WebhookTargets),
       "Where webhooks may go: `public` (https to public addresses) or `any` (internal addresses "
       "and plain http as well, for instances that live beside Evergrant).",
       unset="`public` with a mail relay, else `any`", example="any"),
    _s("LOG_FORMAT", _LOGS, readers.word(LogFormat), "`text` for people, `json` for machines.",
       default="text", example="json"),
    _s("LOG_LEVEL", _LOGS, readers.word(LogLevel), "`debug`, `info`, `warning` or `error`.",
       default="info", example="warning"),
    _s("MAILBOX_PORT", _LOGS, readers.integer(0, 65535),
       "SMTP port of the development mailbox; 0 takes any free one.", default="0", example="2525"),
    _s("CLOCK_FILE", _LOGS, readers.folder,
       "File with an offset in seconds that is added to the time. Refused with a mail relay.",
       names_a_file=True, unset="the time as it is", example="/srv/evergrant/clock"),
)
# fmt: on

_BY_NAME: Mapping[str, Setting] = MappingProxyType({one.name: one for one in SETTINGS})
_FILE_NAMES: Mapping[str, Setting] = MappingProxyType(
    {one.file_name: one for one in SETTINGS if one.file_name}
)

#: What stands in while nothing is sent to anybody: `.example` belongs to nobody.
_STAND_INS = {
    "house_name": "Example House",
    "mail_from": "Example House <connect@house.example>",
    "support_email": "dev-support@house.example",
}


def _url_of(host: str, port: int) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  # a wish to listen everywhere, not a bind
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# --- reading --------------------------------------------------------------------------------


class _Reading:
    """One look at an environment, with everything that is wrong with it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._given = {
            name: value.strip()
            for name, value in environ.items()
            if name.startswith(PREFIX) and value.strip()
        }
        self._wrong: list[tuple[str, str, str | None]] = []
        self._sources: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self.marketplaces = STANDARD

    def values(self) -> dict[str, Any]:
        for name in sorted(self._given):
            if name not in _BY_NAME and name not in _FILE_NAMES and name not in READ_ELSEWHERE:
                known = [*_BY_NAME, *_FILE_NAMES]
                self._wrong.append((name, "nobody knows this name.", did_you_mean(name, known)))
        values = {one.into: self._value(one) for one in SETTINGS}
        if not self._wrong:
            self._look_across(values)
        return values

    def refuse_if_wrong(self) -> None:
        if not self._wrong:
            return
        (name, message, _), *others = self._wrong
        told = [message, *(f"{other}: {text}" for other, text, _ in others)]
        hints = [hint for _, _, hint in self._wrong if hint]
        raise Misconfigured(name, " ".join(told), hint=" ".join(hints) or None)

    def shown(self, settled: Mapping[str, str]) -> tuple[ShownSetting, ...]:
        return tuple(
            ShownSetting(
                name=one.name,
                value=self._shown(one, settled),
                source=self._sources.get(one.name, "default"),
            )
            for one in SETTINGS
        )

    def _shown(self, one: Setting, settled: Mapping[str, str]) -> str:
        text = self._texts.get(one.name, "")
        if one.secret:
            return "set, not shown" if text else "not set"
        return settled.get(one.into) or text or "not set"

    def _value(self, one: Setting) -> Any:
        text = self._text(one)
        self._texts[one.name] = text
        if not text:
            return None
        try:
            return one.read(text)
        except Fault as fault:
            self._wrong.append((one.name, fault.message, fault.hint))
        except ValueError:
            # Of a library: its words may repeat the value, which may be a secret.
            self._wrong.append((one.name, "this value cannot be read.", f"Example: {one.example}"))
        return None

    def _text(self, one: Setting) -> str:
        text = self._given.get(one.name)
        path = self._given.get(one.file_name) if one.file_name else None
        if text and path:
            message = f"both {one.name} and {one.file_name} are set."
            self._wrong.append((one.name, message, "Keep one of them."))
        if path and one.file_name:
            self._sources[one.name] = path
            return self._content(one.file_name, path)
        if text:
            self._sources[one.name] = "environment"
        return text or one.default

    def _content(self, name: str, path: str) -> str:
        try:
            with Path(path).expanduser().open("rb") as file:
                raw = file.read(LARGEST_FILE + 1)
            text = raw.decode().strip()
            why = "it is larger than 1 MiB" if len(raw) > LARGEST_FILE else "it is empty"
        except OSError as error:
            text, why = "", error.strerror or "it cannot be opened"
        except UnicodeDecodeError:
            text, why = "", "it is not text"
        if not text or len(raw) > LARGEST_FILE:
            self._wrong.append((name, f"cannot read {path}: {why}.", None))
        return text

    def _look_across(self, values: Mapping[str, Any]) -> None:
        """What is wrong with settings together."""
        if values["marketplaces_file"] is not None:
            self._read_marketplaces(values["marketplaces_file"])
        relay = values["smtp_url"] is not None
        for one in SETTINGS:
            if relay and one.into in _STAND_INS and not values[one.into]:
                message = "is needed as soon as mail goes out (EVERGRANT_SMTP_URL is set)."
                self._wrong.append((one.name, message, f"Example: {one.example}"))
        if relay and values["clock_file"] is not None:
            message = "is for development and tests, and EVERGRANT_SMTP_URL names a real relay."
            self._wrong.append((f"{PREFIX}CLOCK_FILE", message, "Remove one of them."))
        if relay and not values["public_url"]:
            message = "is needed as soon as mail goes out (EVERGRANT_SMTP_URL is set)."
            self._wrong.append((f"{PREFIX}PUBLIC_URL", message, None))

    def _read_marketplaces(self, path: Path) -> None:
        name = f"{PREFIX}MARKETPLACES_FILE"
        text = self._content(name, str(path))
        kind, loads = ("TOML", tomllib.loads) if path.suffix == ".toml" else ("JSON", json.loads)
        try:
            data = loads(text) if text else {}
            if not isinstance(data, dict):
                raise ValueError("it holds no table of names and values")  # noqa: TRY004
            self.marketplaces = overridden(STANDARD, data)
        except Fault as fault:
            where = f"{path}, {fault.field}" if fault.field else str(path)
            self._wrong.append((name, f"{where}: {fault.message}", fault.hint))
        except (ValueError, RecursionError) as error:
            self._wrong.append((name, f"{path} is not {kind} as it should be: {error}.", None))
