"""The list of accounts."""

from __future__ import annotations

from evergrant.rules.rights import Role
from tests.doors.test_console.conftest import Console


async def test_it_opens(console: Console) -> None:
    window = await console.as_(Role.SUPPORT)
    page = await window.read("/console/accounts")
    assert "No accounts yet" in page
