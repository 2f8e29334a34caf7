"""What can go wrong, and whose fault it is.

Answers for: the tree below. Does not answer for: how an error looks at a door (each door has
one mapping of its own) or for decisions of ``rules``, which are values, not exceptions.

::

    EvergrantError
    ├── CallerError                     blame caller: who asked must ask differently
    │   ├── InvalidInput                one or more fields are wrong; nothing was changed
    │   ├── NotAuthenticated            no key, or none that we know
    │   │   └── SessionOver             signed out, or the session came to its end
    │   ├── SignInRefused               mail address and password do not fit, or it is locked
    │   ├── SecondFactorRefused         not the code of this half minute, or a spent one
    │   ├── InvitationRefused           an operator's invitation that opens nothing (any more)
    │   ├── FirstStartRefused           not the code of the first start, or that is over
    │   ├── SingleSignOnRefused         the identity provider's answer lets nobody in
    │   ├── NotAllowed                  known, but without the right
    │   ├── NotFound                    no such thing, or none that the caller may see
    │   ├── Conflict                    the wish contradicts what is stored
    │   │   └── LastAdmin               without this one nobody could manage the house
    │   ├── TooLarge                    more bytes than the door takes
    │   └── OverLimit                   our own 429: the shared bucket is empty
    ├── PartnerError                    blame partner: the selling partner has to act
    │   ├── NotYetAuthorized            consent was never given
    │   ├── GrantRefused                LWA says invalid_grant: revoked, made-up, of another client
    │   ├── GrantLapsed                 the term of the authorization is over
    │   ├── AccountClosed               the account was closed by an operator
    │   ├── CodeRefused                 the authorization code was late or used before
    │   └── ConsentRefused              a callback that must not be believed; carries the reason
    ├── ApplicationError                blame application: all accounts feel it, none is marked
    │   ├── ApplicationRefused          LWA: invalid_client, unauthorized_client or invalid_scope
    │   ├── ApplicationIncomplete       a credential is missing on our side
    │   └── QueueRefused                AWS: keys, role, policy or address of the queue are wrong
    ├── AmazonError                     blame amazon: the weather; try again
    │   ├── AmazonUnavailable           5xx, time-out, connection lost
    │   ├── Throttled                   429
    │   ├── UnreadableAnswer            an answer in no shape that we know
    │   ├── QueueUnavailable            the queue does not answer
    │   └── CallDenied                  SP-API 403 or 4xx with Amazon's own words
    └── OurError                        blame us
        ├── Misconfigured               a setting is missing or wrong; names it
        ├── SealBroken                  a sealed value does not open with its row's identity
        ├── StoreUnavailable            the database does not answer
        ├── ProviderUnavailable         the house's identity provider does not answer
        └── NotDelivered                a mail or webhook did not go out; says if for good

``code`` is stable and documented in ``docs/reference/errors.md``. ``permanent`` says whether the
same call can succeed later without anybody acting. ``facts`` never holds a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from evergrant.rules.secrecy import Secret

__all__ = [
    "AccountClosed",
    "AmazonError",
    "AmazonUnavailable",
    "ApplicationError",
    "ApplicationIncomplete",
    "ApplicationRefused",
    "Blame",
    "CallDenied",
    "CallerError",
    "CodeRefused",
    "Conflict",
    "ConsentRefused",
    "EvergrantError",
    "FirstStartRefused",
    "Flaw",
    "GrantLapsed",
    "GrantRefused",
    "InvalidInput",
    "InvitationRefused",
    "LastAdmin",
    "Misconfigured",
    "NotAllowed",
    "NotAuthenticated",
    "NotDelivered",
    "NotFound",
    "NotYetAuthorized",
    "OurError",
    "OverLimit",
    "PartnerError",
    "ProviderUnavailable",
    "QueueRefused",
    "QueueUnavailable",
    "SealBroken",
    "SecondFactorRefused",
    "SessionOver",
    "SignInRefused",
    "SingleSignOnRefused",
    "StoreUnavailable",
    "Throttled",
    "TooLarge",
    "UnreadableAnswer",
]


class Blame(StrEnum):
    """Who has to act."""

    PARTNER = "partner"
    APPLICATION = "application"
    AMAZON = "amazon"
    CALLER = "caller"
    US = "us"


class EvergrantError(Exception):
    """Root. ``str(error)`` is one sentence for a person; ``hint`` says what to do."""

    code: ClassVar[str] = "error"
    blame: ClassVar[Blame] = Blame.US
    permanent: bool = True
    default_message: ClassVar[str] = "Something went wrong."

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.hint = hint
        self.facts: dict[str, object] = dict(facts or {})
        super().__init__(self.message)


# --- caller ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with the input. ``field`` is a dotted path, or None for the whole."""

    message: str
    field: str | None = None
    code: str = "invalid"
    hint: str | None = None


