"""Who asks at the gateway, in whose name, and what for.

Answers for: the headers in which a program says who it is: an API key (``egk_…``) with an account
or a connection key (``egc_…``), or a pass (``egp_…``) that stands for both; that none of them is
sent twice or contradicts another; and that nothing of Amazon's own is taken for one of ours. Does
not answer for: rights, reach and limits (the gate), or for making passes (``passes``).

A pass opens nothing by itself: the keys that it names are looked at again each time, so that a key
which was revoked takes its passes with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from evergrant.calls.values import Asked
from evergrant.desk import Desk
from evergrant.entrances import problems
from evergrant.errors import Flaw, InvalidInput, NotAllowed, NotAuthenticated
from evergrant.ports.things import ConnectionKey
from evergrant.rules import ids, operations
from evergrant.rules.faults import Fault
from evergrant.rules.rights import Caller
from evergrant.tokens import Pass

__all__ = ["HEADERS", "OURS", "Program", "Programs", "asked", "no_header_of_ours"]

#: Name and value of a header, as ASGI has them.
Header = tuple[bytes, bytes]

_AUTHORIZATION: Final = b"authorization"
_ACCESS_TOKEN: Final = b"x-amz-access-token"
_ACCOUNT: Final = b"x-evergrant-account"
_CONNECTION: Final = b"x-evergrant-connection"
_WAIT: Final = b"x-evergrant-wait"
_ELEMENTS: Final = b"x-evergrant-data-elements"

#: In these a program says who it is and how it wants to be served. None of them goes to Amazon.
HEADERS: Final = (_AUTHORIZATION, _ACCESS_TOKEN, _ACCOUNT, _CONNECTION, _WAIT, _ELEMENTS)

#: So begin all headers of ours.
OURS: Final = b"x-evergrant-"

_API_KEY: Final = "egk_"
_CONNECTION_KEY: Final = "egc_"
_PASS: Final = "egp_"  # noqa: S105 - how one begins
_SECONDS = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,6})?", re.ASCII)
_ELEMENT = re.compile(r"[A-Za-z]{1,64}", re.ASCII)
_MOST_ELEMENTS: Final = 20
_PLACEHOLDER = re.compile(r"\{[^{}/]*\}")

#: For a moment the same headers are the same program: short beside the second within which a
#: revoked key has to stop.
_MOMENT: Final = timedelta(milliseconds=100)
_MOST_KNOWN: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Who asks, and for which account. ``resources`` and ``scope`` are those of its pass;
    ``data_elements`` and ``ready_to_wait_s`` of its headers. ``connection_key_id`` is "" when it
    showed none, ``ends_at`` None when it came without a pass."""

    caller: Caller
    account_id: str
    connection_key_id: str = ""
    resources: tuple[tuple[str, str, tuple[str, ...]], ...] | None = None
    scope: str | None = None
    data_elements: frozenset[str] | None = None
    ready_to_wait_s: float | None = None
    ends_at: datetime | None = None


