"""Every page and every action as every role, by the doors' own table; once through the doors, and
once with the doors standing open, so that it shows whether the rooms ask again."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
import pytest_asyncio

from evergrant.entrances.console import build, frame
from evergrant.entrances.console.doors import Admits, Door, all_doors
from evergrant.ports.signed_in import SignInMethod
from evergrant.rules.rights import Right, Role
from tests.doors.test_console.attack_ground import STREAM, Ground, allowed, doors, opened_ground
from tests.doors.test_console.conftest import text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Form = Mapping[str, str | Sequence[str]]
SURE: Form = {"sure": "on", "sure_of_it": "on", "yes": "on", "confirm": "on"}
#: What each action takes, so that it is refused for who asks and for nothing else.
FORMS: Mapping[str, Form] = {
    "/console/accounts/filters": {"name": "Mine", "query": "q=x"},
    "/console/accounts/{account_id}/notes": {"notes": "Calls on Mondays."},
    "/console/accounts/{account_id}/keys": {"name": "SDK two"},
    "/console/accounts/{account_id}/flags": {"flag": "fetch_orders", "on": ""},
    "/console/accounts/{account_id}/feeds/pause": {"reason": "a holiday", "why": "a holiday"},
    "/console/feeds/accounts/{account_id}/pause": {"reason": "a holiday", "why": "a holiday"},
    "/console/api-keys/new": {"name": "Another", "rights": ["read"]},
    "/console/applications/new": {"name": "Other", "kind": "private", "partner_kinds": ["seller"]},
    "/console/instances/new": {"name": "ERP Wien"},
    "/console/instances/{instance_id}/edit": {"name": "ERP Hamburg Sued"},
    "/console/set-up/instance": {"name": "ERP Graz"},
    "/console/operators/invite": {
        "name": "Eve", "email": "eve@northwind.example", "role": "support",
    },
    "/console/operators/{operator_id}/role": {"role": "support"},
    "/console/checks/items/{item}/sign": {"note": "Seen.", "words": "Seen."},
    "/console/feeds/runs/{run_id}/decide": {"happened": "yes", "decision": "happened"},
}  # fmt: skip
#: Needs a password, which people who were put into the book by hand do not have.
OF_A_PASSWORD = {"/console/me/password"}
#: One's own need no right; the one tried here is somebody else's.
OF_SOMEBODY_ELSE = "/console/me/sessions/{session_id}/end"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with opened_ground() as opened:
        yield opened


def _form(door: Door) -> Form:
    return {**SURE, **FORMS.get(door.path, {})}


def _of(role: Role, method: str, *, may: bool) -> list[Door]:
    return [door for door in doors(method) if allowed(door, role) is may]


@pytest.mark.parametrize("role", list(Role))
async def test_every_page_as_every_role(ground: Ground, role: Role) -> None:
    window = await ground.window(role)
    for door in _of(role, "GET", may=True):
        answer = await window.get(ground.url(door.path))
        # Where somebody was put there is nothing at the address that nobody has.
        assert answer.status_code in (200, 303, 404, 409), (door.path, answer.status_code)
        if door.path == "/console/me/second-factor":
            ground.put_back()
    for door in _of(role, "GET", may=False):
        answer = await window.get(ground.url(door.path))
        assert answer.status_code == 403, (door.path, answer.status_code)
        assert door.right is not None
        assert f"'{door.right}'" in text_of(answer.text)
    assert ground.changes() == []


@pytest.mark.parametrize("role", list(Role))
async def test_an_action_that_a_role_may_not_do_changes_nothing(ground: Ground, role: Role) -> None:
    window = await ground.window(role)
    for door in _of(role, "POST", may=False):
        answer = await window.post(ground.url(door.path), _form(door))
        assert answer.status_code == 403, (door.path, answer.status_code)
        assert ground.changes() == [], door.path


@pytest.mark.parametrize("role", list(Role))
async def test_an_action_that_a_role_may_do_is_not_refused_for_the_role(
    ground: Ground, role: Role
) -> None:
    window = await ground.window(role)
    did = 0
    for door in _of(role, "POST", may=True):
        if door.path in OF_A_PASSWORD:
            continue
        answer = await window.post(ground.url(door.path), _form(door))
        if door.path == OF_SOMEBODY_ELSE and role is not Role.ADMIN:
            assert answer.status_code == 403
            assert ground.changes() == []
            continue
        # 502 and 503: it was done as far as it goes, and Amazon has nothing to say here.
        assert answer.status_code != 500, (door.path, text_of(answer.text)[:300])
        assert "role does not allow" not in text_of(answer.text), door.path
        assert "needs the right" not in text_of(answer.text), door.path
        did += bool(ground.changes())
        ground.put_back()
    # Otherwise the refusals above would say little.
    assert did >= {Role.ADMIN: 30, Role.TEAM_LEAD: 15, Role.SUPPORT: 12, Role.AUDITOR: 2}[role]


@pytest.mark.parametrize("role", [Role.TEAM_LEAD, Role.SUPPORT, Role.AUDITOR])
async def test_the_rooms_ask_again(
    ground: Ground, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if somebody forgot the right in the doors' table."""
    ajar = tuple(dataclasses.replace(door, right=None) for door in all_doors())
    monkeypatch.setattr(frame, "all_doors", lambda: ajar)
    console = ground.console
    open_house = dataclasses.replace(console, app=build(console.desk, console.settings))
    window = await open_house.as_(role, (await ground.window(role)).operator)
    ground.keep()
    for door in _of(role, "POST", may=False):
        answer = await window.post(ground.url(door.path), _form(door))
        assert ground.changes() == [], door.path
        assert answer.status_code in (403, 404, 422, 303, 409), (door.path, answer.status_code)
    for door in _of(role, "GET", may=False):
        # Settings are no room's; the door alone keeps them.
        if door.right is Right.AUDIT and door.path != "/console/settings":
            answer = await window.get(ground.url(door.path))
            assert answer.status_code == 403, door.path


