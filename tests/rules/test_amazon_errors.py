from __future__ import annotations

import pytest

from evergrant.rules.amazon_errors import PAGE_ERRORS, page_error


def test_every_known_code_is_explained() -> None:
    assert set(PAGE_ERRORS) == {
        "MD1000", "MD5100", "MD5101", "MD5110", "MD9000", "MD9010", "MD9100", "MD9999",
        "SPDC8143", "SPSA0404", "SPSA2043", "CONSENT_LIMIT_REACHED",
    }  # fmt: skip
    assert all(error.cause and error.to_do for error in PAGE_ERRORS.values())


@pytest.mark.parametrize("typed", ["md1000", " MD1000 ", "consent limit reached"])
def test_codes_as_people_type_them(typed: str) -> None:
    assert page_error(typed) is not None


def test_an_unknown_code_is_not_explained_away() -> None:
    assert page_error("MD4711") is None
