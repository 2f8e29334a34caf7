"""What the gate is asked, what it gives leave for, and what it is told afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from evergrant.calls.lines import Permit
from evergrant.errors import Flaw, InvalidInput
from evergrant.ports.budgets import Share
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Region
from evergrant.rules.operations import Operation
from evergrant.rules.secrecy import Secret

__all__ = ["NOT_SENT", "Asked", "Leave", "Outcome"]

#: ``Outcome.error`` of a call that had leave and was never made: its permit goes back.
NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call that somebody wants to make. ``path`` and ``query`` (without ``?``) are as they were
    sent, encoded."""

    account_id: str
    method: str
    path: str
    query: str = ""
    #: Of a restricted data token that the caller named; None: it named none.
    data_elements: frozenset[str] | None = None
    ready_to_wait_s: float | None = None  # None: as the settings say
    importance: Importance = Importance.LAST
    #: Of a feed or report that is asked for: Amazon limits some types by themselves.
    kind: str = ""
    request_id: str = ""

    def patience_s(self, usual_s: float, longest_s: float) -> float:
        """How long it waits for permits. Raises InvalidInput when that is no number of seconds."""
        wished_s = self.ready_to_wait_s
        if wished_s is None:
            return usual_s
        if not 0 <= wished_s < math.inf:
            raise InvalidInput(
                flaws=[Flaw("is no number of seconds.", field="ready_to_wait_s", code="invalid")]
            )
        return min(wished_s, longest_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Leave for one call: to this endpoint, with this access token (or restricted data token, or
    grantless token), now."""

    request_id: str
    account_id: str
    application_id: str
    region: Region
    operation: Operation
    endpoint: str
    access_token: Secret = field(repr=False)
    restricted: bool = False
    shares: tuple[Share, ...] = ()
    waited_s: float = 0.0  # for permits, over all tries of the call
    permits_left: int = 0
    asked: Asked
    #: Tries of this call that went before this one, and for how long they waited for permits.
    repeats: int = 0
    waited_before_s: float = 0.0
    #: The access token was fetched for this call, as Amazon took the former one no more.
    renewed: bool = False
    #: As the gate keeps it; given back when the call is not made after all.
    permit: Permit | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended. ``status`` None: there was no answer."""

    status: int | None
    took_s: float
    reported_rate_per_s: float | None = None  # x-amzn-RateLimit-Limit
    amazon_request_id: str = ""
    error: str = ""  # Amazon's code, or ours; a word for the counts
