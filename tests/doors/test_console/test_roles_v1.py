"""Every call of /v1 with a key that holds what a role holds: what the interface's own description
says it needs is what it needs, and a call that is refused changes nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from evergrant.rules.rights import RIGHTS_OF_ROLE, SYSTEM, Caller, CallerKind, Right, Role
from tests.doors.tenants import Tenants
from tests.doors.test_tenancy import DESCRIBED, OPERATIONS, body_of, query_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

_RIGHTS = "|".join(right.value for right in Right)
_NEEDS = re.compile(rf"Needs (?:the rights? )?`({_RIGHTS})`(?: (and|or) `({_RIGHTS})`)?")


def needed(operation_id: str) -> tuple[frozenset[Right], bool]:
    """The rights, and whether one of them is enough."""
    said = OPERATIONS[operation_id][2]
    text = f"{said.get('summary', '')}. {said.get('description', '')}"
    found = _NEEDS.search(text)
    if found is None:
        assert "Needs no right." in text, operation_id
        return frozenset(), False
    return frozenset(Right(one) for one in found.group(1, 3) if one), found[2] == "or"


def may(role: Role, operation_id: str) -> bool:
    rights, one_is_enough = needed(operation_id)
    caller = Caller(kind=CallerKind.API_KEY, rights=RIGHTS_OF_ROLE[role])
    held = [caller.may(right) for right in rights]
    return any(held) if one_is_enough else all(held)


@dataclass
class Ground:
    tenants: Tenants
    keys: dict[Role, str]

    async def ask(self, role: Role, operation_id: str) -> Any:
        method, path, said = OPERATIONS[operation_id]
        ids = self.tenants.theirs
        return await self.tenants.ask(
            self.keys[role], method, path.format_map(ids), query_of(said, ids), body_of(said, ids)
        )

    def state(self) -> dict[str, Any]:
        store: Any = self.tenants.house.fakes.store
        # When a key was used is written down whatever it was used for.
        rows = {name: dict(kept) for name, kept in store.rows.items() if name != "api_keys"}
        return {**rows, "lines": len(store.lines), "events": len(store.events)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[Ground]:
    tenants = await Tenants().open()
    keys = {}
    for role in Role:
        rights = [right.value for right in RIGHTS_OF_ROLE[role]]
        made = await tenants.house.desk.people.add_api_key(name=role, rights=rights, by=SYSTEM)
        keys[role] = made.secret.reveal()
    yield Ground(tenants, keys)


async def test_every_operation_says_what_it_needs() -> None:
    assert len(OPERATIONS) > 70
    assert len(DESCRIBED["paths"]) > 50
    free = {one for one in OPERATIONS if not needed(one)[0]}
    assert free == {"listMarketplaces", "whoAmI"}


@pytest.mark.parametrize("role", list(Role))
async def test_what_a_key_may_not_do_is_refused_and_changes_nothing(
    ground: Ground, role: Role
) -> None:
    before, tried = ground.state(), 0
    for operation_id in OPERATIONS:
        if not may(role, operation_id):
            tried += 1
            answer = await ground.ask(role, operation_id)
            assert answer.status_code == 403, (operation_id, answer.status_code, answer.text)
            assert answer.json()["type"].endswith("not_allowed"), operation_id
    assert ground.state() == before
    assert tried > 0 or role is Role.ADMIN


@pytest.mark.parametrize("role", list(Role))
async def test_what_a_key_may_see_is_not_refused(ground: Ground, role: Role) -> None:
    for operation_id, (method, _, _) in OPERATIONS.items():
        if method == "GET" and may(role, operation_id):
            answer = await ground.ask(role, operation_id)
            assert answer.status_code == 200, (operation_id, answer.status_code, answer.text)


async def test_what_only_reads_writes_nothing(ground: Ground) -> None:
    """Of what is kept in memory between two writings nothing is to be said here."""
    for operation_id, (method, _, _) in OPERATIONS.items():
        if method == "GET" and operation_id not in ("getAccessToken", "countCalls"):
            before = ground.state()
            await ground.ask(Role.AUDITOR, operation_id)
            assert ground.state() == before, operation_id