class Programs:
    """Who stands behind which headers. Whoever was looked at is known for a moment by the clock of
    the house, and never for longer than their pass lives."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._clock = desk.clock
        self._known: dict[tuple[Header, ...], tuple[datetime, Program]] = {}

    def at_hand(self, headers: tuple[Header, ...]) -> Program | None:
        """The program, if all its keys were looked at just now; else None, and `find` says the
        rest. No await. Raises InvalidInput and NotAuthenticated."""
        now = self._clock.now()
        known = self._known.get(headers)
        if known is not None:
            seen_at, found = known
            if seen_at <= now < seen_at + _MOMENT and not _is_over(found, now):
                return found
        program = _at_hand(self._desk, headers)
        return None if program is None else self._noted(headers, program, now)

    async def find(self, headers: tuple[Header, ...]) -> Program:
        """``headers``: those named in HEADERS are read. Raises InvalidInput, NotAuthenticated,
        Misconfigured, StoreUnavailable."""
        now = self._clock.now()
        return self._noted(headers, await _looked_up(self._desk, headers), now)

    def _noted(self, headers: tuple[Header, ...], program: Program, seen_at: datetime) -> Program:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[headers] = (seen_at, program)
        return program


def _is_over(program: Program, now: datetime) -> bool:
    return program.ends_at is not None and program.ends_at <= now


@dataclass(frozen=True, slots=True)
class _Told:
    """The headers, as they were sent: "" is none."""

    credential: str
    account: str
    connection: str
    ready_to_wait_s: float | None
    data_elements: frozenset[str] | None


def _at_hand(desk: Desk, headers: Iterable[Header]) -> Program | None:
    told = _read(headers)
    people = desk.people
    if told.credential.startswith(_PASS):
        shown = desk.tokens.pass_at_hand(told.credential)
        if shown is None or told.connection:
            return None
        caller = people.caller_of_key_at_hand(shown.api_key_id)
        if caller is None:
            return None
        if shown.connection_key_id:
            account_id = people.account_of_connection_at_hand(shown.connection_key_id)
            if account_id != shown.account_id:
                return None
        return _of_pass(shown, caller, told)
    caller = people.caller_at_hand(told.credential)
    if caller is None:
        return None
    if not told.connection:
        return _of_key(caller, told)
    connection = people.connection_at_hand(told.connection)
    if connection is None or caller.client_instance_id or caller.account_ids is not None:
        # Whether a narrowed key reaches the account is nothing that lies at hand.
        return None
    return _of_key(caller, told, connection.account_id, connection.id)


async def _looked_up(desk: Desk, headers: Iterable[Header]) -> Program:
    told = _read(headers)
    people = desk.people
    shown = None
    if told.credential.startswith(_PASS):
        shown = await desk.tokens.read_pass(told.credential)
        caller = await people.caller_of_key(shown.api_key_id)
        if shown.connection_key_id:
            account_id = await people.account_of_connection(shown.connection_key_id)
            if account_id != shown.account_id:
                raise NotAuthenticated("The pass and its connection key contradict each other.")
    else:
        caller = await people.authenticate(told.credential)
    connection = None
    if told.connection:
        connection = await _connection(desk, caller, told.connection)
        if shown is not None and connection.account_id != shown.account_id:
            raise _contradiction("x-evergrant-connection")
    if caller.client_instance_id is not None:
        await desk.registry.note_seen(caller.client_instance_id)
    if shown is not None:
        return _of_pass(shown, caller, told)
    if connection is None:
        return _of_key(caller, told)
    return _of_key(caller, told, connection.account_id, connection.id)


async def _connection(desk: Desk, caller: Caller, text: str) -> ConnectionKey:
    """Somebody else's is none that we know, in the same words, whatever was sent beside it."""
    found = await desk.people.connection_of(text)
    standing = None if found is None else await desk.store.quick.standing(found.account_id)
    if (
        found is None
        or standing is None
        or not caller.reaches_account(found.account_id, standing.client_instance_id)
    ):
        raise NotAuthenticated(
            "The connection key is none that we know, or it is revoked or over.",
            hint="Send 'x-evergrant-connection' with a key that begins with 'egc_'.",
        )
    return found


def asked(program: Program, method: str, path: str, query: str, *, request_id: str = "") -> Asked:
    """What the program asks of the gate. ``path`` and ``query`` as they were sent. Raises
    NotAllowed when its pass is for something else."""
    data_elements = program.data_elements
    if program.resources is not None:
        data_elements = _elements_of(program.resources, method, path)
    if program.scope is not None and operations.find(method, path).scope != program.scope:
        raise NotAllowed(
            f"This pass is for grantless operations of the scope {program.scope}.",
            hint="Everything else is asked for one account, with its connection key.",
        )
    return Asked(
        account_id=program.account_id,
        method=method,
        path=path,
        query=query,
        data_elements=data_elements,
        ready_to_wait_s=program.ready_to_wait_s,
        request_id=request_id,
    )


# --- the headers ----------------------------------------------------------------------------


def _read(headers: Iterable[Header]) -> _Told:
    sent: dict[bytes, str] = {}
    for name, value in headers:
        if name in HEADERS:
            if name in sent:
                # Nobody knows which of the two somebody in between has looked at.
                raise _flaw(name, "is sent twice.", code="duplicate")
            sent[name] = value.decode("latin-1").strip()
    wait = sent.get(_WAIT)
    elements = sent.get(_ELEMENTS)
    return _Told(
        credential=_credential(sent),
        account=_account(sent.get(_ACCOUNT, "")),
        connection=sent.get(_CONNECTION, ""),
        ready_to_wait_s=None if wait is None else _seconds(wait),
        data_elements=None if elements is None else _elements(elements),
    )


def _credential(sent: dict[bytes, str]) -> str:
    """The one API key or pass. SDKs of some years ago sign their requests for AWS as well; that
    says nothing to anybody any longer, and is not looked at."""
    scheme, _, text = sent.get(_AUTHORIZATION, "").partition(" ")
    bearer = text.strip() if scheme.lower() == "bearer" else ""
    in_place_of_amazons = sent.get(_ACCESS_TOKEN, "")
    if bearer and in_place_of_amazons and bearer != in_place_of_amazons:
        raise _flaw(_ACCESS_TOKEN, "contradicts the header 'authorization'.", code="contradiction")
    credential = bearer or in_place_of_amazons
    if not credential:
        raise NotAuthenticated(
            "The gateway needs an API key or a pass, sent once.",
            # In words: a header with a key in it is what scrubbing takes out.
            hint="Send the header 'Authorization' with the word Bearer, a space, and the API key "
            "(it begins with 'egk_'); or get a pass from POST /auth/o2/token of the gateway, as an "
            "SDK does, and send it as 'x-amz-access-token'.",
        )
    if not credential.startswith((_API_KEY, _PASS)):
        raise NotAuthenticated(
            "This is neither an API key nor a pass of Evergrant; it was sent to nobody.",
            hint="A token of Amazon's own has no place here: an SDK gets its pass from POST "
            "/auth/o2/token of the gateway, with an API key as client secret and a connection key "
            "as refresh token.",
        )
    return credential


