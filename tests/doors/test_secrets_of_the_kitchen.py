"""Whatever the kitchen does, and whatever goes wrong with it, what is secret or personal is written
down nowhere: documents' addresses, PDFs, what buyers are called, access tokens.

All paths run to their end, and into trouble at each of their acts, with logs at their most
talkative; Amazon's errors repeat the addresses that it gave.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from evergrant import logs
from evergrant.adapters.documents import HttpDocuments
from evergrant.entrances import api, ops
from evergrant.entrances.ops import Meters
from evergrant.errors import EvergrantError
from evergrant.ports.amazon import Answer
from evergrant.rules.feedruns import Path
from evergrant.rules.rights import SYSTEM, Right
from evergrant.rules.secrecy import Secret
from evergrant.testing.selling_partner_api import error_answer
from evergrant.vault import Vault
from tests.doors.gateway_house import SETTINGS
from tests.house.test_logs import Sink, _as_before
from tests.rooms import kitchen_amazon, kitchen_ground
from tests.rooms.kitchen_amazon import Mood
from tests.rooms.kitchen_ground import Kitchen
from tests.rooms.orders_ground import Book

__all__ = ["_as_before"]

ORDER = "302-1234567-1234567"
PERSONAL = ("Wilhelmina", "w@buyers.example", "Gasse 7")
ACTS = ("createFeedDocument", "createFeed", "getFeeds", "getFeed", "getFeedDocument")


@pytest.fixture
def sink(_as_before: None) -> Sink:
    found = Sink()
    logs.configure("text", "debug", found)
    return found


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that ever goes into the safe."""
    found: list[str] = []
    put = Vault.put

    async def noted(self: Vault, tx: Any, name: str, secret: Secret, **more: Any) -> None:
        found.append(secret.reveal())
        await put(self, tx, name, secret, **more)

    monkeypatch.setattr(Vault, "put", noted)
    return found


def stored(store: Any) -> str:
    """All that lies in the store unsealed."""
    rows = {name: list(found.values()) for name, found in store.rows.items() if name != "safe"}
    return repr((rows, store.events, store.lines))


def echo(house: Kitchen) -> Mood:
    """Amazon repeats what it gave."""

    def told() -> Answer:
        url = next(iter(house.amazon._urls.values()), "")
        return error_answer(400, "InvalidInput", f"Nothing lies at {url}")

    return Mood(told, does=False)


def broken_at(what: str) -> Callable[[str, str], EvergrantError | None]:
    """A mistake of ours whose words hold the address."""

    def fail(act: str, address: str) -> None:
        if act == what:
            raise RuntimeError(f"PUT {address} broke")

    return fail


async def answers_of(house: Kitchen, wishes: list[dict[str, Any]]) -> str:
    """What the interface says, and the metrics."""
    desk = house.desk
    made = await desk.people.add_api_key(
        name="all", rights=[right.value for right in Right], by=SYSTEM
    )
    account = f"/v1/accounts/{house.account_id}"
    transport = httpx2.ASGITransport(app=api.build(desk, SETTINGS))
    bearer = {"authorization": f"Bearer {made.secret.reveal()}"}
    said = []
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://v1.test", headers=bearer
    ) as http:
        answer = await http.post(f"{account}/changes", json={"changes": wishes})
        assert answer.status_code == 200, answer.text
        said.append(answer.text)
        wrong = await http.post(f"{account}/changes", json={"changes": wishes[0]})
        assert wrong.status_code == 422, wrong.text
        said.append(wrong.text)
        for run in await house.all_runs():
            said.append((await http.get(f"/v1/feed-runs/{run.id}")).text)
        said += [
            (await http.get(f"{account}/{what}")).text for what in ("changes", "feed-runs", "feeds")
        ]
    ops_transport = httpx2.ASGITransport(app=ops.build(desk, Meters(), {}))
    async with httpx2.AsyncClient(transport=ops_transport, base_url="http://ops.test") as http:
        said.append((await http.get("/metrics")).text)
    said.append((await desk.moving.export(by=SYSTEM)).text())
    assert house.account_id in said[-1]
    return "\n".join(said)


