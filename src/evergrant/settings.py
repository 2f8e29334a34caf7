"""Settings: the environment, read once, into frozen values.

Answers for: every name that an operator may set, its default, its meaning, what is wrong with a
value. Does not answer for: whether the thing behind a setting works (``checks``).

Every setting may also come from a file: ``NAME_FILE`` names it (secrets mounted by Docker,
Kubernetes or systemd). A name that begins with ``EVERGRANT_`` and that nobody knows is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.secrecy import Secret

__all__ = ["House", "LogFormat", "ServerRole", "Settings"]


class ServerRole(StrEnum):
    """What one server process answers: partners' browsers, programs, or both."""

    ALL = "all"
    WEB = "web"
    API = "api"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The software house as letters and pages name it."""

    name: str
    public_url: str  # without a slash at the end
    support_email: str  # Dev Support
    mail_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one process. Secrets are ``Secret``; paths are absolute."""

    home: Path
    database_url: Secret | None  # None: the embedded server below home
    database_pool: int
    public_url: str
    host: str
    port: int  # 0: any free one
    role: ServerRole
    keyring: Secret | None  # None: the file below home
    smtp_url: Secret | None  # None: the development mailbox
    mailbox_port: int
    mail_from: str
    support_email: str
    house_name: str
    marketplaces: Marketplaces  # the standard table with the operator's overrides
    marketplaces_file: Path | None
    log_format: LogFormat
    log_level: str  # debug, info, warning, error
    clock_file: Path | None
    invitation_life: timedelta
    body_limit: int  # bytes
    lwa_timeout_s: float
    amazon_timeout_s: float
    webhook_timeout_s: float
    mail_timeout_s: float
    worker_concurrency: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads ``environ`` (default: that of the process). Raises Misconfigured, which names
        everything that is wrong."""
        ...

    @property
    def house(self) -> House: ...

    @property
    def login_uri(self) -> str: ...

    @property
    def redirect_uri(self) -> str: ...

    @property
    def keyring_file(self) -> Path: ...

    @property
    def development(self) -> bool:
        """No mail relay is given: mails go to the development mailbox."""
        ...
