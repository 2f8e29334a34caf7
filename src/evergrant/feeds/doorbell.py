"""The doorbell, as the kitchen's stations name it.

Answers for: nothing of its own. Does not answer for: the doorbell (``evergrant.doorbell``), which
hangs further down the street, where switches and authorizations change.
"""

from __future__ import annotations

from evergrant.doorbell import put_due

__all__ = ["put_due"]