def _account(text: str) -> str:
    if not text:
        return ""
    try:
        return ids.check(ids.Kind.ACCOUNT, text)
    except Fault as fault:
        raise _flaw(_ACCOUNT, fault.message, code=fault.code, hint=fault.hint) from None


def _seconds(text: str) -> float:
    seconds = float(text) if _SECONDS.fullmatch(text) else math.nan
    if not math.isfinite(seconds):
        raise _flaw(_WAIT, "has to be a number of seconds.", hint="2.5, say; 0 does not wait.")
    return seconds


def _elements(text: str) -> frozenset[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if len(found) > _MOST_ELEMENTS or not all(map(_ELEMENT.fullmatch, found)):
        raise _flaw(
            _ELEMENTS, "is no list of data elements.", hint="buyerInfo,shippingAddress, say."
        )
    return frozenset(found)


# --- who that is ----------------------------------------------------------------------------


def _of_key(
    caller: Caller, told: _Told, account_id: str = "", connection_key_id: str = ""
) -> Program:
    if account_id and told.account and account_id != told.account:
        raise _contradiction("x-evergrant-account")
    account_id = account_id or told.account
    if not account_id:
        if caller.account_ids is None or len(caller.account_ids) != 1:
            raise InvalidInput(
                "The request does not say for which account it is.",
                hint="Send 'x-evergrant-account' (acc_…) or 'x-evergrant-connection' (a connection "
                "key), or use an API key that reaches one account only.",
            )
        (account_id,) = caller.account_ids
    return Program(
        caller=caller,
        account_id=account_id,
        connection_key_id=connection_key_id,
        data_elements=told.data_elements,
        ready_to_wait_s=told.ready_to_wait_s,
    )


def _of_pass(shown: Pass, caller: Caller, told: _Told) -> Program:
    if told.account and told.account != shown.account_id:
        raise _contradiction("x-evergrant-account")
    if shown.resources is not None and told.data_elements is not None:
        raise _contradiction("x-evergrant-data-elements")
    return Program(
        caller=caller,
        account_id=shown.account_id,
        connection_key_id=shown.connection_key_id,
        resources=shown.resources,
        scope=shown.scope,
        data_elements=told.data_elements,
        ready_to_wait_s=told.ready_to_wait_s,
        ends_at=shown.expires_at,
    )


def _elements_of(
    resources: tuple[tuple[str, str, tuple[str, ...]], ...], method: str, path: str
) -> frozenset[str]:
    """Of the resource that this request is one of. A path may be generic, with a name in braces
    where a segment stands."""
    for named_method, named_path, elements in resources:
        if named_method == method and _is_of(path, named_path):
            return frozenset(elements)
    raise NotAllowed(
        "This restricted data token was made for other resources.",
        hint="Name this method and path among the restrictedResources of "
        "createRestrictedDataToken.",
    )


def _is_of(path: str, named: str) -> bool:
    if path == named:
        return True
    if "{" not in named:
        return False
    segments, wanted = path.split("/"), named.split("/")
    return len(segments) == len(wanted) and all(
        mine == theirs or (bool(mine) and _PLACEHOLDER.fullmatch(theirs) is not None)
        for mine, theirs in zip(segments, wanted, strict=True)
    )


def no_header_of_ours(name: bytes) -> InvalidInput:
    """What begins like a header of ours and is none was meant to say something, or to be taken for
    something: such a request goes nowhere. (nginx could not even leave it out.)"""
    known = ", ".join(sorted(one.decode() for one in HEADERS if one.startswith(OURS)))
    return InvalidInput(
        flaws=[
            Flaw(
                "is no header of Evergrant's.",
                field=problems.shown_name(name.decode("latin-1")),
                code="unknown",
                hint=f"It knows: {known}.",
            )
        ]
    )


def _contradiction(header: str) -> InvalidInput:
    return InvalidInput(
        flaws=[
            Flaw(
                "contradicts the other headers, which name another account or resource.",
                field=header,
                code="contradiction",
                hint="Leave it out: the pass or connection key says it already.",
            )
        ]
    )


def _flaw(
    header: bytes, message: str, *, code: str = "invalid", hint: str | None = None
) -> InvalidInput:
    return InvalidInput(flaws=[Flaw(message, field=header.decode(), code=code, hint=hint)])
