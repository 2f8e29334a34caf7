"""Off to Amazon's consent page, from whichever door.

Answers for: where a form may lead whose answer sends the browser there, and the redirect itself.
Does not answer for: the address (the reception makes it), or for the cookie (``visitor``).
"""

from __future__ import annotations

from starlette.responses import Response

from evergrant.rules.marketplaces import Marketplaces

__all__ = ["form_targets", "onward"]


def form_targets(marketplaces: Marketplaces) -> tuple[str, ...]:
    """For ``form-action`` of a Content-Security-Policy. Browsers hold a form's whole chain of
    redirects against this list, and Amazon's sign-in wanders over hosts that nobody publishes: any
    https. Hosts that an operator set on plain http (an emulator) are named one by one."""
    plain = sorted(o for o in marketplaces.central_origins(None) if o.startswith("http://"))
    return ("'self'", "https:", *plain)


def onward(location: str) -> Response:
    """303, and the address exactly as it was made: ``amazon_state`` has to survive byte by byte."""
    return Response(status_code=303, headers={"location": location})
