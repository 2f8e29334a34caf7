"""Tables of runs and changes fit a terminal of 100 columns, and say what was wished."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from evergrant.entrances.cli import drawing, feeds
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.changes import ChangeKind, ChangeState, Lane
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import Region

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = FeedRun(
    id=f"run_{'0' * 26}",
    account_id="acc",
    application_id="app",
    region=Region.EU,
    path=Path.ACKNOWLEDGEMENT_FEED,
    step=RunStep.PROCESSING,
    changes=25_000,
    accepted=24_990,
    refused=10,
    processing_status="IN_PROGRESS",
    next_at=AT,
    last_error="Amazon answered in words that nobody has heard before, and at some length.",
    created_at=AT,
    changed_at=AT,
)
CHANGE = Change(
    id=f"chg_{'0' * 26}",
    account_id="acc",
    kind=ChangeKind.CANCELLATION,
    lane=Lane.ORDER,
    subject="302-1234567-1234567",
    key="302-1234567-1234567",
    wish={"reason": "NoInventory", "items": []},
    intake_id="itk",
    line=1,
    state=ChangeState.REFUSED,
    code="InvalidInput",
    message="The order was shipped before.",
    created_at=AT,
)


def drawn(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: list[Any],
    verb: Any,
    width: int,
) -> list[str]:
    monkeypatch.setattr(drawing, "PIPE_WIDTH", width)
    monkeypatch.setattr(feeds, "at_desk", lambda work: found)
    verb()
    return capsys.readouterr().out.splitlines()


def test_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def verb() -> None:
        feeds.runs("Blue Heron Books", limit=100)

    heading, row, *_ = drawn(monkeypatch, capsys, [RUN], verb, 100)
    assert heading.split() == ["id", "path", "step", "outcome", "error"]
    assert row.startswith(RUN.id)
    wide = drawn(monkeypatch, capsys, [RUN], verb, 200)
    assert "2026-11-21 12:00 UTC" in wide[1]
    assert "24990 accepted, 10 refused" in "\n".join(wide)


def test_changes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def verb() -> None:
        feeds.changes("Blue Heron Books", limit=100)

    heading, row, *_ = drawn(monkeypatch, capsys, [CHANGE], verb, 100)
    assert heading.split() == ["id", "kind", "subject", "state", "answer"]
    assert "InvalidInput:" in row
    wide = drawn(monkeypatch, capsys, [CHANGE], verb, 200)
    assert "NoInventory" in wide[1]
    assert "InvalidInput: The order was shipped before." in wide[1]
