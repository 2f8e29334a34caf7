"""`evergrant check` and its signatures, as typed."""

from __future__ import annotations

import json
from typing import Any

from tests.doors.cli_house import Cli, add_application


def item(told: Any, name: str) -> Any:
    return next(one for one in told["reviews"] if one["item"] == name)


def test_somebody_signs_and_it_is_shown_until_something_changes(
    house: Cli, monkeypatch: Any
) -> None:
    add_application(house)
    told = house("check").out
    assert told.index("To be reviewed (") < told.index("Reviewed (")
    assert "Local settings reviewed by a team lead: not signed" in " ".join(told.split())
    ada = ("--name", "Ada Lovelace")
    signed = house("check", "sign-off", "local-settings", *ada, "--note", "all of them")
    assert signed.code == 0, signed.err
    assert "signed by Ada Lovelace" in signed.out
    assert "EVERGRANT_INVITATION_DAYS" in signed.out, "what is signed is shown"
    signed = house("check", "sign-off", "registration", "--of", "Northwind Connect", *ada)
    assert signed.code == 0, signed.err
    shown = house("check", "--json").json
    assert item(shown, "local-settings")["state"] == "signed"
    assert item(shown, "local-settings")["note"] == "all of them"
    assert item(shown, "local-settings")["looked_at"]["EVERGRANT_INVITATION_DAYS"] == "14"
    assert item(shown, "registration")["subject_name"] == "Northwind Connect"
    assert shown["ready"] is False
    told = " ".join(house("check").out.split())
    assert "signed by Ada Lovelace, 20" in told
    monkeypatch.setenv("EVERGRANT_JOURNAL_MONTHS", "24")
    told = " ".join(house("check").out.split())
    assert "changed since it was signed by Ada Lovelace" in told
    assert "EG098" in told
    taken = house("check", "withdraw", "local-settings", "--note", "wrong machine")
    assert taken.code == 0, taken.err
    assert item(house("check", "--json").json, "local-settings")["state"] == "waiting"
    verbs = [line["verb"] for line in house("journal", "--json").json["items"]]
    assert verbs[0] == "review.withdrawn"
    assert verbs.count("review.signed") == 2


def test_what_is_typed_wrong_is_told(house: Cli) -> None:
    ada = ("--name", "Ada")
    no_name = house("check", "sign-off", "backups")
    assert no_name.code == 2
    assert "--name" in no_name.err
    unknown = house("check", "sign-off", "backup", *ada)
    assert unknown.code == 2
    assert "backups" in unknown.err
    assert house("check", "sign-off", "registration", *ada).code == 2
    assert house("check", "sign-off", "registration", "--of", "Nobody", *ada).code == 2
    assert house("check", "withdraw", "backups").code == 2
    told = house("check", "sign-off", "integration-credentials", *ada, "--json")
    assert told.code == 2
    assert json.loads(told.out)["error"]["blame"] == "caller"
