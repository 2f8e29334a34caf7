"""Amazon's Selling Partner API in a box: consent pages, Login with Amazon, SP-API, and levers.

    from amazon_emulator import Emulator

    with Emulator(gentle=True) as amazon:
        shop = amazon.levers.partner("seller", home="DE")
        print(amazon.addresses["eu"])

All state is in memory. Nothing that it issues is worth anything at Amazon, and it refuses what
looks like a real credential.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amazon_emulator.levers import LeverError, Levers
    from amazon_emulator.server import Emulator, NotLoopback

__all__ = ["Emulator", "LeverError", "Levers", "NotLoopback"]
__version__ = "0.6.0"

# Imported when first asked for: pytest loads the plug-in in suites that never use the emulator.
_HOMES = {
    "Emulator": "amazon_emulator.server",
    "LeverError": "amazon_emulator.levers",
    "Levers": "amazon_emulator.levers",
    "NotLoopback": "amazon_emulator.server",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
