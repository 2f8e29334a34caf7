"""Amazon's Selling Partner API in a box: consent pages, Login with Amazon, SP-API, and levers.

    from amazon_emulator import Emulator

    with Emulator(gentle=True) as amazon:
        shop = amazon.levers.partner("seller", home="DE")
        print(amazon.addresses["eu"])

All state is in memory. Nothing that it issues is worth anything at Amazon, and it refuses what
looks like a real credential.
"""

from amazon_emulator.levers import LeverError, Levers
from amazon_emulator.server import Emulator, NotLoopback

__all__ = ["Emulator", "LeverError", "Levers", "NotLoopback"]
__version__ = "0.1.0"
