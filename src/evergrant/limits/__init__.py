"""THE METER. Usage plans, what is left of them, and what was spent.

Answers for: which plans hold for a call (Amazon's, an operator's), every bucket of an account live,
counts of calls, waits, throttles and errors. Does not answer for: taking permits (the gate).
"""

from __future__ import annotations

__all__: list[str] = []
