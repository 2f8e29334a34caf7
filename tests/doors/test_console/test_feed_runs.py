"""One run: its way, its lines, deciding it once, and stopping it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from evergrant.entrances.console.pages import feed_runs
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.rights import Right, Role
from tests.doors.test_console.conftest import Console, text_of
from tests.doors.test_console.trade_ground import (
    MARKUP,
    NOBODY,
    assert_harmless,
    change,
    may,
    put,
    run_of,
    settle,
    statuses,
    uncertain,
)
from tests.rooms.hatch_ground import refund, stock


@pytest.fixture
async def account(console: Console) -> str:
    return await console.house.account()


async def test_every_page_and_action_as_each_role(console: Console, account: str) -> None:
    run = await uncertain(console, *await put(console, account, refund()))
    home = f"/console/feeds/runs/{run.id}"
    assert set((await statuses(console, "GET", home)).values()) == {200}
    for method, path in (
        ("GET", f"{home}/decide?happened=yes"),
        ("GET", f"{home}/stop"),
        ("POST", f"{home}/decide"),
        ("POST", f"{home}/stop"),
    ):
        for role, status in (await statuses(console, method, path)).items():
            assert (status != 403) == may(role, Right.AMAZON_WRITE), (path, role, status)
            assert status in (200, 403, 409, 422), (path, role, status)


@pytest.mark.parametrize("tail", ["", "/decide", "/stop"])
async def test_what_is_not_there(console: Console, tail: str) -> None:
    window = await console.as_()
    assert (await window.get(f"/console/feeds/runs/run_{NOBODY}{tail}")).status_code == 404
    if tail:
        form = {"happened": "yes", "note": "seen"}
        answer = await window.post(f"/console/feeds/runs/run_{NOBODY}{tail}", form)
        assert answer.status_code == 404


async def test_the_way_of_a_feed(console: Console, account: str) -> None:
    now = console.fakes.clock.now()
    changes = await put(console, account, stock("A"), stock("B"), stock("C"))
    run = await run_of(
        console, changes, path=Path.LISTINGS_FEED, step=RunStep.PROCESSING, document_at=now,
        asked_at=now, submitted_at=now, feed_id="5001", document_id="doc-1", accepted=1, refused=1,
        processing_status="IN_PROGRESS",
    )  # fmt: skip
    await settle(console, run, ChangeState.ACCEPTED, changes[0])
    await settle(console, run, ChangeState.REFUSED, changes[1], code="90220", message="no colour")
    page = await (await console.as_(Role.AUDITOR)).read(f"/console/feeds/runs/{run.id}")
    text = text_of(page)
    for words in ("Document uploaded", "Taken by Amazon", "JSON_LISTINGS_FEED", "5001", "doc-1"):
        assert words in text
    assert "2 of 3" in text
    assert "1 accepted, 1 refused" in text
    assert "no colour" in text
    assert 'aria-current="step"' in page


async def test_every_path_at_every_step_has_a_page(console: Console, account: str) -> None:
    window = await console.as_()
    now = console.fakes.clock.now()
    for number, (path, step) in enumerate(itertools.product(Path, RunStep)):
        (one,) = await put(console, account, stock(f"S{number}"))
        values: dict[str, Any] = {"next_at": None, "ended_at": now} if step.is_over else {}
        run = await run_of(console, [one], path=path, step=step, **values)
        page = await window.read(f"/console/feeds/runs/{run.id}")
        assert ("Nobody can tell" in page) == (step is RunStep.UNCERTAIN), (path, step)
        assert ('aria-current="step"' in page) == (not step.is_over), (path, step)


async def test_lines_come_in_pages(
    console: Console, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_runs, "LINES", 2)
    monkeypatch.setattr(feed_runs._read, "__kwdefaults__", {"after": 0, "limit": 2})
    changes = await put(console, account, *[stock(f"S{n}") for n in range(5)])
    run = await run_of(console, changes)
    window = await console.as_()
    address, found = f"/console/feeds/runs/{run.id}", []
    while True:
        page = await window.read(address)
        found += [one for one in changes if f"/console/feeds/changes/{one}" in page]
        if "More lines" not in page:
            break
        address = f"/console/feeds/runs/{run.id}?after={len(found)}"
    assert found == changes
    await window.read(f"/console/feeds/runs/{run.id}?after=-1")


# --- deciding -------------------------------------------------------------------------------------


async def test_deciding_says_first_what_follows(console: Console, account: str) -> None:
    changes = await put(console, account, refund("RMA-1", "19.99"), refund("RMA-2", "5.01"))
    run = await uncertain(console, *changes)
    window = await console.as_(Role.TEAM_LEAD)
    home = f"/console/feeds/runs/{run.id}"
    yes = text_of(await window.read(f"{home}/decide?happened=yes"))
    assert "count as accepted and are never sent again" in yes
    no = text_of(await window.read(f"{home}/decide?happened=no"))
    assert "sent once more with the next run" in no
    assert "25.00 EUR" in no
    assert "RMA-1" in no
    assert (await change(console, changes[0])).state is ChangeState.UNCERTAIN


@pytest.mark.parametrize(
    ("happened", "state"), [("yes", ChangeState.ACCEPTED), ("no", ChangeState.PENDING)]
)
async def test_a_run_is_decided_once(
    console: Console, account: str, happened: str, state: ChangeState
) -> None:
    (one,) = await put(console, account, refund())
    run = await uncertain(console, one)
    window = await console.as_()
    form = {"happened": happened, "note": "seen in Seller Central"}
    page = await window.did(f"/console/feeds/runs/{run.id}/decide", form)
    assert "Noted" in text_of(page)
    assert (await change(console, one)).state is state
    other = {"happened": "no" if happened == "yes" else "yes", "note": "no, I saw it"}
    for again in (form, other):
        answer = await window.post(f"/console/feeds/runs/{run.id}/decide", again)
        assert answer.status_code == 409
    answer = await window.get(f"/console/feeds/runs/{run.id}/decide?happened=yes")
    assert answer.status_code == 409
    assert (await change(console, one)).state is state
    async with console.desk.store.transaction() as tx:
        lines = await tx.journal.read(verb="run.decided")
    assert [line.facts["note"] for line in lines] == ["seen in Seller Central"]


@pytest.mark.parametrize(
    "form", [{"happened": "yes"}, {"happened": "no", "note": "  "}, {"note": "seen"}, {}]
)
async def test_nothing_is_decided_without_a_note(
    console: Console, account: str, form: dict[str, str]
) -> None:
    (one,) = await put(console, account, refund())
    run = await uncertain(console, one)
    answer = await (await console.as_()).post(f"/console/feeds/runs/{run.id}/decide", form)
    assert answer.status_code == 422
    assert (await change(console, one)).state is ChangeState.UNCERTAIN


async def test_what_somebody_typed_comes_back_as_text(console: Console, account: str) -> None:
    (one,) = await put(console, account, refund(MARKUP))
    run = await uncertain(console, one)
    window = await console.as_()
    assert_harmless(await window.read(f"/console/feeds/runs/{run.id}/decide?happened=no"))
    answer = await window.post(
        f"/console/feeds/runs/{run.id}/decide", {"happened": MARKUP, "note": MARKUP}
    )
    assert answer.status_code == 422
    assert_harmless(answer.text)


# --- stopping -------------------------------------------------------------------------------------


async def test_a_run_is_stopped(console: Console, account: str) -> None:
    (one,) = await put(console, account, stock())
    run = await run_of(console, [one], path=Path.LISTINGS_FEED)
    window = await console.as_()
    assert "Stop it" in await window.read(f"/console/feeds/runs/{run.id}")
    assert "goes back to wait" in await window.read(f"/console/feeds/runs/{run.id}/stop")
    page = await window.did(f"/console/feeds/runs/{run.id}/stop")
    assert "Stopped" in text_of(page)
    assert (await change(console, one)).state is ChangeState.PENDING
    assert (await window.post(f"/console/feeds/runs/{run.id}/stop")).status_code == 409
    assert "Stop it" not in text_of(await window.read(f"/console/feeds/runs/{run.id}"))
