from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.second_factor import (
    ClockCode,
    RecoveryText,
    Step,
    clock_steps,
    read_code,
    recovery_code,
    recovery_id,
    step_wanted,
)


def test_what_is_wanted() -> None:
    table = {
        # proved, has_factor, required: the step
        (False, False, False): Step.NOTHING,
        (False, False, True): Step.ENROL,
        (False, True, False): Step.SECOND_FACTOR,
        (False, True, True): Step.SECOND_FACTOR,
        (True, False, False): Step.NOTHING,
        (True, False, True): Step.ENROL,
        (True, True, False): Step.NOTHING,
        (True, True, True): Step.NOTHING,
    }
    for proved, has_factor, required in itertools.product((False, True), repeat=3):
        rest = {"proved": proved, "has_factor": has_factor, "required": required}
        assert step_wanted(trusted=False, **rest) is table[proved, has_factor, required]
        assert step_wanted(trusted=True, **rest) is Step.NOTHING


@pytest.mark.parametrize("typed", ["123456", " 123 456 ", "123-456", "12 34 56\n"])
def test_codes_of_the_clock_as_people_type_them(typed: str) -> None:
    assert read_code(typed) == ClockCode("123456")


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "12345a", "１２３４５６", "k7m2p-9xq4r", "x" * 9999]
)
def test_what_can_be_no_code(typed: str) -> None:
    assert read_code(typed) is None


@given(st.binary(min_size=13, max_size=13))
def test_a_recovery_code_is_read_as_it_was_written(entropy: bytes) -> None:
    text = recovery_code(entropy)
    body = text.replace("-", "")
    assert len(text) == 23
    misread = text.upper().replace("0", "O").replace("1", "I")
    for typed in (text, body, f" {text} ", misread, misread.replace("I", "l")):
        assert read_code(typed) == RecoveryText(body)


@given(st.binary(min_size=13, max_size=13), st.binary(min_size=13, max_size=13))
def test_recovery_codes_hold_a_hundred_bits(one: bytes, other: bytes) -> None:
    alike = int.from_bytes(one) % 2**100 == int.from_bytes(other) % 2**100
    assert (recovery_code(one) == recovery_code(other)) is alike


def test_a_recovery_code_takes_its_entropy() -> None:
    with pytest.raises(ValueError):
        recovery_code(b"short")


def test_a_recovery_code_is_kept_for_its_owner() -> None:
    assert recovery_id("opr_1", "x" * 20) != recovery_id("opr_2", "x" * 20)
    assert "x" * 20 not in recovery_id("opr_1", "x" * 20)


def test_the_window_of_the_clock() -> None:
    now = datetime(2026, 3, 2, 9, 0, 15, tzinfo=UTC)
    current = int(now.timestamp()) // 30
    assert clock_steps(now, 0) == [current, current - 1, current + 1]
    assert clock_steps(now, current - 1) == [current, current + 1]
    assert clock_steps(now, current) == [current + 1]
    assert clock_steps(now, current + 1) == []
