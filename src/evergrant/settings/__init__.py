"""Settings: the environment, read once, into frozen values.

Answers for: reading every name that an operator may set (``names``), and for what is wrong with a
value. Does not answer for: whether the thing behind a setting works (``checks``).
Every setting may also come from a file: ``NAME_FILE`` names it (secrets mounted by Docker,
Kubernetes or systemd). A name that begins with ``EVERGRANT_`` and that nobody knows is an error.
An empty value counts as not set.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evergrant.errors import Misconfigured
from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import STANDARD, Marketplaces
from evergrant.rules.overrides import overridden
from evergrant.rules.secrecy import Secret
from evergrant.settings.looks import Logo, Looks
from evergrant.settings.names import (
    OF_A_PROCESS,
    PREFIX,
    SETTINGS,
    LogFormat,
    SecondFactor,
    ServerRole,
    Setting,
    WebhookTargets,
)
from evergrant.spelling import did_you_mean

__all__ = [
    "SETTINGS",
    "Cooking",
    "House",
    "HouseValues",
    "LogFormat",
    "Logo",
    "Looks",
    "ServerRole",
    "Setting",
    "Settings",
    "ShownSetting",
    "SigningIn",
    "Watching",
    "WebhookTargets",
]

LARGEST_FILE = 1024 * 1024

#: Names with our prefix that other programs of this repository read.
READ_ELSEWHERE = frozenset({"EVERGRANT_AMAZON_MODELS", "EVERGRANT_URL", "EVERGRANT_API_KEY"})


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The software house as letters and pages name it."""

    name: str
    public_url: str  # without a slash at the end
    support_email: str  # Dev Support
    mail_from: str
    operators_email: str = ""  # empty: Dev Support
    operators_language: str = "en"
    looks: Looks = field(default_factory=Looks)

    @property
    def operators(self) -> str:
        """Where operators read their mail."""
        return self.operators_email or self.support_email


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How the clock tower keeps watch."""

    reminder_days: tuple[int, ...] = (30, 23, 16, 9, 2, 0)
    probe_every: timedelta = timedelta(hours=24)
    rotate_ahead: timedelta = timedelta(days=30)
    journal_months: int | None = None  # None: for good


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooking:
    """How the kitchen works."""

    feed_every: timedelta = timedelta(minutes=20)  # between two feeds of one type and account
    patch_most: int = 300  # so many listings at a time go by single calls, more of them by feed
    needs_sign_off: bool = False  # nothing is sent before the team lead has signed
    sweep_every: timedelta = timedelta(minutes=10)  # between two looks for orders
    changes_kept: timedelta = timedelta(days=30)  # after they were settled
    changes_folder: Path | None = None  # files of changes are taken from here
    #: How long a run waits for a permit before it goes back to wait in the store.
    patience_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseValues:
    """What a person looks at before going live, as far as settings say it; no secret is among it.
    ``shown``: settings of the house by name, without those of one process."""

    shown: Mapping[str, str] = field(default_factory=dict)
    mail: Mapping[str, str] = field(default_factory=dict)
    database: str = ""
    reminder_days: tuple[int, ...] = ()
    operators_email: str = ""
    login_uri: str = ""
    redirect_uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn:
    """How operators sign in."""

    second_factor_required: bool = True
    idle: timedelta = timedelta(hours=12)  # without a click
    life: timedelta = timedelta(days=7)  # in any case
    invitation_life: timedelta = timedelta(days=7)
    single_sign_on_name: str = "single sign-on"


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
    operators_email: str | None  # None: Dev Support
    operators_language: str
    house_name: str
    second_factor: SecondFactor
    session_idle: timedelta
    session_life: timedelta
    proxies: tuple[IPv4Network | IPv6Network, ...]
    oidc_issuer: str | None  # None: passwords alone
    oidc_client_id: str | None
    oidc_client_secret: Secret | None  # None: a public client
    oidc_trusts_email: bool
    oidc_name: str
    house_logo: Logo | None
    house_colour: str | None  # "#rrggbb"
    marketplaces: Marketplaces = field(repr=False)  # standard, with the operator's overrides
    marketplaces_file: Path | None
    log_format: LogFormat
    log_level: str  # debug, info, warning, error
    clock_file: Path | None
    aws_url: str | None  # None: AWS itself
    reminder_days: tuple[int, ...]  # falling
    probe_every: timedelta
    rotate_ahead: timedelta
    journal_months: int | None  # None: for good
    feed_every: timedelta
    patch_most: int
    needs_sign_off: bool
    sweep_every: timedelta
    changes_kept: timedelta
    changes_folder: Path | None  # None: no folder is watched
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
    webhook_networks: tuple[IPv4Network | IPv6Network, ...]
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
        for several in ("gateway_hosts", "webhook_networks", "proxies"):
            values[several] = values[several] or ()
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
            operators_email=self.operators_email or "",
            operators_language=self.operators_language,
            looks=Looks(colour=self.house_colour, logo=self.house_logo),
        )

    @property
    def watching(self) -> Watching:
        return Watching(
            reminder_days=self.reminder_days,
            probe_every=self.probe_every,
            rotate_ahead=self.rotate_ahead,
            journal_months=self.journal_months,
        )

    @property
    def cooking(self) -> Cooking:
        return Cooking(
            feed_every=self.feed_every,
            patch_most=self.patch_most,
            needs_sign_off=self.needs_sign_off,
            sweep_every=self.sweep_every,
            changes_kept=self.changes_kept,
            changes_folder=self.changes_folder,
        )

    @property
    def signing_in(self) -> SigningIn:
        return SigningIn(
            second_factor_required=self.second_factor is SecondFactor.REQUIRED,
            idle=self.session_idle,
            life=self.session_life,
            single_sign_on_name=self.oidc_name,
        )

    @property
    def sign_on_redirect_uri(self) -> str:
        """To be registered at the identity provider of the house."""
        return f"{self.public_url}/console/single-sign-on/back"

    @property
    def house_values(self) -> HouseValues:
        return HouseValues(
            shown={one.name: one.value for one in self.shown if one.name not in OF_A_PROCESS},
            mail={
                "relay": "set" if self.smtp_url else "development mailbox",
                "mail_from": self.mail_from,
                "house_name": self.house_name,
                "support_email": self.support_email,
                "operators_email": self.house.operators,
            },
            database="PostgreSQL of yours" if self.database_url else "embedded",
            reminder_days=self.reminder_days,
            operators_email=self.house.operators,
            login_uri=self.login_uri,
            redirect_uri=self.redirect_uri,
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
        if bool(values["oidc_issuer"]) != bool(values["oidc_client_id"]):
            lacking = "OIDC_CLIENT_ID" if values["oidc_issuer"] else "OIDC_ISSUER"
            message = "is needed for single sign-on, of which the other half is set."
            self._wrong.append((f"{PREFIX}{lacking}", message, None))
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
