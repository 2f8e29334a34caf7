"""What a caller asks of the mint, judged before anything else.

Answers for: how long a token may be wanted for, and the right that asking takes. Does not answer
for: whose account it is about (the mint).
"""

from __future__ import annotations

from evergrant.errors import Flaw, InvalidInput
from evergrant.rules import terms
from evergrant.rules.rights import Right

__all__ = ["LONGEST_MIN_TTL_S", "check_min_ttl", "right_of"]

LONGEST_MIN_TTL_S = terms.LONGEST_MIN_TTL_S
#: The rights with which the gate may ask in the name of a program.
_OF_CALLS = frozenset({Right.AMAZON_READ, Right.AMAZON_WRITE})


def right_of(for_call: Right | None) -> Right:
    if for_call is None:
        return Right.ACCESS_TOKENS
    if for_call not in _OF_CALLS:
        raise ValueError(f"{for_call} is no right to call Amazon")
    return for_call


def check_min_ttl(min_ttl_s: int) -> None:
    """Raises InvalidInput."""
    if not 0 <= min_ttl_s <= LONGEST_MIN_TTL_S:
        margin_s = int(terms.ACCESS_TOKEN_MARGIN.total_seconds())
        raise InvalidInput(
            flaws=[
                Flaw(
                    f"has to be from 0 to {LONGEST_MIN_TTL_S} seconds.",
                    field="min_ttl",
                    code="out_of_range",
                    hint="Amazon's access tokens live for 3600 seconds, and the last "
                    f"{margin_s} are never handed out.",
                )
            ]
        )
