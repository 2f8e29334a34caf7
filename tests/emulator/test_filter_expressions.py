"""Filter expressions: which payloads pass, what cannot be read, and that no text breaks them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_emulator.trade.queues.filter_expressions import FilterExpression, WrongExpression

PAYLOAD = {"a": {"b": "SHIPPED", "n": 3, "on": True, "list": ["x", "y"], "none": None}}


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ("a.b == 'SHIPPED'", True),
        ('a.b == "SHIPPED"', True),
        ("a.b != 'SHIPPED'", False),
        ("a.b in ['NEW', 'SHIPPED']", True),
        ("'x' in a.list", True),
        ("a.n > 2 && a.n <= 3.0", True),
        ("a.n < -2", False),
        ("a.on", True),
        ("!a.on", False),
        ("a.n", False),
        ("has(a.c)", False),
        ("has(a.none) && a.none == null", True),
        ("!has(a.c)", True),
        ("size(a.list) == 2", True),
        ("a.b.contains('HIP') && a.b.endsWith('ED')", True),
        ("a.c == 1", False),
        ("!(a.c == 1)", False),
        ("a.c == 1 || true", True),
        ("true || a.c == 1", True),
        ("a.c == 1 && false", False),
        ("!(a.c == 1 && false)", True),
        ("a.n > 'x'", False),
        ("a.n.contains('3')", False),
        ("false || false || a.on", True),
        ("true || false && false", True),
        ("a.b == 'it\\'s'", False),
        ("[] == []", True),
        ("1 == true", False),
        ("1 != true", True),
        ("1 in [true]", False),
        ("true in [true]", True),
        ("'a' in 'abc'", False),
        ("!('a' in 'abc')", False),
        ("'b' in a", True),
        ("((((((((((a.on))))))))))", True),
    ],
)
def test_expressions(words: str, holds: bool) -> None:
    assert FilterExpression.read(words).holds(PAYLOAD) is holds


@pytest.mark.parametrize(
    "words",
    [
        *("", " ", "a +", "a + 1", "a[0]", "a ==", "(a", "a)", "a b", "a.", "f(a)", "a.map(b)"),
        *("'a", "(" * 256, "[" * 256, "size(" * 51, "has(" * 60 + "a", "!" * 256),
    ],
)
def test_unreadable_expressions(words: str) -> None:
    with pytest.raises(WrongExpression):
        FilterExpression.read(words)


@given(st.text(alphabet="ab.()[]!&|=<>'\" ,1in", max_size=40))
def test_any_text_is_an_expression_or_told(words: str) -> None:
    try:
        expression = FilterExpression.read(words)
    except WrongExpression:
        return
    assert expression.holds(PAYLOAD) in (True, False)
