"""What lists cost: as many reads for many rows as for few."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from evergrant.rules.rights import Role
from evergrant.testing.shelves import MemoryShelf
from tests.doors.test_console.account_ground import shop
from tests.doors.test_console.conftest import Console
from tests.doors.test_console.register_ground import application, instance
from tests.doors.test_console.trade_ground import order, put

LISTS = (
    "/console",
    "/console/accounts",
    "/console/applications",
    "/console/instances",
    "/console/orders",
    "/console/orders/sweeps?show=all",
    "/console/feeds?show=all",
    "/console/feeds/upload",
    "/console/api-keys",
    "/console/operators",
    "/console/journal",
)


async def _more(console: Console, number: int) -> None:
    for one in range(number):
        own = await application(console, f"App {number} {one}")
        at = await instance(console, f"ERP {number} {one}")
        account = await shop(console, application_id=own.id, client_instance_id=at.id)
        await put(console, account.id, {"kind": "stock", "sku": "A", "quantity": 1})
        await order(console, account.id, f"303-000000{number}-000000{one}")
        await console.operator(Role.SUPPORT)


async def test_no_list_reads_row_by_row(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    window = await console.as_(Role.ADMIN)
    reads: list[str] = []

    def counting(verb: str) -> None:
        before: Any = getattr(MemoryShelf, verb)

        async def counted(self: Any, *given: Any, **more: Any) -> Any:
            reads.append(f"{self._name}.{verb}")
            return await before(self, *given, **more)

        monkeypatch.setattr(MemoryShelf, verb, counted)

    for verb in ("get", "all", "count"):
        counting(verb)
    costs: list[dict[str, list[str]]] = []
    for number in (2, 7):
        await _more(console, number)
        found = {}
        for path in LISTS:
            await window.read(path)
            reads.clear()
            await window.read(path)
            found[path] = sorted(reads)
        costs.append(found)
    few, many = costs
    assert {
        path: Counter(many[path]) - Counter(few[path]) for path in LISTS if many[path] != few[path]
    } == {}
