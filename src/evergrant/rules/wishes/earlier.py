"""What was wished before, in the same batch or an earlier one: what that makes of a line.

Answers for: which lines are taken, which say again what is known, which are overtaken by a later
line, which contradict an earlier one, and which earlier wishes they take the place of. Does not
answer for: knowing the earlier wishes (the kitchen's hatch), or for what a line means (readers).

Refunds, cancellations and invoices happen once. Money that leaves twice does not come back, so the
same key again is never taken while the earlier one may still reach Amazon or has reached it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from evergrant.rules.changes import STATE_SETTING, ChangeKind, ChangeState
from evergrant.rules.wishes.ground import Wish

__all__ = ["KEY_FIELDS", "ONCE", "STANDING", "Earlier", "LineFate", "Verdict", "judged"]

#: They happen once for one key.
ONCE = frozenset({ChangeKind.INVOICE, ChangeKind.CANCELLATION, ChangeKind.REFUND})
#: The field of a line that its key comes from.
KEY_FIELDS: Mapping[ChangeKind, str] = {
    ChangeKind.STOCK: "sku",
    ChangeKind.PRICE: "sku",
    ChangeKind.SHIPMENT: "package",
    ChangeKind.INVOICE: "invoice_number",
    ChangeKind.CANCELLATION: "order_id",
    ChangeKind.REFUND: "reference",
}
#: What is in one of these states may reach Amazon, or has.
STANDING = frozenset(
    {
        ChangeState.PENDING,
        ChangeState.IN_FLIGHT,
        ChangeState.ACCEPTED,
        ChangeState.UNCERTAIN,
    }
)


class LineFate(StrEnum):
    """What becomes of one line of a batch."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"  # the same was handed in before; nothing is added
    SUPERSEDED = "superseded"  # a later line of the batch says it anew
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A wish that was handed in before; the oldest of a key comes first."""

    id: str
    state: ChangeState
    marketplace_id: str
    subject: str
    wish: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``of``: the earlier change that a duplicate repeats or that a refused line contradicts;
    ``of_line``: the line of the batch that does so, or that overtakes a superseded one."""

    line: int
    fate: LineFate
    of: str = ""
    of_line: int = 0


def judged(
    wishes: Iterable[tuple[int, Wish]],
    earlier: Mapping[tuple[ChangeKind, str], Sequence[Earlier]],
) -> list[Verdict]:
    """One verdict for each (line, wish), in the order of lines. ``earlier``: by kind and key."""
    ordered = sorted(wishes, key=lambda pair: pair[0])
    last = {_slot(wish): line for line, wish in ordered if wish.kind not in ONCE}
    first: dict[tuple[ChangeKind, str], tuple[int, Wish]] = {}
    verdicts = []
    for line, wish in ordered:
        known = earlier.get((wish.kind, wish.key), ())
        if wish.kind not in ONCE:
            verdicts.append(_as_it_is_to_be(line, wish, known, last[_slot(wish)]))
            continue
        verdict = _once(line, wish, known)
        if verdict.fate is LineFate.TAKEN:
            of_line, same = first.setdefault((wish.kind, wish.key), (line, wish))
            if of_line != line:
                fate = LineFate.DUPLICATE if _content(same) == _content(wish) else LineFate.REFUSED
                verdict = Verdict(line=line, fate=fate, of_line=of_line)
        verdicts.append(verdict)
    return verdicts


def _as_it_is_to_be(line: int, wish: Wish, known: Sequence[Earlier], last: int) -> Verdict:
    """Only the last word counts. A package that is known as it is needs no second word."""
    if last != line:
        return Verdict(line=line, fate=LineFate.SUPERSEDED, of_line=last)
    here = [one for one in known if one.marketplace_id == wish.marketplace_id]
    if wish.kind not in STATE_SETTING and here:
        newest = here[-1]
        if newest.state in STANDING and _content(newest) == _content(wish):
            return Verdict(line=line, fate=LineFate.DUPLICATE, of=newest.id)
    return Verdict(line=line, fate=LineFate.TAKEN)


def _once(line: int, wish: Wish, known: Sequence[Earlier]) -> Verdict:
    standing = [one for one in known if one.state in STANDING]
    same = [one for one in standing if _content(one) == _content(wish)]
    if same:
        return Verdict(line=line, fate=LineFate.DUPLICATE, of=same[-1].id)
    if standing:
        return Verdict(line=line, fate=LineFate.REFUSED, of=standing[-1].id)
    return Verdict(line=line, fate=LineFate.TAKEN)


def _slot(wish: Wish) -> tuple[ChangeKind, str, str]:
    return wish.kind, wish.marketplace_id, wish.key


def _content(one: Wish | Earlier) -> tuple[str, str, Mapping[str, Any]]:
    return one.marketplace_id, one.subject, one.wish
