"""Words by which accounts are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.words import LONGEST_WORD, folded, split


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  - ", ()),
        ("Heron Books", ("heron", "books")),
        ("Müller & Söhne GmbH", ("muller", "sohne", "gmbh")),
        ("Straße", ("strasse",)),
        ("ŁÓDŹ Ærø", ("lodz", "aero")),
        ("anna.b@shop-7.example", ("anna", "b", "shop", "7", "example")),
        ("acc_01ABC", ("acc", "01abc")),
        ("A a A", ("a",)),
        ("Ｔｏｋｙｏ　東京", ("tokyo", "東京")),
        ("don’t", ("don", "t")),
        ("Привет Мир", ("привет", "мир")),
        ("Ελλάδα", ("ελλαδα",)),
        ("e\u0301clair éclair", ("eclair",)),
        ("x" * 99, ("x" * LONGEST_WORD,)),
    ],
)
def test_words(text: str, words: tuple[str, ...]) -> None:
    assert split(text) == words


@given(st.text())
def test_whoever_types_the_whole_of_it_finds_it(text: str) -> None:
    words = split(text)
    assert split(text.upper().lower()) == split(text.upper().lower())
    assert split(" ".join(words)) == words
    assert folded(folded(text)) == folded(text)
