"""The gateway: Amazon's own paths, with a key of ours instead of Amazon's access token.

An SDK changes two addresses: that of Login with Amazon, where it gets a pass, and that of the
Selling Partner API. Everything else stays, answers and errors of Amazon's included.
"""

from __future__ import annotations

from evergrant.entrances.gateway.door import GatewayDoor, build

__all__ = ["GatewayDoor", "build"]