async def test_nothing_secret_of_a_run_is_written_down(
    sink: Sink, hidden: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = b"%PDF-1.7 " + secrets.token_bytes(60)
    for ground in (kitchen_amazon, kitchen_ground):
        monkeypatch.setattr(ground, "PDF", pdf)
    wishes: list[dict[str, Any]] = [
        {
            "kind": "invoice",
            "order_id": ORDER,
            "invoice_number": "R-1",
            "total": "119.00",
            "vat": "19.00",
            "pdf": base64.b64encode(pdf).decode(),
        },
        # In the wrong field, and cut off.
        {"kind": "stock", "sku": base64.b64encode(pdf).decode(), "quantity": 1},
        {"kind": "invoice", "order_id": ORDER, "pdf": base64.b64encode(pdf).decode() + "*"},
        {base64.b64encode(pdf).decode(): 1, "kind": "refund"},
    ]
    house = await Kitchen(Path.INVOICE_FEED).furnish()
    told = [await answers_of(house, wishes)]
    for path in (Path.INVOICE_FEED, Path.ADJUSTMENT_FEED):
        house.path = path
        for number, act in enumerate(ACTS):
            await house.wish(f"302-{path.value}-{number}")
            house.amazon.moods[act] = echo(house)
            await house.rest()
        for what in ("upload", "download"):
            await house.wish(f"302-{path.value}-{what}")
            house.documents.fail = broken_at(what)
            with pytest.raises(RuntimeError):
                await house.rest()
            for run in await house.open_runs():
                await house.desk.feeds.work._gone(run)
            house.documents.fail = lambda act, url: None
            await house.rest()
    told.append(await answers_of(house, wishes))
    urls = list(house.amazon._urls.values())
    signatures = [one for url in urls for one in re.findall(r"Signature=(\w+)", url)]
    assert len(signatures) > 10
    assert len(hidden) > 5
    places = {
        "store": stored(house.store),
        "logs": sink.getvalue(),
        "answers": "\n".join(told),
    }
    tokens = list(house.fakes.lwa._issued)
    secret_texts = [*signatures, *hidden, *tokens, base64.b64encode(pdf).decode(), repr(pdf)[12:-1]]
    found = [
        (place, text[:20])
        for place, whole in places.items()
        for text in secret_texts
        for form in (text, quote(text, safe=""), json.dumps(text)[1:-1])
        if form in whole
    ]
    assert not found
    assert "RuntimeError" in places["logs"], "a traceback was written"


async def test_no_buyer_is_named_in_a_log_or_an_event(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = await Book.opened()
    await book.seller()
    for _ in range(4):
        book.amazon.put()
    # A name in every place where something else belongs.
    members = (
        "createdTime",
        "lastUpdatedTime",
        "orderItems",
        "fulfillment",
        "salesChannel",
        "buyer",
    )
    hostile = {book.amazon.put(): member for member in members}
    answer = book.amazon.answer

    def told(call: Any) -> Answer:
        answered = answer(call)
        body = json.loads(answered.body)
        for one in [*body.get("orders", []), body.get("order", {})]:
            if (member := hostile.get(one.get("orderId", ""))) is not None:
                # Instants are not sealed, whatever stands there.
                one[member] = "Mechthild" if member.endswith("Time") else PERSONAL[0]
        return dataclasses.replace(answered, body=json.dumps(body).encode())

    monkeypatch.setattr(book.amazon, "answer", told)
    book.amazon.instead = [error_answer(400, "InvalidInput", "No."), None]
    for _ in range(4):
        book.fakes.clock.move(hours=1)
        await book.orders.round()
    assert await book.personal() >= 4
    store: Any = book.fakes.store
    places = {"store": stored(store), "logs": sink.getvalue()}
    found = [
        (place, text[max(at - 200, 0) : at + 60])
        for place, text in places.items()
        for word in PERSONAL
        if (at := text.find(word)) >= 0
    ]
    assert not found
    assert "Mechthild" not in places["logs"]


async def test_libraries_do_not_tell_an_address_either(sink: Sink) -> None:
    signature = secrets.token_hex(16)
    transport = httpx2.MockTransport(lambda request: httpx2.Response(403, text=str(request.url)))
    documents = HttpDocuments(timeout_s=1, user_agent="x", transport=transport)
    url = f"https://documents.example/a?X-Amz-Signature={signature}"
    with pytest.raises(EvergrantError) as caught:
        await documents.upload(Secret(url), b"x", "text/xml")
    logs.logger("evergrant.test").warning(f"PUT {url}")
    logs.logger("evergrant.test").error("it broke", exc_info=RuntimeError(url))
    assert "it broke" in sink.getvalue()
    assert signature not in f"{sink.getvalue()} {caught.value!r} {caught.value.facts}"
    await documents.close()
