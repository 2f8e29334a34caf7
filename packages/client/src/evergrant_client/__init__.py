"""Access tokens from Evergrant, for programs that call the Selling Partner API.

::

    from evergrant_client import Evergrant

    evergrant = Evergrant("https://connect.house.example", api_key)
    with httpx2.Client(base_url=AMAZON, auth=evergrant.auth(account_id)) as amazon:
        amazon.get("/sellers/v1/marketplaceParticipations")

The same ``auth`` works in an ``httpx2.AsyncClient``. For httpx, requests and the two Python SDKs
see ``evergrant_client.httpx``, ``evergrant_client.requests`` and ``evergrant_client.sdks``.
"""

from evergrant_client.client import Evergrant, EvergrantAuth
from evergrant_client.protocol import AccessToken, Problem, Unreachable, Unreadable

__all__ = [
    "AccessToken",
    "Evergrant",
    "EvergrantAuth",
    "Problem",
    "Unreachable",
    "Unreadable",
    "__version__",
]

__version__ = "0.2.0"
