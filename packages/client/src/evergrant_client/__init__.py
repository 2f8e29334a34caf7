"""Amazon's Selling Partner API with nothing but a key of Evergrant.

::

    from evergrant_client import Evergrant

    evergrant = Evergrant("https://connect.house.example", api_key)

    # straight to Amazon, with access tokens from Evergrant
    with httpx2.Client(base_url=AMAZON, auth=evergrant.auth(account_id)) as amazon:
        amazon.get("/sellers/v1/marketplaceParticipations")

    # through the gateway: no token of Amazon comes here, and its limits are kept
    gateway = evergrant.gateway(account_id)
    with httpx2.Client(base_url=gateway.url, auth=gateway) as amazon:
        amazon.get("/sellers/v1/marketplaceParticipations")

The same ``auth`` works in an ``httpx2.AsyncClient``. For httpx, requests and the two Python SDKs
see ``evergrant_client.httpx``, ``evergrant_client.requests`` and ``evergrant_client.sdks``.
"""

from evergrant_client.client import Evergrant, EvergrantAuth, GatewayAuth
from evergrant_client.protocol import AccessToken, Problem, Unreachable, Unreadable
from evergrant_client.retries import NO_RETRIES, Retries

__all__ = [
    "NO_RETRIES",
    "AccessToken",
    "Evergrant",
    "EvergrantAuth",
    "GatewayAuth",
    "Problem",
    "Retries",
    "Unreachable",
    "Unreadable",
    "__version__",
]

__version__ = "0.6.0"
