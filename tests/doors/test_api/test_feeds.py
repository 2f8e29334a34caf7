"""Reading what became of changes over HTTP, and what people do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from evergrant.naming import new_id
from evergrant.ports.traded import FeedRun, Outcome, Pick
from evergrant.rules import ids
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House
from tests.rooms.hatch_ground import cancellation, price, refund, stock

Json = dict[str, Any]
NOBODY = "0" * 26


@pytest.fixture
def base(account: Json) -> str:
    return f"/v1/accounts/{account['id']}"


async def put(caller: httpx2.AsyncClient, base: str, *lines: Json) -> list[str]:
    answer = await caller.post(f"{base}/changes", json={"changes": list(lines)})
    assert answer.json()["refused"] == 0, answer.text
    return [one["change_id"] for one in answer.json()["items"]]


async def run_of(house: House, account: Json, picks: list[Pick], **values: Any) -> str:
    now = house.clock.move(seconds=1)
    run = FeedRun(
        id=new_id(ids.Kind.FEED_RUN, now),
        account_id=account["id"],
        application_id=account["application_id"],
        region=Region.EU,
        **{
            "path": Path.PATCH,
            "step": RunStep.PLANNED,
            "changes": len(picks),
            "next_at": now,
            "created_at": now,
            "changed_at": now,
            **values,
        },
    )
    async with house.desk.store.transaction() as tx:
        await tx.feed_runs.add(run)
        await tx.changes.claim(account["id"], run.id, picks, {}, now)
    return run.id


def picks_of(changes: list[str], *messages: int) -> list[Pick]:
    numbers = messages or tuple(range(1, len(changes) + 1))
    return [
        Pick(change_id=one, message_id=number) for one, number in zip(changes, numbers, strict=True)
    ]


# --- how an account stands ----------------------------------------------------------------------


async def test_how_an_account_stands(
    house: House, caller: httpx2.AsyncClient, account: Json, base: str
) -> None:
    empty = (await caller.get(f"{base}/feeds")).json()
    assert (empty["work"], empty["open_runs"], empty["waits"]) == (None, [], [])
    assert (await caller.get("/v1/feeds")).json()["items"] == []
    first, *_ = await put(caller, base, stock(), refund())
    run = await run_of(house, account, picks_of([first]))
    await house.desk.feeds.work.work(account["id"])
    told = (await caller.get(f"{base}/feeds")).json()
    assert (told["account_id"], told["account_name"]) == (account["id"], account["name"])
    kinds = {one["kind"]: one for one in told["kinds"]}
    assert set(kinds) == {"stock", "price", "shipment", "invoice", "cancellation", "refund"}
    assert kinds["refund"]["pending"] == 1
    assert kinds["refund"]["switched_on"] is True
    assert kinds["refund"]["oldest_open_at"] is not None
    (wait, *_) = told["waits"]
    assert (wait["why"], wait["until"]) == ("not_authorized", None)
    assert wait["sentence"].endswith("yet.")
    assert (await caller.get(f"/v1/feed-runs/{run}")).json()["run"]["account_id"] == account["id"]
    (listed,) = (await caller.get("/v1/feeds")).json()["items"]
    assert listed == told


async def test_accounts_come_in_pages(
    caller: httpx2.AsyncClient, house: House, account: Json
) -> None:
    more = [
        await house.account(caller, account["application_id"], account["client_instance_id"])
        for _ in range(3)
    ]
    bases = [f"/v1/accounts/{one['id']}" for one in (account, *more)]
    for base in bases:
        await put(caller, base, stock())
    found: list[str] = []
    after = ""
    while True:
        page = (await caller.get(f"/v1/feeds?limit=3{after}")).json()
        found += [one["account_id"] for one in page["items"]]
        if not page["next"]:
            break
        after = f"&after={page['next']}"
    assert found == sorted(one["id"] for one in (account, *more))


async def test_what_the_next_turn_would_do(caller: httpx2.AsyncClient, base: str) -> None:
    await put(caller, base, stock(), stock(quantity=5))
    told = (await caller.get(f"{base}/feeds/plan")).json()
    assert (told["runs"], told["waits"][0]["why"]) == ([], "not_authorized")
    assert told["due_at"] is not None
    assert (await caller.get(f"{base}/changes?state=pending")).json()["items"] != []


# --- changes ------------------------------------------------------------------------------------


async def test_changes_by_what_they_are(
    house: House, caller: httpx2.AsyncClient, account: Json, base: str
) -> None:
    lines = [stock(), price(), cancellation(), refund(), stock("CUP-1", reference="mine")]
    changes = await put(caller, base, *lines)
    run = await run_of(house, account, picks_of(changes[:2], 1, 1))
    refused = Outcome(
        change_id=changes[0],
        state=ChangeState.REFUSED,
        code="90220",
        message="'color' is required.",
        attribute="color",
    )
    async with house.desk.store.transaction() as tx:
        await tx.changes.settle(run, [refused], house.clock.now())

    async def found(query: str) -> list[str]:
        answer = await caller.get(f"{base}/changes?{query}")
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    assert await found("") == changes
    assert await found("state=refused") == [changes[0]]
    assert await found("state=refused&state=in_flight") == changes[:2]
    assert await found("kind=refund") == [changes[3]]
    assert await found("subject=CUP-1") == await found("reference=mine") == [changes[4]]
    assert await found(f"run_id={run}") == changes[:2]
    one = (await caller.get(f"/v1/changes/{changes[0]}")).json()
    assert (one["state"], one["code"], one["message"], one["attribute"], one["run_id"]) == (
        *("refused", "90220", "'color' is required.", "color"),
        run,
    )
    assert await found(f"intake_id={one['intake_id']}") == changes
    page = (await caller.get(f"{base}/changes?limit=2")).json()
    assert [item["id"] for item in page["items"]] == changes[:2]
    assert await found(f"limit=9&after={page['next']}") == changes[2:]
    for query in ("state=pendin", "state=pending&state=pendin"):
        wrong = await caller.get(f"{base}/changes?{query}")
        assert wrong.status_code == 422
        (flaw,) = wrong.json()["flaws"]
        assert (flaw["field"], flaw["parameter"]) == ("state", "state")
        assert flaw["hint"] == "Did you mean 'pending'?"


# --- runs ---------------------------------------------------------------------------------------


async def test_runs_in_the_order_in_which_they_were_planned(
    house: House, caller: httpx2.AsyncClient, account: Json, base: str
) -> None:
    began = house.clock.now()
    runs = []
    for number in range(4):
        house.clock.move(hours=1)
        over = {"step": RunStep.SETTLED, "ended_at": house.clock.now(), "next_at": None}
        runs.append(await run_of(house, account, [], **(over if number == 1 else {})))

    async def found(query: str) -> list[str]:
        answer = await caller.get(f"{base}/feed-runs?{query}")
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    assert await found("") == runs
    assert await found("only_open=true") == [runs[0], *runs[2:]]
    late = (began + timedelta(hours=2, minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await found(f"since={late}") == runs[2:]
    page = (await caller.get(f"{base}/feed-runs?limit=2")).json()
    assert [one["id"] for one in page["items"]] == runs[:2]
    assert await found(f"after={page['next']}") == runs[2:]
    # Whoever goes on with the same question does not fall back behind it.
    assert await found(f"since={late}&after={runs[0]}") == runs[2:]


async def test_a_run_in_pages_of_whole_messages(
    house: House, caller: httpx2.AsyncClient, account: Json, base: str
) -> None:
    changes = await put(
        caller, base, *(line(f"S-{n}") for n in range(3) for line in (stock, price))
    )
    run = await run_of(house, account, picks_of(changes, 1, 1, 2, 2, 3, 3))
    seen: list[str] = []
    after: int | None = 0
    for _ in range(3):
        answer = await caller.get(f"/v1/feed-runs/{run}?limit=1&after_message={after}")
        told = answer.json()
        assert len(told["changes"]) == 2
        seen += [one["id"] for one in told["changes"]]
        after = told["next_message"]
    assert sorted(seen) == sorted(changes)
    assert after is None


async def test_a_run_is_decided_by_a_person(
    house: House, caller: httpx2.AsyncClient, account: Json, base: str
) -> None:
    changes = await put(caller, base, refund())
    run = await run_of(
        house,
        account,
        picks_of(changes),
        path=Path.ADJUSTMENT_FEED,
        step=RunStep.UNCERTAIN,
        next_at=None,
    )
    unsure = Outcome(change_id="", state=ChangeState.UNCERTAIN)
    async with house.desk.store.transaction() as tx:
        await tx.changes.settle_rest(run, unsure, house.clock.now())
    over = await caller.post(f"/v1/feed-runs/{run}/cancel")
    assert (over.status_code, over.json()["code"]) == (409, "conflict")
    assert (await caller.post(f"/v1/feed-runs/{run}/decide", json={})).status_code == 422
    decided = await caller.post(f"/v1/feed-runs/{run}/decide", json={"happened": True})
    assert (decided.json()["step"], decided.json()["next_at"]) == ("settled", None)
    again = await caller.post(f"/v1/feed-runs/{run}/decide", json={"happened": False})
    assert again.status_code == 409
    (one,) = (await caller.get(f"{base}/changes")).json()["items"]
    assert (one["state"], one["code"]) == ("accepted", "decided")


async def test_a_run_is_stopped(
    house: House, caller: httpx2.AsyncClient, account: Json, base: str
) -> None:
    changes = await put(caller, base, stock())
    run = await run_of(house, account, picks_of(changes))
    stopped = await caller.post(f"/v1/feed-runs/{run}/cancel")
    assert (stopped.status_code, stopped.json()["returned"]) == (200, 1)
    (one,) = (await caller.get(f"{base}/changes")).json()["items"]
    assert one["state"] == "pending"
    assert one["next_at"] is not None


# --- turns --------------------------------------------------------------------------------------


async def test_paused_resumed_and_hurried(caller: httpx2.AsyncClient, base: str) -> None:
    paused = await caller.post(f"{base}/feeds/pause", json={"note": "stock-taking"})
    assert (paused.status_code, paused.json()["pause_note"]) == (200, "stock-taking")
    assert paused.json()["paused_by"] != ""
    assert (await caller.get(f"{base}/feeds")).json()["work"] == paused.json()
    assert (await caller.post(f"{base}/feeds/run-now")).status_code == 409
    resumed = await caller.post(f"{base}/feeds/resume")
    assert resumed.json()["paused_at"] is None
    assert (await caller.post(f"{base}/feeds/resume")).status_code == 409
    assert (await caller.post(f"{base}/feeds/run-now")).json()["due_at"] is not None
    long = await caller.post(f"{base}/feeds/pause", json={"note": "n" * 501})
    assert long.status_code == 422


# --- who may ------------------------------------------------------------------------------------


async def test_each_verb_needs_its_right(
    house: House, caller: httpx2.AsyncClient, account: Json, base: str
) -> None:
    (change,) = await put(caller, base, stock())
    run = await run_of(house, account, picks_of([change]))
    reader = await house.caller(Right.READ)
    for path in (
        *("/v1/feeds", f"{base}/feeds", f"{base}/feeds/plan", f"{base}/changes"),
        *(f"/v1/changes/{change}", f"{base}/feed-runs", f"/v1/feed-runs/{run}"),
    ):
        assert (await reader.get(path)).status_code == 200, path
        writer = await house.caller(Right.AMAZON_WRITE, Right.WRITE)
        assert (await writer.get(path)).status_code == 403, path
    for path, right, body in (
        (f"{base}/feeds/pause", Right.WRITE, {}),
        (f"{base}/feeds/resume", Right.WRITE, None),
        (f"{base}/feeds/run-now", Right.WRITE, None),
        (f"/v1/feed-runs/{run}/cancel", Right.AMAZON_WRITE, None),
        (f"/v1/feed-runs/{run}/decide", Right.AMAZON_WRITE, {"happened": True}),
    ):
        others = await house.caller(*(one for one in Right if one is not right))
        refused = await others.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed"), path
        allowed = await house.caller(right)
        assert (await allowed.post(path, json=body)).status_code in (200, 409), path


async def test_nobody_reaches_further_than_the_key(
    house: House, caller: httpx2.AsyncClient, account: Json, base: str
) -> None:
    (change,) = await put(caller, base, stock())
    run = await run_of(house, account, picks_of([change]))
    other = await house.instance(caller)
    bound = await house.caller(instance=other["id"])
    assert (await bound.get("/v1/feeds")).json()["items"] == []
    for method, path, body in (
        *(("GET", f"{base}/{name}", None) for name in ("feeds", "feeds/plan", "changes")),
        ("GET", f"{base}/feed-runs", None),
        ("GET", f"/v1/changes/{change}", None),
        ("GET", f"/v1/feed-runs/{run}", None),
        ("POST", f"/v1/feed-runs/{run}/cancel", None),
        ("POST", f"/v1/feed-runs/{run}/decide", {"happened": True}),
        ("POST", f"{base}/feeds/pause", {}),
        ("POST", f"{base}/feeds/resume", None),
        ("POST", f"{base}/feeds/run-now", None),
    ):
        theirs = await bound.request(method, path, json=body)
        nobodys = await bound.request(
            method,
            path.replace(account["id"], f"acc_{NOBODY}")
            .replace(change, f"chg_{NOBODY}")
            .replace(run, f"run_{NOBODY}"),
            json=body,
        )
        told = [{**one.json(), "request_id": ""} for one in (theirs, nobodys)]
        assert (theirs.status_code, told[0]) == (404, told[1]), path
