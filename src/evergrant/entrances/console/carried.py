"""A file on its way from the preview to the taking: carried by the page itself.

Answers for: packing it into fields of a form, and getting it out of them again within a limit. Does
not answer for: what is in it.

The console keeps no file between the two: what a shop sells and pays back lies nowhere that
somebody would have to clean up, nodes share nothing, and a restart in between loses nothing. So the
page carries it, packed, and the key of the preview makes the taking happen once.
"""

from __future__ import annotations

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from evergrant.errors import Flaw, InvalidInput

__all__ = ["packed", "unpacked"]

#: Characters of one field.
_PIECE = 200_000


def packed(content: bytes) -> tuple[str, ...]:
    text = urlsafe_b64encode(zlib.compress(content, 6)).decode()
    return tuple(text[at : at + _PIECE] for at in range(0, len(text), _PIECE))


def unpacked(pieces: Sequence[str], most: int) -> bytes:
    """Raises InvalidInput where it is not what ``packed`` made, or holds more than ``most``."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(urlsafe_b64decode("".join(pieces)), most)
    except (binascii.Error, ValueError, zlib.error):
        raise _broken() from None
    if not unpacking.eof or unpacking.unused_data:
        raise _broken()
    return content


def _broken() -> InvalidInput:
    return InvalidInput(
        flaws=[
            Flaw(
                "The file did not come back as it went out.", code="broken", hint="Choose it anew."
            )
        ]
    )