async def test_strangers_and_whoever_is_halfway_do_nothing(ground: Ground) -> None:
    console = ground.console
    stranger = await console.stranger()
    await stranger.read("/console/sign-in")
    halfway = await console.as_(Role.ADMIN, await console.operator(Role.ADMIN))
    # A password alone opens nothing.
    digest_of = next(iter(reversed(console.fakes.store.rows["operator_sessions"].values())))
    async with console.desk.store.transaction() as tx:
        await tx.operator_sessions.change(
            digest_of.id, method=SignInMethod.PASSWORD, proved_at=None
        )
    ground.keep()
    for window, way in ((stranger, "/console/sign-in"), (halfway, "/console/enrol")):
        for door in doors("GET"):
            answer = await window.get(ground.url(door.path))
            assert answer.status_code == 303, door.path
            assert answer.headers["location"].startswith(way), door.path
            assert answer.text == ""
        for door in doors("POST"):
            answer = await window.post(ground.url(door.path), _form(door))
            assert answer.status_code == 401, (door.path, answer.status_code)
    assert ground.changes() == []
    listens = await halfway.get(STREAM)
    assert listens.status_code == 303


async def test_what_is_shown_to_nobody_in_particular_is_little() -> None:
    """Another open door has to be meant; write it down here then."""
    assert {door.path for door in all_doors() if door.admits is Admits.ANYBODY} == {
        "/console/sign-in",
        "/console/single-sign-on",
        "/console/single-sign-on/back",
        "/console/join/{link}",
        "/console/first",
    }
    free = {door.path for door in doors("POST") if door.right in (None, Right.READ)}
    assert free == {
        "/console/accounts/filters",
        "/console/accounts/filters/{filter_id}/drop",
        "/console/checks/look",
        "/console/set-up/away",
        *(path for path in free if path.startswith("/console/me/")),
    }


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_is_led_to_a_closed_door(ground: Ground, role: Role) -> None:
    """What the menu names can be opened."""
    window = await ground.window(role)
    page = await window.read("/console")
    menu = page.partition("<nav")[2].partition("</nav>")[0]
    found = [part.partition('"')[0] for part in menu.split('href="')[1:]]
    assert len(found) >= 8
    for address in found:
        if address.startswith("/console"):
            assert (await window.get(address)).status_code == 200, address
