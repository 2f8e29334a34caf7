"""Every name that an operator may set.

Answers for: the list, from which ``docs/reference/settings.md`` is made: name, meaning, default,
example, and how its text is read. Does not answer for: reading an environment (the package), or for
whether the thing behind a setting works (``checks``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from evergrant.rules import colours, ids
from evergrant.rules.invitations import LETTER_LIFE
from evergrant.rules.secrecy import Secret
from evergrant.settings import readers
from evergrant.settings.looks import read_logo

__all__ = [
    "OF_A_PROCESS",
    "PREFIX",
    "SETTINGS",
    "LogFormat",
    "LogLevel",
    "SecondFactor",
    "ServerRole",
    "Setting",
    "WebhookTargets",
]

PREFIX = "EVERGRANT_"


class ServerRole(StrEnum):
    """What one server process answers: partners' browsers, programs, or both."""

    ALL = "all"
    WEB = "web"
    API = "api"
    GATEWAY = "gateway"


class SecondFactor(StrEnum):
    """Whether operators who sign in with a password need a second factor."""

    REQUIRED = "required"
    OPTIONAL = "optional"


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
_CONSOLE = "Console"
_WATCH = "Watch"
_FEEDS = "Feeds and orders"
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
    _s("HOUSE_LOGO", _HOUSE, read_logo,
       "Logo on the pages and in the letters that customers see: a PNG, SVG or WebP file of at "
       "most 256 KiB, on every machine that serves or works.",
       names_a_file=True, unset="the name of the house stands there",
       example="/etc/evergrant/logo.svg"),
    _s("HOUSE_COLOUR", _HOUSE, colours.read,
       "Colour of buttons and links that customers see, as `#rrggbb`. It is made darker or lighter "
       "where it could not be read.",
       unset="a quiet green", example="#7a1f5c"),
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
    _s("OPERATORS_EMAIL", _HOUSE, ids.check_email,
       "Operators: are told what ends soon, what lapsed and what did not arrive.",
       unset="`EVERGRANT_SUPPORT_EMAIL`", example="operations@northwind.example"),
    _s("OPERATORS_LANGUAGE", _HOUSE, ids.check_language,
       "Language of the letters to operators: `en`, `de`, `fr`, `it` or `es`.",
       default="en", example="de"),
    _s("INVITATION_DAYS", _HOUSE, readers.days(1, 90),
       "Days that the link of an invitation works.",
       into="invitation_life", default=str(LETTER_LIFE.days), example="7"),
    _s("SECOND_FACTOR", _CONSOLE, readers.word(SecondFactor),
       "Whether operators who sign in with a password need a second factor: `required` or "
       "`optional`.",
       default="required", example="optional"),
    _s("SESSION_HOURS", _CONSOLE, readers.hours(1, 24 * 31),
       "Hours without a click after which an operator is signed out.",
       into="session_idle", default="12", example="2"),
    _s("SESSION_DAYS", _CONSOLE, readers.days(1, 90),
       "Days after which an operator has to sign in again in any case.",
       into="session_life", default="7", example="1"),
    _s("PROXIES", _CONSOLE, readers.networks,
       "Networks, with commas between, of the proxies before Evergrant: their `X-Forwarded-For` "
       "says from where an operator comes. Failed attempts to sign in are counted by that.",
       unset="none is believed", example="10.0.0.0/8,127.0.0.1/32"),
    _s("OIDC_ISSUER", _CONSOLE, readers.issuer,
       "Identity provider of the house (OpenID Connect), as it calls itself: operators sign in "
       "there. `/.well-known/openid-configuration` is read below it. Its redirect URI for "
       "Evergrant is `/console/single-sign-on/back` below `EVERGRANT_PUBLIC_URL`.",
       unset="operators sign in with a password", example="https://login.your-house.example"),
    _s("OIDC_CLIENT_ID", _CONSOLE, readers.plain,
       "Client id of Evergrant at the identity provider. Needed with `EVERGRANT_OIDC_ISSUER`.",
       unset="no single sign-on", example="evergrant"),
    _s("OIDC_CLIENT_SECRET", _CONSOLE, Secret,
       "Client secret of Evergrant at the identity provider.",
       secret=True, unset="a public client, which proves itself by PKCE alone", example="…"),
    _s("OIDC_TRUSTS_EMAIL", _CONSOLE, readers.yes_no,
       "Whether mail addresses that the identity provider tells are believed although it does not "
       "say that it verified them: `yes` only where it is your own directory and nobody can choose "
       "an address. An operator's first single sign-on goes by the address.",
       default="no", example="yes"),
    _s("OIDC_NAME", _CONSOLE, ids.check_name,
       "What the button for it says: \"Sign in with …\".",
       default="single sign-on", example="Northwind accounts"),
    _s("MARKETPLACES_FILE", _AMAZON, readers.folder,
       "JSON or TOML file that overrides hosts, endpoints and marketplaces.", names_a_file=True,
       unset="Amazon's 23 stores as published", example="/etc/evergrant/marketplaces.toml"),
    _s("LWA_TIMEOUT_S", _AMAZON, readers.seconds(0.1, 120),
       "Seconds to wait for Login with Amazon.",
       default="10", example="5"),
    _s("AMAZON_TIMEOUT_S", _AMAZON, readers.seconds(0.1, 600),
       "Seconds to wait for the Selling Partner API.", default="30", example="60"),
    _s("AWS_URL", _AMAZON, readers.url,
       "Where SQS and STS answer, both at one address: for an emulated AWS.",
       unset="AWS as the queue's own address says", example="http://127.0.0.1:9324"),
    _s("REMINDER_DAYS", _WATCH, readers.day_list(0, 180),
       "Days before the end of an authorization on which a reminder goes out; 0 is the day itself. "
       "An application may have its own.",
       default="30,23,16,9,2,0", example="45,30,14,7,1,0"),
    _s("PROBE_HOURS", _WATCH, readers.hours(1, 24 * 31),
       "Hours between two probes of an account: whether its authorization still works, and what it "
       "may do.",
       into="probe_every", default="24", example="12"),
    _s("ROTATE_DAYS", _WATCH, readers.days(8, 170),
       "Days before the end of a client secret on which Evergrant asks Amazon for a new one, where "
       "the application has a queue.",
       into="rotate_ahead", default="30", example="60"),
    _s("JOURNAL_MONTHS", _WATCH, readers.integer(12, 1200),
       "Months that the journal is kept. Amazon asks for at least twelve.",
       unset="it is kept for good", example="18"),
    _s("FEED_MINUTES", _FEEDS, readers.minutes(1, 24 * 60),
       "Minutes between two feeds of one type for one account. Amazon advises twenty.",
       into="feed_every", default="20", example="30"),
    _s("PATCH_MOST", _FEEDS, readers.integer(0, 6000),
       "So many changed listings of an account go to Amazon by single calls, at once; when there "
       "are more, they go together in a feed. 0: always a feed.",
       default="300", example="1000"),
    _s("NEEDS_SIGN_OFF", _FEEDS, readers.yes_no,
       "Whether nothing is sent for an account before the team lead has signed its application, "
       "its client instance and the house: `yes` or `no`.",
       default="no", example="yes"),
    _s("SWEEP_MINUTES", _FEEDS, readers.minutes(3, 24 * 60),
       "Minutes between two looks for orders of an account. Amazon allows one in three.",
       into="sweep_every", default="10", example="5"),
    _s("CHANGES_DAYS", _FEEDS, readers.days(1, 366),
       "Days that a stock or price change is kept after it was settled.",
       into="changes_kept", default="30", example="90"),
    _s("CHANGES_FOLDER", _FEEDS, readers.folder,
       "Folder from which files of changes are taken: one folder in it for each account.",
       names_a_file=True, unset="no folder is watched", example="/srv/evergrant/changes"),
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
    _s("WEBHOOK_NETWORKS", _LIMITS, readers.networks,
       "Networks, with commas between, to which webhooks may go although they are internal.",
       unset="none", example="10.20.0.0/16,fd00:20::/32"),
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

#: Of one process, not of the house: they differ between servers, workers and shells.
OF_A_PROCESS = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("HOST", "PORT", "ROLE", "WORKER_CONCURRENCY", "DATABASE_POOL", "HOME"),
        *("GATEWAY_PORT", "DECIDE_PORT", "OUTCOMES_PORT", "LOG_FORMAT", "LOG_LEVEL"),
        *("MAILBOX_PORT", "METRICS_ACCOUNTS"),
    )
)
