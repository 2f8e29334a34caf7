"""Gzip that comes in pieces, whole, in several members, or not to its end."""

from __future__ import annotations

import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.rules.unpacking import PIECE_BYTES, BadPacking, Unpacking


def unpacked(pieces: list[bytes], *, packed: bool = True) -> list[bytes]:
    unpacking = Unpacking(packed=packed)
    found = [plain for piece in pieces for plain in unpacking.feed(piece)]
    return found + list(unpacking.end())


def cut(text: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in itertools.pairwise(marks)]


@given(
    members=some.lists(some.binary(max_size=2_000), min_size=1, max_size=3),
    places=some.lists(some.integers(0, 10_000), max_size=8),
)
def test_wherever_it_is_cut_the_same_comes_out(members: list[bytes], places: list[int]) -> None:
    packed = b"".join(gzip.compress(one) for one in members)
    assert b"".join(unpacked(cut(packed, places))) == b"".join(members)


@given(text=some.binary(max_size=500), left=some.integers(1, 20))
def test_what_broke_off_is_told(text: bytes, left: int) -> None:
    packed = gzip.compress(text)
    kept = packed[: max(len(packed) - left, 3)]
    with pytest.raises(BadPacking):
        unpacked([kept])


@given(text=some.binary(max_size=300))
def test_what_is_not_packed_passes_as_it_is(text: bytes) -> None:
    assert b"".join(unpacked([text[:1], text[1:]], packed=False)) == text
    if not text.startswith(b"\x1f\x8b"):
        assert b"".join(unpacked([text[:1], text[1:]])) == text, "unpacked on its way"


def test_a_little_that_holds_very_much_comes_in_pieces() -> None:
    pieces = unpacked([gzip.compress(b"\0" * 20_000_000)])
    assert sum(map(len, pieces)) == 20_000_000
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_padding_behind_the_end_is_no_harm_and_noise_is() -> None:
    assert unpacked([gzip.compress(b"x") + b"\0" * 64]) == [b"x"]
    with pytest.raises(BadPacking):
        unpacked([gzip.compress(b"x") + b"noise"])