class CallerError(EvergrantError):
    blame = Blame.CALLER


class InvalidInput(CallerError):
    """Bad input. ``flaws`` lists every field, not only the first."""

    code = "invalid_input"
    default_message = "The input is not valid; nothing was changed."

    def __init__(
        self,
        message: str | None = None,
        *,
        flaws: Iterable[Flaw] = (),
        hint: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.flaws = tuple(flaws)
        if message is None and self.flaws:
            message = " ".join(
                f"{flaw.field}: {flaw.message}" if flaw.field else flaw.message
                for flaw in self.flaws
            )
        if hint is None:
            hint = next((flaw.hint for flaw in self.flaws if flaw.hint), None)
        super().__init__(message, hint=hint, facts=facts)


class NotAuthenticated(CallerError):
    code = "not_authenticated"
    default_message = "An API key is needed, and none that we know was sent."


class SessionOver(NotAuthenticated):
    code = "session_over"
    default_message = "You are signed out."


class SignInRefused(CallerError):
    """The same words whatever is wrong: unknown, wrong, disabled and locked look alike."""

    code = "sign_in_refused"
    default_message = "Mail address and password do not fit, or signing in is locked for a while."


class SecondFactorRefused(CallerError):
    code = "second_factor_refused"
    default_message = "This code is not the right one, or was used before."


class InvitationRefused(CallerError):
    code = "invitation_refused"
    default_message = "This invitation cannot be used."

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason  # "unknown", "expired", "accepted" or "withdrawn"
        hint = "Ask an admin for a new invitation."
        super().__init__(message, hint=hint, facts={"reason": reason})


class FirstStartRefused(CallerError):
    code = "first_start_refused"
    default_message = "This is not the code of the first start, or the house has an operator."


class SingleSignOnRefused(CallerError):
    code = "single_sign_on_refused"
    default_message = "The identity provider's answer lets nobody in."

    def __init__(self, reason: str, message: str | None = None, *, hint: str | None = None) -> None:
        self.reason = reason  # for the journal, and for whoever sets it up
        super().__init__(message, hint=hint, facts={"reason": reason})


class NotAllowed(CallerError):
    code = "not_allowed"
    default_message = "This key or operator may not do that."


class NotFound(CallerError):
    code = "not_found"
    default_message = "There is no such thing here."


class Conflict(CallerError):
    code = "conflict"
    default_message = "That contradicts what is stored."


class LastAdmin(Conflict):
    code = "last_admin"
    default_message = "This is the last admin. Make somebody else an admin first."


class TooLarge(CallerError):
    code = "too_large"
    default_message = "The request is larger than this door takes."


class OverLimit(CallerError):
    """The caller was not ready to wait for so long; Amazon was not asked. After ``retry_after_s``
    seconds a permit can be had."""

    code = "over_limit"
    permanent = False
    default_message = "Amazon's limit for this operation is spent for the moment."

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_s: float,
        hint: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, hint=hint, facts=facts)


# --- partner --------------------------------------------------------------------------------


class PartnerError(EvergrantError):
    """``renewal_link``: with it the selling partner mends it; only doors add and reveal it."""

    blame = Blame.PARTNER
    renewal_link: Secret | None = None


class NotYetAuthorized(PartnerError):
    code = "not_yet_authorized"
    default_message = "The selling partner has not given consent yet."


