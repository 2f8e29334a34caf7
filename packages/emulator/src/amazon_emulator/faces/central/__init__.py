"""Seller Central and Vendor Central, as far as authorizing an application goes.

Answers for: the pages and redirects. What may be consented to is decided in `consent`; who is
signed in, in `sessions`. The look is the emulator's own and says so on every page.
"""

from __future__ import annotations

from amazon_emulator.faces.central.pages import Central, face

__all__ = ["Central", "face"]
