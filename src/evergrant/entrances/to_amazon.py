"""Off to Amazon's consent page, from whichever door.

Answers for: where a form may lead whose answer sends the browser there, and the redirect itself.
Does not answer for: the address (the reception makes it), or for the cookie (``visitor``).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.responses import Response

from evergrant.rules.marketplaces import Marketplaces

__all__ = ["form_targets", "onward"]


#: Amazon's own part of a host's name: of ``sellercentral.amazon.co.jp`` it is ``amazon.co.jp``.
_OF_AMAZON = re.compile(r"(?:^|\.)(amazon(?:\.[a-z]{2,3}){1,2})$")


def form_targets(marketplaces: Marketplaces) -> tuple[str, ...]:
    """For ``form-action`` of a Content-Security-Policy: ourselves, and Amazon's hosts of the table
    of marketplaces, those of an operator included.

    Chromium holds a form's whole chain of redirects against this list, and who is not signed in
    at Amazon is sent on to its sign-in, which stands on other hosts of the same domain
    (``www.amazon.co.jp``). So it is the domain of each central; a host outside of Amazon's domains
    (``www.vendorcentral.in``, an emulator) is named as it is."""
    found = set()
    for origin in marketplaces.central_origins(None):
        parts = urlsplit(origin)
        own = _OF_AMAZON.search(parts.hostname or "")
        own_port = parts.port is not None
        if own is None or own_port or parts.scheme != "https":
            found.add(origin)
        else:
            found.add(f"https://*.{own[1]}")
    return ("'self'", *sorted(found))


def onward(location: str) -> Response:
    """303, and the address exactly as it was made: ``amazon_state`` has to survive byte by byte."""
    return Response(status_code=303, headers={"location": location})
