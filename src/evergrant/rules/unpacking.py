"""Takes gzip apart while it comes.

Answers for: bytes in, plain bytes out, in bounded pieces, several members behind one another, and
for telling a stream that broke off. Does not answer for: where the bytes come from.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

__all__ = ["BadPacking", "Unpacking"]

_MAGIC = b"\x1f\x8b"
#: A packed byte may hold a thousand plain ones: never more of them at a time than this.
PIECE_BYTES = 256 * 1024


class BadPacking(ValueError):
    """It is no gzip, or it broke off."""


class Unpacking:
    """One document. ``packed`` False: its bytes pass as they are. A document that is said to be
    packed and does not begin as gzip was unpacked on its way, and passes as it is."""

    def __init__(self, *, packed: bool) -> None:
        self._packed = packed
        self._known = not packed
        self._head = b""
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Raises BadPacking."""
        if not self._known:
            self._head += piece
            if len(self._head) < len(_MAGIC):
                return
            self._known, piece, self._head = True, self._head, b""
            self._packed = piece.startswith(_MAGIC)
        if not self._packed:
            if piece:
                yield piece
            return
        while piece:
            try:
                plain = self._member.decompress(piece, PIECE_BYTES)
            except zlib.error:
                raise BadPacking from None
            self._begun = True
            if plain:
                yield plain
            if not self._member.eof:
                piece = self._member.unconsumed_tail
                continue
            piece, self._begun = self._member.unused_data, False
            self._member = zlib.decompressobj(wbits=31)
            if piece and not piece.strip(b"\0"):
                return  # padding

    def end(self) -> Iterator[bytes]:
        """What is left. Raises BadPacking when the last member is not whole."""
        if self._head:
            yield self._head
        if self._packed and self._known and self._begun:
            raise BadPacking
