"""The letter slot: what is subscribed, what comes by the queue, and what becomes of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from evergrant.errors import Conflict, InvalidInput, NotAllowed, NotFound, StoreUnavailable
from evergrant.notifications import Heard
from evergrant.registry import Credentials
from evergrant.rules.notifications import MOST_RECEIPTS, NotificationType
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.testing.selling_partner_api import error_answer
from tests.rooms.rotation_ground import expiry_body, new_secret, new_secret_body
from tests.rooms.slot_ground import (
    ARN,
    NOTIFICATIONS_URL,
    ROOT,
    Slot,
    feed_finished,
    order_change,
    report_finished,
)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FEED, ORDER, REPORT = (
    NotificationType.FEED_FINISHED,
    NotificationType.ORDER_CHANGE,
    NotificationType.REPORT_FINISHED,
)
SUBSCRIBE = "/notifications/v1/subscriptions/"
DESTINATIONS = "/notifications/v1/destinations"


class Rooms:
    """What the rooms were told, in their place."""

    def __init__(self, slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.fail: Exception | None = None
        rooms = slot.desk.notifications._queues._rooms
        for kind in NotificationType:
            monkeypatch.setitem(rooms, kind, self._room(kind))

    def _room(self, kind: NotificationType) -> Any:
        async def tell(account_id: str, thing_id: str, now: datetime) -> None:
            if self.fail is not None:
                raise self.fail
            self.told.append((kind.value, account_id, thing_id))

        return tell


@pytest.fixture
async def slot() -> Slot:
    return await Slot().furnish(queue=True)


@pytest.fixture
async def shop(slot: Slot) -> str:
    return await slot.account("A1SHOP")


@pytest.fixture
def rooms(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> Rooms:
    return Rooms(slot, monkeypatch)


# --- subscribing ------------------------------------------------------------------------------


async def test_every_account_is_subscribed_to_what_its_kind_has(slot: Slot, shop: str) -> None:
    vendor = await slot.account("amzn1.vg.6213651", kind="vendor")
    heard = await slot.slot_round()
    assert heard == Heard(subscribed=5)
    assert list(slot.amazon.destinations.values()) == [ARN], "one for the application and region"
    assert set(await slot.subscriptions(shop)) == {FEED, ORDER, REPORT}
    assert set(await slot.subscriptions(vendor)) == {FEED, REPORT}
    made = slot.amazon.subscriptions["A1SHOP/DE", ORDER]
    assert made["payloadVersion"] == "1.0"
    assert made["processingDirective"] == {
        "eventFilter": {
            "eventFilterType": "ORDER_CHANGE",
            "orderChangeTypes": ["OrderStatusChange", "BuyerRequestedChange"],
        }
    }
    row = (await slot.subscriptions(shop))[ORDER]
    assert (row.subscription_id, row.trouble) == (made["subscriptionId"], "")
    slot.amazon.asked.clear()
    assert await slot.slot_round(HOUR) == Heard()
    assert slot.amazon.asked == [], "nothing is asked again"


async def test_each_region_has_a_destination_of_its_own(slot: Slot, shop: str) -> None:
    await slot.account("A1SHOP", home="US")
    await slot.slot_round()
    asked = [call.endpoint for call in slot.amazon.sent if call.path == DESTINATIONS]
    assert len(set(asked)) == 2
    assert len(slot.amazon.subscriptions) == 6


async def test_a_subscription_that_is_there_already_is_adopted(slot: Slot, shop: str) -> None:
    slot.amazon.destinations["d-1"] = ARN
    slot.amazon.subscriptions["A1SHOP/DE", FEED] = {
        "subscriptionId": "s-1",
        "payloadVersion": "2020-09-04",
        "destinationId": "d-1",
    }
    slot.amazon.subscriptions["A1SHOP/DE", REPORT] = {
        "subscriptionId": "s-2",
        "payloadVersion": "2020-09-04",
        "destinationId": "elsewhere",
    }
    await slot.slot_round()
    rows = await slot.subscriptions(shop)
    assert rows[FEED].subscription_id == "s-1"
    assert rows[REPORT].subscription_id not in ("", "s-2"), "it led to another queue"
    assert slot.amazon.subscriptions["A1SHOP/DE", REPORT]["destinationId"] == "d-1"
    assert slot.amazon.made("POST", DESTINATIONS) == 0


async def test_what_amazon_refuses_is_told_and_tried_again_later(slot: Slot, shop: str) -> None:
    slot.amazon.mood = lambda method, path: (
        error_answer(403, "Unauthorized", "Access to requested resource is denied.")
        if path == f"{SUBSCRIBE}{ORDER}"
        else None
    )
    assert (await slot.slot_round()).troubles == 1
    row = (await slot.subscriptions(shop))[ORDER]
    assert "Access to requested resource is denied." in row.trouble
    assert row.next_at == slot.clock.now() + 5 * MINUTE
    slot.amazon.asked.clear()
    await slot.slot_round(MINUTE)
    assert slot.amazon.asked == []
    slot.amazon.mood = lambda method, path: None
    await slot.slot_round(5 * MINUTE)
    row = (await slot.subscriptions(shop))[ORDER]
    assert (row.trouble, row.tries) == ("", 0)


async def test_a_queue_that_amazon_may_not_use_is_told_once(slot: Slot, shop: str) -> None:
    await slot.account("A2SHOP")
    slot.amazon.mood = lambda method, path: (
        error_answer(400, "InvalidInput", "The policy does not allow sqs:SendMessage.")
        if (method, path) == ("POST", DESTINATIONS)
        else None
    )
    await slot.slot_round()
    assert slot.amazon.made("POST", DESTINATIONS) <= 4, "not by each of the accounts"
    (notice,) = await slot.board()
    assert "437568002678" in notice.message
    slot.amazon.mood = lambda method, path: None
    await slot.slot_round(6 * MINUTE)
    assert await slot.board() == []
    assert len(slot.amazon.subscriptions) == 6


async def test_another_queue_is_subscribed_to_and_none_ends_everything(
    slot: Slot, shop: str
) -> None:
    await slot.slot_round()
    before = dict(slot.amazon.subscriptions)
    await slot.set_queue(f"{NOTIFICATIONS_URL}-2")
    for _ in range(3):  # Amazon takes five subscriptions at once
        await slot.slot_round(5 * SECOND)
    assert sorted(slot.amazon.destinations.values()) == [ARN, f"{ARN}-2"]
    leads_to = {one["destinationId"] for one in slot.amazon.subscriptions.values()}
    assert [slot.amazon.destinations[one] for one in leads_to] == [f"{ARN}-2"]
    assert len(slot.amazon.subscriptions) == len(before) == 3
    await slot.desk.registry.set_credentials(
        slot.application_id, Credentials(notifications_queue_url=""), by=ROOT
    )
    assert (await slot.slot_round()).ended == 3
    assert slot.amazon.subscriptions == {}
    assert await slot.subscriptions(shop) == {}


async def test_a_closed_account_is_subscribed_to_nothing(slot: Slot, shop: str) -> None:
    await slot.slot_round()
    await slot.desk.accounts.close(shop, by=ROOT)
    assert (await slot.slot_round(11 * MINUTE)).ended == 3
    assert slot.amazon.subscriptions == {}


async def test_one_that_was_ended_at_amazon_comes_back(slot: Slot, shop: str) -> None:
    await slot.slot_round()
    del slot.amazon.subscriptions["A1SHOP/DE", FEED]
    await slot.slot_round(7 * DAY + MINUTE)
    assert ("A1SHOP/DE", FEED) in slot.amazon.subscriptions


# --- what comes -------------------------------------------------------------------------------


async def test_each_room_is_told_and_the_message_deleted(
    slot: Slot, shop: str, rooms: Rooms
) -> None:
    of = slot.amazon_application_id
    vendor = await slot.account("amzn1.vg.6213651", kind="vendor")
    await slot.slot_round()
    slot.arrive(feed_finished(of, "A1SHOP", "9001"))
    slot.arrive(order_change(of, "A1SHOP", "903-8868176-2219830"))
    slot.arrive(report_finished(of, "amzn1.vg.6213651", "54517018502"))
    wrapped = json.dumps(feed_finished(of, "A1SHOP", "9002"))
    slot.arrive({"Type": "Notification", "Message": wrapped})
    heard = await slot.slot_round()
    assert heard == Heard(told=4)
    assert rooms.told == [
        (FEED, shop, "9001"),
        (ORDER, shop, "903-8868176-2219830"),
        (REPORT, vendor, "54517018502"),
        (FEED, shop, "9002"),
    ]
    assert slot.lying == []
    assert (await slot.subscriptions(shop))[FEED].heard_at == slot.clock.now()


async def test_the_rooms_are_the_real_ones(slot: Slot, shop: str) -> None:
    report = await slot.desk.amazon_reports.request(shop, "GET_MERCHANT_LISTINGS_DATA", by=ROOT)
    await slot.reports_round()
    report = await slot.row(report)
    slot.amazon.finish(report.report_id, "DONE", b"x")
    of = slot.amazon_application_id
    slot.arrive(report_finished(of, "A1SHOP", report.report_id))
    slot.arrive(feed_finished(of, "A1SHOP", "no-feed-of-ours"))
    slot.arrive(order_change(of, "A1SHOP", "903-8868176-2219830"))
    assert (await slot.slot_round()).told == 3
    assert (await slot.row(report)).next_at == slot.clock.now()
    assert slot.lying == []


async def test_a_selling_partner_in_two_regions_is_told_apart(
    slot: Slot, shop: str, rooms: Rooms
) -> None:
    america = await slot.account("A1SHOP", home="US")
    await slot.slot_round()
    of = slot.amazon_application_id
    slot.arrive(order_change(of, "A1SHOP", "1-1-1", "ATVPDKIKX0DER"))
    its_own = feed_finished(of, "A1SHOP", "7")
    its_own["notificationMetadata"]["subscriptionId"] = slot.amazon.subscriptions[
        "A1SHOP/DE", FEED
    ]["subscriptionId"]
    slot.arrive(its_own)
    slot.arrive(feed_finished(of, "A1SHOP", "8"))  # nobody can tell: both look
    await slot.slot_round()
    assert rooms.told[:2] == [(ORDER, america, "1-1-1"), (FEED, shop, "7")]
    assert sorted(rooms.told[2:]) == sorted([(FEED, shop, "8"), (FEED, america, "8")])


async def test_what_is_not_for_us_is_thrown_away_and_told_once(
    slot: Slot, shop: str, rooms: Rooms
) -> None:
    await slot.slot_round()
    of = slot.amazon_application_id
    slot.arrive(feed_finished(of, "A9STRANGER", "1"))
    slot.arrive({**feed_finished(of, "A1SHOP", "1"), "notificationType": "ANY_OFFER_CHANGED"})
    slot.arrive("no json at all")
    slot.arrive([1, 2])
    slot.arrive({"notificationType": "FEED_PROCESSING_FINISHED", "payload": {"x": 1}})
    slot.arrive(order_change(of, "A1SHOP", "../../orders?x"))
    heard = await slot.slot_round()
    assert (heard.foreign, heard.unread, heard.told) == (2, 4, 0)
    assert rooms.told == []
    assert slot.lying == []
    (notice,) = await slot.board()
    assert notice.times == 1, "one notice, and not one for each message"
    await slot.slot_round(DAY + MINUTE)
    assert await slot.board() == [], "it comes down once nothing strange came for a day"


async def test_a_new_client_secret_on_the_wrong_queue_is_never_thrown_away(
    slot: Slot, shop: str, rooms: Rooms
) -> None:
    now = slot.clock.now()
    slot.arrive(new_secret_body("amzn1.application-oa2-client.x", new_secret(), now))
    slot.arrive(expiry_body("amzn1.application-oa2-client.x", now + DAY, now))
    slot.arrive('{"broken": "APPLICATION_OAUTH_CLIENT_NEW_SECRET')
    for _ in range(MOST_RECEIPTS + 2):
        heard = await slot.slot_round(2 * MINUTE)
        assert (heard.left, heard.poison) == (3, 0)
    assert len(slot.lying) == 3
    (notice,) = await slot.board()
    assert "another queue for client secrets" in notice.message


async def test_what_cannot_be_handled_comes_again_until_it_is_poison(
    slot: Slot, shop: str, rooms: Rooms
) -> None:
    await slot.slot_round()
    slot.arrive(feed_finished(slot.amazon_application_id, "A1SHOP", "1"))
    rooms.fail = Conflict("not now")
    for _ in range(MOST_RECEIPTS - 1):
        assert (await slot.slot_round(2 * MINUTE)).left == 1
    assert (await slot.slot_round(2 * MINUTE)).poison == 1
    assert slot.lying == []
    (notice,) = await slot.board()
    assert "could not be handled 5 times" in notice.message


async def test_a_failure_that_heals_loses_nothing(slot: Slot, shop: str, rooms: Rooms) -> None:
    slot.arrive(feed_finished(slot.amazon_application_id, "A1SHOP", "1"))
    rooms.fail = StoreUnavailable()
    for _ in range(MOST_RECEIPTS + 2):
        with pytest.raises(StoreUnavailable):
            await slot.slot_round(2 * MINUTE)
    rooms.fail = None
    assert (await slot.slot_round(2 * MINUTE)).told == 1
    assert rooms.told == [(FEED, shop, "1")]


async def test_a_queue_that_cannot_be_read_is_told_until_it_can(slot: Slot, shop: str) -> None:
    slot.fakes.secrets_queue.refuse(queue_url=NOTIFICATIONS_URL)
    heard = await slot.slot_round()
    assert (heard.troubles, heard.subscribed) == (1, 3), "Amazon may fill it meanwhile"
    (notice,) = await slot.board()
    assert "sqs:ReceiveMessage" in notice.message
    slot.fakes.secrets_queue.heal()
    await slot.slot_round()
    assert await slot.board() == []
    slot.fakes.secrets_queue.fail(queue_url=NOTIFICATIONS_URL)
    await slot.slot_round()
    assert await slot.board() == [], "a cloud"
    await slot.slot_round(61 * MINUTE)
    assert len(await slot.board()) == 1


# --- the credential ---------------------------------------------------------------------------


async def test_the_two_queues_are_never_the_same(slot: Slot) -> None:
    registry, other = slot.desk.registry, f"{NOTIFICATIONS_URL}-3"
    for given in (
        Credentials(queue_url=NOTIFICATIONS_URL),
        Credentials(queue_url=other, notifications_queue_url=other),
        Credentials(notifications_queue_url=f"{NOTIFICATIONS_URL}.fifo"),
    ):
        with pytest.raises(InvalidInput):
            await registry.set_credentials(slot.application_id, given, by=ROOT)
    both = Credentials(queue_url=f"{NOTIFICATIONS_URL}-secrets")
    stored = await registry.set_credentials(slot.application_id, both, by=ROOT)
    assert stored.notifications_queue_url == NOTIFICATIONS_URL
    again = Credentials(notifications_queue_url=f"{NOTIFICATIONS_URL}-secrets")
    with pytest.raises(InvalidInput, match="new client secrets"):
        await registry.set_credentials(slot.application_id, again, by=ROOT)


async def test_nobody_sees_the_subscriptions_of_others(slot: Slot, shop: str) -> None:
    stranger = Caller(
        kind=CallerKind.API_KEY,
        id="key_2",
        rights=frozenset({Right.READ}),
        account_ids=frozenset({"acc_other"}),
    )
    with pytest.raises(NotFound):
        await slot.desk.notifications.subscriptions(shop, by=stranger)


# --- how far an application is subscribed --------------------------------------------------------


async def test_how_far_the_accounts_of_an_application_are_subscribed(slot: Slot) -> None:
    connected = await slot.account("A1")
    other = await slot.account("A2")
    await slot.slot_round()
    rows = await slot.desk.notifications.of_application(slot.application_id, by=ROOT)
    assert [row.notification_type for row in rows] == list(NotificationType)
    assert {(row.wanted, row.fine, row.troubled) for row in rows} == {(2, 2, ())}
    async with slot.desk.store.transaction() as tx:
        await tx.subscriptions.change(f"{other}/{ORDER.value}", trouble="refused", tries=4)
    by_type = {
        row.notification_type: row
        for row in await slot.desk.notifications.of_application(slot.application_id, by=ROOT)
    }
    assert (by_type[ORDER].wanted, by_type[ORDER].fine) == (2, 1)
    assert [one.account_id for one in by_type[ORDER].troubled] == [other]
    assert by_type[FEED].fine == 2
    assert connected


async def test_without_a_queue_nothing_is_subscribed() -> None:
    slot = await Slot().furnish()
    assert await slot.desk.notifications.of_application(slot.application_id, by=ROOT) == []


async def test_who_may_see_how_far_it_is(slot: Slot) -> None:
    with pytest.raises(NotFound):
        await slot.desk.notifications.of_application("app_none", by=ROOT)
    for rights, bound in ((set(), None), ({Right.READ}, "ins_1")):
        by = Caller(
            kind=CallerKind.API_KEY,
            id="key_1",
            rights=frozenset(rights),
            client_instance_id=bound,
        )
        with pytest.raises(NotAllowed):
            await slot.desk.notifications.of_application(slot.application_id, by=by)
