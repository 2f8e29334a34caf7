"""The pages of the console, one module for each noun, with its own table ``DOORS``.

Answers for: nothing by itself; a module that stands here is found. Does not answer for: order.
"""

from __future__ import annotations

__all__: list[str] = []
