from __future__ import annotations

from evergrant.rules.faults import Fault


def test_a_fault_is_told_of_another_field_without_losing_anything() -> None:
    fault = Fault("bad_url", "This is not a URL.", field="url", hint="Write https://.")
    moved = fault.at("instance.webhook_url")
    assert (moved.code, moved.message, moved.hint) == (fault.code, fault.message, fault.hint)
    assert moved.field == "instance.webhook_url"
    assert str(moved) == "This is not a URL."
