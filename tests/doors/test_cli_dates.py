"""The command line: what comes next for an account, the day of a grant, days of reminders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evergrant.rules.reminders import day_words
from tests.doors.cli_house import CLIENT_ID, Amazon, Cli, add_application

BLUE = "Blue Heron Books"


@pytest.fixture
def undated(with_account: Cli, amazon: Amazon) -> Cli:
    refresh_token = amazon.lwa.grant(CLIENT_ID, about="A2SHOP")
    amazon.api.participate("A2SHOP", [])
    adopted = with_account("account", "adopt", BLUE, "--json", stdin=refresh_token.reveal())
    assert adopted.json["authorization"]["granted_at"] is None
    return with_account


def test_the_day_of_a_grant_is_told_and_what_comes_is_shown(undated: Cli) -> None:
    shown = undated("account", "show", BLUE)
    assert "Nobody knows when it ends" in shown.out
    assert f"evergrant account granted '{BLUE}' YYYY-MM-DD" in shown.err
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    given = today - timedelta(days=20)
    told = undated("account", "granted", BLUE, f"{given:%Y-%m-%d}")
    assert told.code == 0, told.err
    ends_at = given + timedelta(days=365)
    words = " ".join(told.out.split())
    assert f"Authorized until {day_words(ends_at)}; the first renewal mail goes out on" in words
    again = undated("account", "show", BLUE, "--json").json["authorization"]
    assert datetime.fromisoformat(again["granted_at"]) == given
    assert datetime.fromisoformat(again["term_ends_at"]) == ends_at
    first = datetime.fromisoformat(again["next_reminder_at"])
    assert first == ends_at - timedelta(days=30)
    assert again["outlook"].startswith("Authorized until")
    late = undated("account", "granted", BLUE, f"{today + timedelta(days=3):%Y-%m-%d}")
    assert late.code == 2
    assert "lies in the future" in late.err
    assert undated("account", "granted", BLUE, "yesterday").code == 2


def test_reminder_days_of_an_application(house: Cli) -> None:
    added = add_application(house)
    assert added["reminder_days"] is None

    def change(days: str) -> object:
        changed = house("app", "change", added["id"], "--reminder-days", days, "--json")
        return changed.json["reminder_days"]

    assert change("30, 14,2,0") == [30, 14, 2, 0]
    assert change("none") == []
    assert change("usual") is None
    for days in ("30;14", "-1", "soon", "30,", "400"):
        refused = house("app", "change", added["id"], f"--reminder-days={days}")
        assert refused.code == 2, days
        assert "day" in refused.err
