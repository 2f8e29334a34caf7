"""Application Management API 2023-11-30: rotateApplicationClientSecret (Amazon's model).

The answer is 204 without a body; the new secret comes by the application's queue and by nothing
else. If that message is lost, so is the secret, as at Amazon.
"""

from __future__ import annotations

from amazon_emulator.apis.operations import Call, Denied, Operation, Said
from amazon_emulator.trade.queues import rotation

__all__ = ["OPERATIONS", "rotate_application_client_secret"]


def rotate_application_client_secret(call: Call) -> Said:
    """Raises Denied. A body is neither needed nor read; Amazon's sample sends `{}`."""
    try:
        rotation.rotate(call.stage, call.application, call.now)
    except rotation.NotNow as refusal:
        raise Denied.invalid(str(refusal)) from None
    return Said(204)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "rotateApplicationClientSecret",
        "POST",
        "/applications/2023-11-30/clientSecret",
        (),
        (),
        rotate_application_client_secret,
        "sellingpartnerapi::client_credential:rotation",
    ),
)
