"""What every submission of a vendor has in common at the door: read, checked, taken, 202.

Answers for: the two shapes of the answer (`payload.transactionId` in retail and the v1 APIs, a bare
`transactionId` in the 2021 ones) and the 400 for a body that cannot be taken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.apis.operations import Call, Denied, Said
from amazon_emulator.trade.vendors.bodies import Body, Incomplete, check_depth
from amazon_emulator.trade.vendors.direct import VendorDirect
from amazon_emulator.trade.vendors.errand import Errand
from amazon_emulator.trade.vendors.transactions import VendorTransactions

__all__ = [
    "DIRECT_ROLES",
    "RETAIL_ROLES",
    "Span",
    "always",
    "bare",
    "instants",
    "only_direct",
    "read_body",
    "truth",
    "within",
    "wrapped",
]

Span = tuple[datetime | None, datetime | None]

# Amazon's page 'role-mappings'.
RETAIL_ROLES = ("Amazon Fulfillment", "Inventory and Order Tracking")
DIRECT_ROLES = ("Direct-to-Consumer Shipping",)


def wrapped(errand: Errand, **more: str) -> Callable[[Call], Said]:
    """The answer of a submission, `{"payload": {"transactionId": ...}}`. ``more``: names of path
    parameters that belong to the content, by their name there."""
    return lambda call: Said(202, {"payload": {"transactionId": _submit(call, errand, more)}})


def bare(errand: Errand, **more: str) -> Callable[[Call], Said]:
    """The answer of a submission, `{"transactionId": ...}`."""
    return lambda call: Said(202, {"transactionId": _submit(call, errand, more)})


def _submit(call: Call, errand: Errand, more: dict[str, str]) -> str:
    if errand.family != "retail":
        only_direct(call)
    content = {**call.json(), **{name: call.path[where] for name, where in more.items()}}
    read_body(content, errand.check)
    transactions = call.stage.of(VendorTransactions)
    made = transactions.submit(call.stage, call.partner, errand, content, call.now)
    return made.transaction_id


def read_body(content: dict[str, Any], check: Callable[[Body], Any]) -> Body:
    """Raises Denied for what Amazon refuses at once."""
    body = Body(content)
    try:
        check_depth(content)
        check(body)
    except Incomplete as error:
        raise Denied.invalid(str(error)) from None
    return body


def only_direct(call: Call) -> None:
    """Raises Denied for vendors that take no part in direct fulfillment."""
    if not call.stage.of(VendorDirect).takes_part(call.partner):
        raise Denied.access("")


def always(call: Call) -> bool:
    """For operations that give personal data and nothing else."""
    return True


def truth(call: Call, name: str, default: bool) -> bool:
    """A parameter that is true or false. Raises Denied."""
    text = call.choice(name, ("true", "false", "True", "False"))
    return default if text is None else text.lower() == "true"


def within(instant: datetime | None, span: Span) -> bool:
    """Whether it lies between both ends, where given, these included; without ends
    everything does."""
    start, end = span
    if start is None and end is None:
        return True
    if instant is None:
        return False
    return (start is None or instant >= start) and (end is None or instant <= end)


def instants(call: Call, after: str, before: str, *, longest: timedelta | None = None) -> Span:
    """Both ends of a span of time, where given. Raises Denied when they are in the wrong order or
    farther apart than ``longest``."""
    start, end = call.instant(after), call.instant(before)
    if start and end and start > end:
        raise Denied.invalid(f"'{after}' must not be later than '{before}'")
    if longest and start and end and end - start > longest:
        raise Denied.invalid(
            f"The date range between '{after}' and '{before}' must not exceed {longest.days} days"
        )
    return start, end
