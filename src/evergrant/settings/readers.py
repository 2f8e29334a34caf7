"""How the text of a setting becomes a value.

Answers for: one reader per kind of value, with what is wrong in one sentence. Does not answer
for: which setting is read how (the list in this package).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import parseaddr
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from evergrant.rules import ids
from evergrant.rules.faults import Fault
from evergrant.rules.secrecy import Secret
from evergrant.rules.urls import check_https_url, check_origin
from evergrant.spelling import did_you_mean

__all__ = [
    "database_url",
    "day_list",
    "days",
    "folder",
    "host",
    "host_names",
    "hours",
    "integer",
    "issuer",
    "minutes",
    "networks",
    "plain",
    "public_url",
    "seconds",
    "sender",
    "smtp_url",
    "url",
    "word",
    "yes_no",
]

Word = TypeVar("Word", bound=StrEnum)

#: Without a port: requests name theirs, and what they are looked for by is the name.
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)


def word(words: type[Word]) -> Callable[[str], Word]:
    def read(text: str) -> Word:
        try:
            return words(text.lower())
        except ValueError:
            known = [word.value for word in words]
            raise Fault(
                "unknown_value",
                f"'{text}' is none of {', '.join(known)}.",
                hint=did_you_mean(text, known),
            ) from None

    return read


def integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text[:12]) <= high):
            raise Fault(
                "out_of_range", f"'{text[:40]}' is not a whole number from {low} to {high}."
            )
        return int(text)

    return read


def seconds(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise Fault("out_of_range", f"'{text}' is not a number from {low:g} to {high:g}.")
        return value

    return read


def days(low: int, high: int) -> Callable[[str], timedelta]:
    whole = integer(low, high)
    return lambda text: timedelta(days=whole(text))


def hours(low: int, high: int) -> Callable[[str], timedelta]:
    whole = integer(low, high)
    return lambda text: timedelta(hours=whole(text))


def minutes(low: int, high: int) -> Callable[[str], timedelta]:
    whole = integer(low, high)
    return lambda text: timedelta(minutes=whole(text))


def yes_no(text: str) -> bool:
    """Raises Fault for anything but ``yes`` and ``no`` in their usual spellings."""
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    answer = known.get(text.lower())
    if answer is None:
        raise Fault("unknown_value", f"'{text}' is neither yes nor no.")
    return answer


def day_list(low: int, high: int) -> Callable[[str], tuple[int, ...]]:
    """Whole numbers of days with commas between; falling, none twice."""
    whole = integer(low, high)

    def read(text: str) -> tuple[int, ...]:
        return tuple(sorted({whole(part.strip()) for part in text.split(",")}, reverse=True))

    return read


def url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username:
        raise Fault("bad_url", "it has to begin with https:// or http:// and name a host.")
    return text.rstrip("/")


def issuer(text: str) -> str:
    """An https URL, with a path or not; http for loopback addresses. As it is written: the
    provider writes the same into what it signs."""
    return check_https_url(text, "", allow_http_loopback=True)


def plain(text: str) -> str:
    """One word of somebody else's."""
    if len(text) > 500 or not text.isprintable() or " " in text:
        raise Fault("not_a_word", "this must be one word without blanks.")
    return text


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ip_network(part))
        except ValueError as error:
            raise Fault(
                "bad_network", f"'{part[:60]}' is not a network: {error}.", hint="As 10.20.0.0/16."
            ) from None
    return tuple(found)


def folder(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise Fault("no_home", f"{text} cannot be resolved: {error}") from None


def host(text: str) -> str:
    if not text.isascii() or any(c.isspace() or c in "/@?#" for c in text):
        raise Fault("bad_host", f"'{text}' is not an address to listen at.")
    return text


def host_names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise Fault("bad_host", f"'{name}' is not the name of a host.")
    return names


def database_url(text: str) -> Secret:
    if urlsplit(text).scheme not in {"postgresql", "postgres"}:
        raise Fault(
            "bad_url",
            "it has to begin with postgresql://.",
            hint="Write it as postgresql://user:password@host:5432/database.",
        )
    return Secret(text)


def smtp_url(text: str) -> Secret:
    parts = urlsplit(text)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise Fault(
            "bad_url",
            "it has to begin with smtp:// or smtps:// and name a host.",
            hint="Write it as smtp://user:password@host:587?starttls=1 or smtps://host:465.",
        )
    return Secret(text)


def public_url(text: str) -> str:
    return check_origin(text, "EVERGRANT_PUBLIC_URL")


def sender(text: str) -> str:
    ids.check_email(parseaddr(text)[1] if text.isprintable() else text)
    return text
