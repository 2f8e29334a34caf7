from __future__ import annotations

import secrets

import pytest

from evergrant.rules.faults import Fault
from evergrant.rules.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD, check_password

ABOUT = ("Ada Field", "ada.field@northwind.example")


@pytest.mark.parametrize(
    "plain",
    [
        "",
        "x" * (SHORTEST_PASSWORD - 1),
        secrets.token_hex(LONGEST_PASSWORD),
        "a" * 20,
        "abababababab",
        "ada.field@northwind.example",
        "Ada Field 2026",
        "northwindfield1!",
        "Password2026",
        "passwordpassword",
        "qwertyuiop12",
        "123456789012",
        "Evergrant123",
        "            ",
    ],
)
def test_what_is_guessed_first(plain: str) -> None:
    with pytest.raises(Fault) as refused:
        check_password(plain, ABOUT)
    assert refused.value.code == "bad_password"
    assert plain == "" or plain not in refused.value.message


@pytest.mark.parametrize(
    "plain", ["correct horse battery", "Vier kleine Igel!", "пароль для работы", "adaptive cruise"]
)
def test_a_few_words_will_do(plain: str) -> None:
    assert check_password(plain, ABOUT) == plain


def test_random_ones_will_do() -> None:
    for _ in range(200):
        plain = secrets.token_urlsafe(18)
        assert check_password(plain, ABOUT) == plain
