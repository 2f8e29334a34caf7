"""What is to come: each thing once and in order, whatever one of them does."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from amazon_emulator.agenda import Agenda

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_what_fails_is_told_and_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    agenda = Agenda()
    done: list[datetime] = []

    def fail(instant: datetime) -> None:
        raise ZeroDivisionError

    agenda.at(NOW + timedelta(seconds=3), done.append)
    agenda.at(NOW + timedelta(seconds=1), fail)
    agenda.at(NOW + timedelta(seconds=2), done.append)
    with caplog.at_level(logging.ERROR, logger="amazon_emulator"):
        assert agenda.run(NOW + timedelta(seconds=2)) == 2
    assert done == [NOW + timedelta(seconds=2)]
    assert len(caplog.records) == 1
    assert agenda.next_at == NOW + timedelta(seconds=3)


def test_what_is_struck_does_not_happen() -> None:
    agenda = Agenda()
    done: list[datetime] = []
    entry = agenda.at(NOW, done.append)
    agenda.at(NOW, lambda instant: done.append(instant + timedelta(days=1)))
    agenda.strike(entry)
    assert agenda.run(NOW) == 1
    assert done == [NOW + timedelta(days=1)]
    assert agenda.next_at is None
