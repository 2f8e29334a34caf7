"""A vendor's submission and its transaction: what all seven have in common.

Answers for: the two shapes of the 202, what a transaction that ended says about each change of a
batch, and finding the change that an error means. Does not answer for: what is submitted
(``retail``, ``direct``), or for when Amazon is looked at again, and for how long (the runs).

Amazon judges a submission as a whole. When one of several is at fault and the errors do not name it
without doubt, all go back to wait with the code ``alone``, and each goes in a run of its own: then
its errors are its own, and nobody pays for another's.

Sources: Amazon's models vendor transaction status v1 and direct fulfillment transactions 2021-12-28
(Processing, Success, Failure; errors as a list, or as an object with a list).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from evergrant.feeds.kinds import ApiCall, Ground, Looked, Reading
from evergrant.feeds.kinds.answers import Said, again, is_about_request, json_of, refused, said
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import Change, FeedRun, Outcome
from evergrant.rules.changes import ChangeState
from evergrant.rules.received_text import printable
from evergrant.rules.wishes.vendors import ALONE, ASKED_BEFORE

__all__ = [
    "DIRECT_TRANSACTIONS",
    "RETAIL_TRANSACTIONS",
    "VendorTransaction",
    "body_of",
    "in_order",
    "instant",
    "money",
    "part",
    "party",
    "product",
]

RETAIL_TRANSACTIONS = "/vendor/transactions/v1/transactions"
DIRECT_TRANSACTIONS = "/vendor/directFulfillment/transactions/2021-12-28/transactions"

#: Shorter names of changes are met by chance in a sentence.
_SHORTEST_NAME = 4
_LONGEST_WORDS = 2_000
_LONGEST_CODE = 100
_KNOWN_ALREADY = re.compile(r"duplicat|already|\bbefore\b|not unique|\bused\b", re.IGNORECASE)
#: A rejection closes an order: who asks again, as the answer was lost, hears that it is closed.
_CLOSED = re.compile(r"\bclosed\b", re.IGNORECASE)
_NOT_READY = re.compile(r"not accepted", re.IGNORECASE)
_WHY_ALONE = "A submission of several was refused, and not surely for this one: it goes alone now."


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorTransaction:
    """One operation. ``path``: where it is submitted; ``body``: of the changes, in order;
    ``names``: what Amazon may name a change by; ``at``: where its transactions are looked at;
    ``shared``: names that all changes of a submission have in common; ``once``: told twice, Amazon
    answers the second time that it knows it."""

    path: Callable[[FeedRun, Sequence[Change]], str]
    body: Callable[[Ground, FeedRun, Sequence[Change]], Mapping[str, Any]]
    names: Callable[[Change], Iterable[str]]
    at: str
    shared: Callable[[Change], Iterable[str]] = lambda change: ()
    once: bool = True

    def submission(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> ApiCall:
        ordered = in_order(changes)
        return ApiCall(
            method="POST",
            path=self.path(run, ordered),
            body=body_of(self.body(ground, run, ordered)),
        )

    def transaction_id(self, answer: Answer) -> str:
        """Of a 2xx, from either shape; "" when it holds none."""
        told = json_of(answer)
        payload = told.get("payload") if isinstance(told, Mapping) else None
        for holder in (payload, told):
            if isinstance(holder, Mapping):
                found = holder.get("transactionId")
                if isinstance(found, str) and found.strip():
                    return found.strip()
        return ""

    def refused(self, changes: Sequence[Change], answer: Answer) -> Reading:
        words = said(answer)
        if not is_about_request(answer.status):
            return again(words)
        if len(changes) == 1:
            return refused(changes, words)
        return Reading(outcomes=tuple(_alone(one, words) for one in changes), said=str(words))

    def look(self, ground: Ground, run: FeedRun) -> ApiCall:
        return ApiCall(method="GET", path=f"{self.at}/{quote(run.feed_id, safe='')}")

    def looked(
        self, ground: Ground, run: FeedRun, changes: Iterable[Change], answer: Answer
    ) -> Looked:
        ordered = in_order(changes)
        status, faults = _transaction(answer)
        if status == "Success":
            return Looked(over=True, status=status, outcomes=tuple(map(_accepted, ordered)))
        if status == "Failure":
            ends = tuple(self._failed(run, ordered, faults))
            return Looked(over=True, status=status, outcomes=ends)
        return Looked(over=False, status=status)

    # --- a failure ---

    def _failed(
        self, run: FeedRun, changes: Sequence[Change], faults: Sequence[Said]
    ) -> Iterator[Outcome]:
        words = faults or [Said(code="Failure", message="Amazon gave no reason.")]
        if not changes:
            return  # somebody else, or a process that died then, has settled them all
        if len(changes) == 1:
            yield self._blamed(run, changes[0], words)
            return
        guilty = self._guilty(changes, words)
        for one in changes:
            mine = guilty.get(one.id)
            if mine:
                yield self._blamed(run, one, mine)
            else:
                yield _alone(one, words[0], asked=_asked(run, one))

    def _blamed(self, run: FeedRun, change: Change, faults: Sequence[Said]) -> Outcome:
        first = faults[0]
        words = (
            first.message if len(faults) == 1 else f"{first.message} (and {len(faults) - 1} more)"
        )
        state = ChangeState.REFUSED
        if self.once and _asked(run, change) and all(map(_is_known_already, faults)):
            if not any(map(_is_ambiguous, faults)):
                return Outcome(
                    change_id=change.id,
                    state=ChangeState.ACCEPTED,
                    code="duplicate",
                    message=f"An earlier submission was heard. Amazon: {words}"[:_LONGEST_WORDS],
                )
            state = ChangeState.UNCERTAIN
        if not self.once and _asked(run, change) and any(map(_is_closed, faults)):
            state = ChangeState.UNCERTAIN
        return Outcome(
            change_id=change.id, state=state, code=first.code, message=words[:_LONGEST_WORDS]
        )

    def _guilty(self, changes: Sequence[Change], faults: Sequence[Said]) -> dict[str, list[Said]]:
        """The changes that errors mean; none where a single error leaves a doubt."""
        names = [(name, one.id) for one in changes for name in self.names(one) if _tells(name)]
        shared = {name for name in self.shared(changes[0]) if _tells(name)}
        found: dict[str, list[Said]] = {}
        for fault in faults:
            text = f"{fault.code} {fault.message}"
            meant = {change_id for name, change_id in names if _is_in(name, text)}
            if not meant and any(_is_in(name, text) for name in shared):
                meant = {one.id for one in changes}
            elif len(meant) != 1:
                return {}
            for change_id in meant:
                found.setdefault(change_id, []).append(fault)
        return found


def _tells(name: str) -> bool:
    return len(name) >= _SHORTEST_NAME


def _is_in(name: str, text: str) -> bool:
    """As a word of its own. Most names are not in a text at all."""
    if name not in text:
        return False
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", text) is not None


def _is_known_already(fault: Said) -> bool:
    text = f"{fault.code.replace('_', ' ')} {fault.message}"
    return _KNOWN_ALREADY.search(text) is not None


def _is_closed(fault: Said) -> bool:
    return _CLOSED.search(f"{fault.code.replace('_', ' ')} {fault.message}") is not None


def _is_ambiguous(fault: Said) -> bool:
    return _NOT_READY.search(fault.message) is not None


def _asked(run: FeedRun, change: Change) -> bool:
    """Whether Amazon may have had this change before the submission that is looked at."""
    return bool(run.facts.get("lost")) or change.attribute == ASKED_BEFORE


def _transaction(answer: Answer) -> tuple[str, list[Said]]:
    told = json_of(answer)
    if isinstance(told, Mapping) and isinstance(told.get("payload"), Mapping):
        told = told["payload"]
    shown = told.get("transactionStatus") if isinstance(told, Mapping) else None
    if not isinstance(shown, Mapping):
        return "", []
    status, errors = shown.get("status"), shown.get("errors")
    if isinstance(errors, Mapping):
        errors = errors.get("errors")
    faults = errors if isinstance(errors, list) else []
    known = status if isinstance(status, str) else ""
    return printable(known, _LONGEST_CODE), [
        _said(one) for one in faults if isinstance(one, Mapping)
    ]


def _said(error: Mapping[str, Any]) -> Said:
    code, message, details = (
        value if isinstance(value := error.get(name), str) else ""
        for name in ("code", "message", "details")
    )
    words = " ".join(dict.fromkeys(word for word in (message, details) if word))
    return Said(
        code=printable(code, _LONGEST_CODE) or "Failure",
        message=printable(words) or "Amazon gave no reason.",
    )


# --- ends -----------------------------------------------------------------------------------------


def _accepted(change: Change) -> Outcome:
    return Outcome(change_id=change.id, state=ChangeState.ACCEPTED)


def _alone(change: Change, words: Said, *, asked: bool = False) -> Outcome:
    return Outcome(
        change_id=change.id,
        state=ChangeState.PENDING,
        code=ALONE,
        message=f"{_WHY_ALONE} Amazon: {words}"[:_LONGEST_WORDS],
        attribute=ASKED_BEFORE if asked else "",
    )


# --- documents ------------------------------------------------------------------------------------


def in_order(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda one: (one.message_id or 0, one.id))


def body_of(content: Mapping[str, Any]) -> bytes:
    return json.dumps(part(content), separators=(",", ":")).encode("ascii")


def part(content: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not given, at any depth."""
    found = {name: _kept(value) for name, value in content.items()}
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return part(value)
    return [_kept(one) for one in value] if isinstance(value, list) else value


