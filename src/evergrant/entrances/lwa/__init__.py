"""The LWA-compatible door: ``POST /auth/o2/token``, for programs that only know Login with Amazon.

Any SDK gets its access tokens here by changing one address. Where it wants the client secret it is
given an API key (``egk_…``), where it wants a refresh token a connection key (``egc_…``); nothing
of Amazon's is ever in its hands. For grantless tokens the client id is the application's id with us
(``app_…``).

Answers for: LWA's own shapes, refusals included, so that an SDK reacts as it would at Amazon. Does
not answer for: authorization codes; consent runs through the reception.

Much-used SDKs keep an access token for 3,200 seconds and do not look at ``expires_in``
(python-amazon-sp-api does). So this door hands out no token that lives shorter, except when LWA is
down and an older one is all there is.
"""

from evergrant.entrances.lwa.door import SDK_CACHE_S, LwaDoor, build

__all__ = ["SDK_CACHE_S", "LwaDoor", "build"]