class GrantRefused(PartnerError):
    """LWA answered ``invalid_grant``. ``reason`` is Amazon's own description, verbatim."""

    code = "grant_refused"
    default_message = "Amazon no longer accepts the authorization of this account."

    def __init__(
        self,
        reason: str = "",
        *,
        message: str | None = None,
        hint: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.reason = reason
        super().__init__(message, hint=hint, facts={"amazon_reason": reason, **(facts or {})})


class GrantLapsed(PartnerError):
    code = "grant_lapsed"
    default_message = "The authorization of this account is over; it has to be renewed."


class AccountClosed(PartnerError):
    code = "account_closed"
    default_message = "This account is closed."


class CodeRefused(PartnerError):
    """LWA refused the authorization code: older than five minutes, used, or of another client."""

    code = "code_refused"
    default_message = "Amazon did not accept the authorization code."

    def __init__(self, reason: str = "", *, facts: Mapping[str, object] | None = None) -> None:
        self.reason = reason
        super().__init__(None, facts={"amazon_reason": reason, **(facts or {})})


class ConsentRefused(PartnerError):
    """We refuse a step of a consent. ``reason`` is a value of ``rules.invitations.Refusal``;
    ``reference`` is the number that the page shows and Dev Support can look up."""

    code = "consent_refused"
    default_message = "This step of the authorization cannot be accepted."

    def __init__(
        self,
        reason: str,
        *,
        reference: str | None = None,
        message: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.reason = reason
        self.reference = reference
        super().__init__(message, facts={"reason": reason, "reference": reference, **(facts or {})})


# --- application ----------------------------------------------------------------------------


class ApplicationError(EvergrantError):
    blame = Blame.APPLICATION


class ApplicationRefused(ApplicationError):
    """LWA refused the application itself. ``error`` is its code, ``reason`` its description."""

    code = "application_refused"
    default_message = "Amazon refused the credentials of the application."

    def __init__(
        self, error: str, reason: str = "", *, facts: Mapping[str, object] | None = None
    ) -> None:
        self.error = error
        self.reason = reason
        super().__init__(
            f"Amazon refused the application: {error}{f' ({reason})' if reason else ''}.",
            hint="Check client id and client secret of the application; a client secret dies "
            "180 days after it was made and 7 days after it was rotated.",
            facts={"amazon_error": error, "amazon_reason": reason, **(facts or {})},
        )


class ApplicationIncomplete(ApplicationError):
    code = "application_incomplete"
    default_message = "The application lacks a credential."


class QueueRefused(ApplicationError):
    """AWS does not let us at the queue of new client secrets."""

    code = "queue_refused"
    default_message = "AWS does not let us at the queue of this application."


# --- amazon ---------------------------------------------------------------------------------


class AmazonError(EvergrantError):
    blame = Blame.AMAZON
    permanent = False


class AmazonUnavailable(AmazonError):
    code = "amazon_unavailable"
    default_message = "Amazon does not answer at the moment."


class Throttled(AmazonError):
    """429. ``retry_after_s`` is what Amazon asked for, or None: SP-API documents no such header."""

    code = "throttled"
    default_message = "Amazon asks us to slow down."

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_s: float | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, facts=facts)


class UnreadableAnswer(AmazonError):
    code = "unreadable_answer"
    default_message = "Amazon's answer has a shape that we do not know."


class QueueUnavailable(AmazonError):
    code = "queue_unavailable"
    default_message = "The queue did not answer."


class CallDenied(AmazonError):
    """SP-API said no. ``status``, ``amazon_code``, ``details`` and ``request_id`` as received."""

    code = "call_denied"
    permanent = True
    default_message = "Amazon denied the call."

    def __init__(
        self,
        status: int,
        amazon_code: str = "",
        message: str = "",
        details: str = "",
        request_id: str = "",
    ) -> None:
        self.status = status
        self.amazon_code = amazon_code
        self.details = details
        self.request_id = request_id
        said = " ".join(part for part in (message, details) if part) or "no reason given"
        super().__init__(
            f"Amazon denied the call ({status} {amazon_code}): {said}",
            facts={
                "status": status,
                "amazon_code": amazon_code,
                "amazon_message": message,
                "details": details,
                "amazon_request_id": request_id,
            },
        )


# --- us -------------------------------------------------------------------------------------


class OurError(EvergrantError):
    blame = Blame.US


class Misconfigured(OurError):
    """``setting`` is the name of the environment variable."""

    code = "misconfigured"
    default_message = "A setting is missing or wrong."

    def __init__(self, setting: str, message: str, *, hint: str | None = None) -> None:
        self.setting = setting
        super().__init__(f"{setting}: {message}", hint=hint, facts={"setting": setting})


class SealBroken(OurError):
    code = "seal_broken"
    default_message = "A sealed value does not open: wrong key, or the row was tampered with."


class StoreUnavailable(OurError):
    code = "store_unavailable"
    permanent = False
    default_message = "The database does not answer."


class ProviderUnavailable(OurError):
    code = "provider_unavailable"
    permanent = False
    default_message = "The identity provider does not answer."


class NotDelivered(OurError):
    """A mail or webhook did not go out. ``permanent`` decides between retry and giving up."""

    code = "not_delivered"
    default_message = "The message could not be delivered."

    def __init__(
        self, message: str, *, permanent: bool, facts: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message, facts=facts)
        self.permanent = permanent