def instant(ground: Ground) -> str:
    return ground.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def product(item: Mapping[str, Any], buyer: str) -> dict[str, Any]:
    """``buyer``: how the operation calls Amazon's own name of the thing."""
    return {buyer: item.get("asin"), "vendorProductIdentifier": item.get("sku")}


def money(wish: Mapping[str, Any], amount: str | None) -> dict[str, str] | None:
    return {"amount": amount, "currencyCode": wish["currency"]} if amount else None


_ADDRESS = {
    "name": "name",
    "address_line1": "addressLine1",
    "address_line2": "addressLine2",
    "address_line3": "addressLine3",
    "city": "city",
    "county": "county",
    "district": "district",
    "state": "stateOrRegion",
    "country_code": "countryCode",
    "phone": "phone",
}


def party(
    wish: Mapping[str, Any], role: str, default: str = "", *, postal: str = "postalCode"
) -> dict[str, Any] | None:
    """As most operations want it. None: the wish names no such party and there is no default."""
    given = wish.get("parties", {}).get(role, {})
    party_id = given.get("id") or default
    if not party_id:
        return None
    address, tax = given.get("address", {}), given.get("tax")
    return {
        "partyId": party_id,
        "address": {
            **{theirs: address.get(ours) for ours, theirs in _ADDRESS.items()},
            postal: address.get("postal_code"),
        },
        "taxRegistrationDetails": tax
        and [{"taxRegistrationType": tax["type"], "taxRegistrationNumber": tax["number"]}],
    }
