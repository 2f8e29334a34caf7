"""Restricted operations, and what a restricted data token opens."""

from __future__ import annotations

from amazon_emulator.asking import Asking
from amazon_emulator.faces.selling_partner_api.operations import Denied
from amazon_emulator.stage import Stage
from amazon_emulator.world import AccessToken

__all__ = ["admit"]


def admit(
    stage: Stage, token: AccessToken, method: str, template: str, asking: Asking
) -> frozenset[str]:
    """The data elements that this token opens at this operation. Raises Denied."""
    if token.resources:
        raise Denied.access("")
    return frozenset()
