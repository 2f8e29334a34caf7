"""Documents as they come: packed, marked, wrongly declared, cut off."""

from __future__ import annotations

import codecs
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.rules import received_text
from evergrant.rules.faults import Fault
from evergrant.rules.received_text import printable, text_of, unpacked

WORDS = '<?xml version="1.0"?><a>Größe: 5 €</a>'
LATIN = "<a>Größe – drei Äpfel</a>"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
        (b"", "utf-32-le"),
        (b"", "utf-32-be"),
    ],
)
@pytest.mark.parametrize(
    "claim", ["", "text/xml; charset=iso-8859-1", "text/xml; charset=nonsense"]
)
def test_marks_and_zeroes_win_over_claims(mark: bytes, encoding: str, claim: str) -> None:
    assert text_of(mark + WORDS.encode(encoding), claim) == WORDS


@pytest.mark.parametrize(
    ("declared", "content_type", "written"),
    [
        ("iso-8859-1", "", "cp1252"),  # what those who say so often mean
        ("ISO-8859-15", "", "iso-8859-15"),
        ("", 'text/xml; charset="ISO-8859-2"', "iso-8859-2"),
        ("UTF-8", "", "cp1252"),
        ("utf-16", "text/xml; charset=utf-16", "cp1252"),
        ("shift_jis", "", "shift_jis"),
        ("zlib", "text/xml; charset=unicode_escape", "cp1252"),  # codecs that are no encodings
        ("", "", "cp1252"),
    ],
)
def test_a_claim_counts_where_it_fits(declared: str, content_type: str, written: str) -> None:
    words = "商品が見つかりません" if written == "shift_jis" else "Größe"
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    text = f"{head}<a>{words}</a>"
    assert text_of(text.encode(written), content_type) == text


def test_a_wrong_claim_does_not_spoil_utf_8() -> None:
    text = f'<?xml version="1.0" encoding="iso-8859-1"?>{LATIN}'
    assert text_of(text.encode(), "text/xml; charset=iso-8859-1") == text


def test_what_no_encoding_knows_is_text_all_the_same() -> None:
    assert text_of(b"\x81\x8d") == "\x81\x8d"


@pytest.mark.parametrize("padding", ["\0", "\x1a", "\r\n", " \t", "\0\0\r\n"])
def test_padding_is_none_of_it(padding: str) -> None:
    for around in ("{}", f"{padding}{{}}", f"{{}}{padding}", f"{padding}{{}}{padding}"):
        assert text_of(around.encode()) == "{}"


def test_packed_once_or_twice() -> None:
    raw = WORDS.encode()
    assert text_of(gzip.compress(raw)) == WORDS
    assert text_of(gzip.compress(gzip.compress(raw))) == WORDS
    assert unpacked(gzip.compress(b"one ") + gzip.compress(b"two")) == b"one two"


def test_what_follows_a_whole_packing_is_padding() -> None:
    assert text_of(gzip.compress(WORDS.encode()) + b"\0" * 512 + b"tail") == WORDS


def test_a_packing_that_was_cut_off() -> None:
    packed = gzip.compress(WORDS.encode() * 20)
    for length in range(2, len(packed)):
        with pytest.raises(Fault) as caught:
            unpacked(packed[:length])
        assert caught.value.code == "cut_off"


def test_a_packing_that_is_broken() -> None:
    packed = bytearray(gzip.compress(WORDS.encode()))
    packed[-5] ^= 0xFF  # its checksum
    with pytest.raises(Fault) as caught:
        unpacked(bytes(packed))
    assert caught.value.code == "broken_packing"


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b"\0" * 20_000_000) + packer.flush()
    with pytest.raises(Fault) as caught:
        unpacked(bomb, at_most=100_000)
    assert caught.value.code == "too_large"
    with pytest.raises(Fault) as caught:
        unpacked(gzip.compress(b"x" * 60_000) * 2, at_most=100_000)
    assert caught.value.code == "too_large"
    with pytest.raises(Fault) as caught:
        unpacked(b"x" * 100_001, at_most=100_000)
    assert caught.value.code == "too_large"
    assert received_text.LONGEST_DOCUMENT > 10 * 1024 * 1024, "reports of whole feeds fit"


@given(some.binary(max_size=400), some.text(max_size=30))
def test_bytes_are_never_a_fault_of_their_encoding(content: bytes, claim: str) -> None:
    try:
        text = text_of(content, f"text/xml; charset={claim}")
    except Fault:
        assert content.startswith(b"\x1f\x8b")
    else:
        text.encode()  # no halves of characters


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("  two \r\n lines\t", "two lines"),
        ("nul\0 and bell\a", "nul\ufffd and bell\ufffd"),
        ("half \ud800", "half \ufffd"),
        ("turned \u202e round", "turned \ufffd round"),
        ("", ""),
    ],
)
def test_one_printable_line(given_: str, shown: str) -> None:
    assert printable(given_) == shown


def test_a_line_has_an_end() -> None:
    assert printable("x" * 50, 10) == "x" * 9 + "…"
    assert printable("x" * 10, 10) == "x" * 10
