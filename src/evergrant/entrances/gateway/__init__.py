"""The gateway: Amazon's own paths, with a key of ours instead of Amazon's access token."""

from __future__ import annotations

__all__: list[str] = []
