"""What goes in and out of the porter's lodge.

Answers for: these values. Does not answer for: things as they are kept (``ports.signed_in``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evergrant.ports.signed_in import OperatorInvitation, OperatorSession
from evergrant.ports.things import Operator
from evergrant.rules.rights import Caller
from evergrant.rules.second_factor import Step
from evergrant.rules.secrecy import Secret

__all__ = [
    "MOST_SHOWN",
    "Arrived",
    "Begun",
    "Browser",
    "Enrolled",
    "Enrolment",
    "NewInvitation",
    "OperatorLetter",
    "Present",
    "SignedIn",
]

#: So many characters of what a browser says about itself are kept.
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Browser:
    """From where somebody comes, and with what; shown in the list of sessions."""

    address: str = ""
    agent: str = ""

    def __post_init__(self) -> None:
        for name in ("address", "agent"):
            shown = "".join(one for one in getattr(self, name) if one.isprintable())
            object.__setattr__(self, name, shown[:MOST_SHOWN])


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session just made. ``secret`` is the browser's, and is never given out again."""

    secret: Secret
    step: Step
    operator: Operator
    session: OperatorSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Somebody with a session that lives. Before all steps are done the caller may nothing."""

    operator: Operator
    caller: Caller
    session: OperatorSession
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A second factor that waits to be confirmed. ``uri`` (``otpauth:``) is what the QR code
    holds, ``key`` is for those who type it."""

    key: Secret
    uri: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """``recovery_codes`` are shown this once."""

    signed_in: SignedIn
    recovery_codes: tuple[Secret, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """On the way to the identity provider: the address, and what the browser keeps meanwhile."""

    location: str
    state: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Back from the identity provider. ``return_to`` came from the browser: judge it again."""

    signed_in: SignedIn
    return_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvitation:
    """An invitation with its link, for somebody who hands it over by other means than mail."""

    invitation: OperatorInvitation
    link: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLetter:
    """What a letter to an operator says, with the link that no row holds."""

    facts: Mapping[str, Any]
    link: Secret | None = None
