"""The house at a glance: ends that lie ahead, and how LWA, mail, limits, queue and feeds are."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergrant.errors import InvalidInput
from evergrant.feeds.kept import KEPT_FOR
from evergrant.overview import Health, KindToday, LimitPulse, Overview
from evergrant.overview.ahead import NAMED, monday_of
from evergrant.overview.verdicts import TILES, verdicts
from evergrant.ports.boards import ApplicationPulse, InstancePulse, MailPulse
from evergrant.ports.budgets import Share, Wish
from evergrant.ports.pulse import PulseSeen, WorkerSeen
from evergrant.ports.things import CallCount
from evergrant.rules import ids
from evergrant.rules.attention import Weight
from evergrant.rules.budgets import Plan
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, Region
from evergrant.rules.plans import bucket_name
from evergrant.rules.rights import SYSTEM
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.clock import FakeClock
from evergrant.testing.pulse import MemoryPulse
from tests.edges.boards_town import DAY, HOUR, NOW, base, crowded, make
from tests.rooms.test_overview import Gallery, an_account, an_authorization

# --- what ends ------------------------------------------------------------------------------------


async def ends(*at: datetime | None, **values: Any) -> Gallery:
    town = base()
    for number, ends_at in enumerate(at):
        own = make(ids.Kind.ACCOUNT, number)
        town.add("accounts", an_account(own, f"Shop {number:02}"))
        town.add(
            "authorizations", an_authorization(own, number, **{"term_ends_at": ends_at, **values})
        )
    return await Gallery().fill(town)


async def test_a_year_of_weeks_without_a_gap() -> None:
    gallery = await ends(NOW + DAY, NOW + 2 * DAY, NOW + 200 * DAY, NOW + 366 * DAY, None)
    terms = await gallery.overview.terms(by=SYSTEM)
    assert terms.since == NOW
    assert terms.until == NOW + 366 * DAY
    begins = [week.begins_at for week in terms.weeks]
    assert begins[0] == datetime(2026, 6, 29, tzinfo=UTC)  # the Monday before
    assert {later - earlier for earlier, later in itertools.pairwise(begins)} == {7 * DAY}
    assert len(begins) == 53
    assert terms.grants == 3
    assert terms.most == 2
    assert [end.name for end in terms.weeks[0].first] == ["Shop 00", "Shop 01"]
    assert terms.weeks[0].first[0].days_left == 1
    assert (terms.lapsed, terms.undated) == (0, 1)


async def test_of_many_in_one_week_few_are_named() -> None:
    gallery = await ends(*(NOW + DAY + number * HOUR for number in range(40)))
    week = (await gallery.overview.terms(by=SYSTEM)).weeks[0]
    assert week.count == 40
    assert [end.name for end in week.first] == [f"Shop {number:02}" for number in range(NAMED)]


async def test_client_secrets_stand_beside_the_grants() -> None:
    gallery = await ends()
    terms = await gallery.overview.terms(by=SYSTEM)
    found = [end for week in terms.weeks for end in week.secrets]
    # Of four one is not set, two are over.
    assert [(end.name, end.days_left) for end in found] == [("élan", 5), ("Connector", 100)]
    assert terms.secrets == 2
    assert all(
        week.begins_at == monday_of(end.ends_at) for week in terms.weeks for end in week.secrets
    )


async def test_only_what_works_ends() -> None:
    gallery = await ends(NOW + DAY, NOW + DAY, state=State.LAPSED)
    terms = await gallery.overview.terms(by=SYSTEM)
    assert (terms.grants, terms.lapsed) == (0, 2)


@pytest.mark.parametrize("until", [NOW, NOW - DAY, NOW + 4000 * DAY])
async def test_until_is_ahead_and_not_too_far(until: datetime) -> None:
    with pytest.raises(InvalidInput):
        await Gallery().overview.terms(by=SYSTEM, until=until)


async def test_a_shorter_look() -> None:
    gallery = await ends(NOW + DAY, NOW + 40 * DAY)
    terms = await gallery.overview.terms(by=SYSTEM, until=NOW + 30 * DAY)
    assert terms.grants == 1
    assert terms.weeks[-1].begins_at < terms.until


# --- how the house is -----------------------------------------------------------------------------


async def house(budgets: MemoryBudgets | None = None, pulse: Any = None) -> Gallery:
    gallery = Gallery()
    gallery.overview = Overview(
        gallery.store, gallery.clock, marketplaces=STANDARD, budgets=budgets, pulse=pulse
    )
    return await gallery.fill(crowded(seed=5, accounts=60))


async def test_everything_at_one_look() -> None:
    gallery = await house()
    health = await gallery.overview.health(by=SYSTEM)
    assert [one.name for one in health.applications] == ["Connector", "Dead", "élan", "Own"]
    assert health.mail.waiting
    assert health.instances
    assert health.limits
    assert health.throttled == sum(one.throttled for one in health.limits)
    assert [kind.kind for kind in health.kinds] == list(ChangeKind)
    assert health.runs_open
    assert health.pulse is None
    assert tuple(health.verdicts) == TILES
    assert health.verdicts["lwa"] == (Weight.BAD, "Amazon refuses Dead.")
    assert all(words.endswith(".") for _, words in health.verdicts.values())


async def test_of_an_empty_house() -> None:
    health = await Gallery().overview.health(by=SYSTEM)
    assert {name: weight for name, (weight, _) in health.verdicts.items()} == {
        "lwa": Weight.QUIET,
        "mail": Weight.GOOD,
        "webhooks": Weight.GOOD,
        "limits": Weight.GOOD,
        "queue": Weight.QUIET,
        "workers": Weight.QUIET,
        "feeds": Weight.QUIET,
    }


async def test_the_queue_as_the_pulse_tells_or_unknown() -> None:
    pulse = MemoryPulse(FakeClock(NOW))
    pulse.seen = PulseSeen(looked_at=NOW, waiting={"feeds": 2}, oldest_waiting_s=180.0)
    health = await (await house(pulse=pulse)).overview.health(by=SYSTEM)
    assert health.pulse == pulse.seen
    assert health.verdicts["queue"] == (Weight.BAD, "2 jobs due, the oldest for 3 minutes.")
    pulse.down = True
    broken = await (await house(pulse=pulse)).overview.health(by=SYSTEM)
    assert broken.pulse is None
    assert broken.verdicts["workers"][0] is Weight.QUIET


async def test_buckets_of_those_that_met_a_limit() -> None:
    gallery = Gallery()
    budgets = MemoryBudgets(gallery.clock)
    gallery.overview = Overview(
        gallery.store, gallery.clock, marketplaces=STANDARD, budgets=budgets
    )
    town = base()
    own = make(ids.Kind.ACCOUNT, 0)
    town.add("accounts", an_account(own, "Heron"))
    town.add("authorizations", an_authorization(own, 0))
    for operation, throttled in (("getOrders", 2), ("getFeed", 0)):
        town.add(
            "call_counts",
            CallCount(
                id=f"{own}/{operation}/h",
                account_id=own,
                operation=operation,
                hour_at=NOW.replace(minute=0),
                calls=7,
                waits=1,
                waited_ms=1500,
                throttled=throttled,
                last_at=NOW,
            ),
        )
    await gallery.fill(town)
    bucket = bucket_name(
        make(ids.Kind.APPLICATION, 0), "getOrders", account_id=own, region=Region.EU.value
    )
    plan = Plan(rate_per_s=0.01, burst=20)
    for number in range(19):
        ticket = f"ticket-{number}"
        await budgets.take(Wish(ticket=ticket, shares=[Share(bucket=bucket, plan=plan)]))
    health = await gallery.overview.health(by=SYSTEM)
    first, second = health.limits
    assert (first.operation, first.account_name, first.throttled) == ("getOrders", "Heron", 2)
    assert first.waited_s == 1.5
    assert first.burst == 20
    assert first.left is not None
    assert first.left < 2
    assert first.is_near_its_end
    assert (second.operation, second.left) == ("getFeed", None)
    assert not second.is_near_its_end
    assert health.verdicts["limits"] == (
        Weight.WARM,
        "Amazon answered 2 calls with 429 in the last 24 hours.",
    )


async def test_dear_figures_are_kept_for_a_while() -> None:
    gallery = await house()
    look = gallery.overview._health
    first = await gallery.overview.health(by=SYSTEM)
    look.figures.dear_after_s = -1.0
    second = await gallery.overview.health(by=SYSTEM)
    async with gallery.store.transaction() as tx:
        await tx.feed_runs.drop_all([run.id for run in await tx.feed_runs.all()])
    assert first.runs_open == second.runs_open
    assert (await gallery.overview.health(by=SYSTEM)).runs_open == first.runs_open
    gallery.clock.move(KEPT_FOR)
    assert (await gallery.overview.health(by=SYSTEM)).runs_open == 0


# --- verdicts, as a table -------------------------------------------------------------------------

FINE = Health(
    at=NOW,
    applications=(
        ApplicationPulse(
            id="app_1", name="Connector", active=3, last_success_at=NOW, trouble="",
            trouble_since=None, secret_expires_at=NOW + 100 * DAY,
        ),
    ),
    silent={},
    mail=MailPulse(),
    instances=(),
    limits=(),
    throttled=0,
    kinds=(KindToday(kind=ChangeKind.STOCK, counts={ChangeState.ACCEPTED: 5}),),
    runs_today=1,
    runs_open=0,
    pulse=PulseSeen(
        looked_at=NOW, workers=(WorkerSeen(id="1", last_heartbeat_at=NOW),), waiting={"a": 3}
    ),
)  # fmt: skip
APPLICATION = FINE.applications[0]
assert FINE.pulse is not None
PULSE = FINE.pulse
INSTANCE = InstancePulse(
    id="ins_1", name="ERP", waiting=1, oldest_waiting_at=NOW - timedelta(minutes=2), failed=0,
    last_error="503",
)  # fmt: skip
LIMIT = LimitPulse(
    account_id="acc_1", account_name="Heron", operation="getOrders", calls=1, waits=1, waited_s=1,
    refused=0, throttled=0, last_at=NOW, left=0.5, burst=20,
)  # fmt: skip


def applications(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"applications": tuple(dataclasses.replace(APPLICATION, **one) for one in changes)}


def kinds(**counts: int) -> dict[str, Any]:
    of = {ChangeState(state): count for state, count in counts.items()}
    return {"kinds": (KindToday(kind=ChangeKind.PRICE, counts=of),)}


VERDICTS: list[tuple[str, dict[str, Any], Weight, str]] = [
    ("lwa", {}, Weight.GOOD, "Amazon's sign-in service accepts every application."),
    (
        "lwa",
        {"silent": {"app_1": NOW}},
        Weight.WARM,
        (
            "Amazon's sign-in service did not answer lately. Access tokens that still live are "
            "used; it is asked again by itself."
        ),
    ),
    (
        "lwa",
        applications({"trouble": "x"}, {"name": "Two", "trouble": "y"}),
        Weight.BAD,
        "Amazon refuses Connector and Two.",
    ),
    (
        "lwa",
        applications(*({"trouble": "x"} for _ in range(4))),
        Weight.BAD,
        "Amazon refuses Connector, Connector and 2 more.",
    ),
    (
        "lwa",
        applications({"secret_expires_at": NOW + DAY}),
        Weight.WARM,
        "The client secret of Connector has to be rotated.",
    ),
    ("mail", {}, Weight.GOOD, "Every letter has left."),
    (
        "mail",
        {"mail": MailPulse(waiting=1, oldest_waiting_at=NOW - DAY, last_error="relay is away")},
        Weight.BAD,
        "1 letter cannot leave: relay is away.",
    ),
    (
        "mail",
        {"mail": MailPulse(waiting=2, oldest_waiting_at=NOW - DAY)},
        Weight.BAD,
        "2 letters cannot leave: the relay does not answer.",
    ),
    (
        "mail",
        {"mail": MailPulse(failed=3)},
        Weight.WARM,
        "3 letters could not be delivered in the last 24 hours.",
    ),
    (
        "mail",
        {"mail": MailPulse(waiting=1, oldest_waiting_at=NOW)},
        Weight.GOOD,
        "1 letter about to leave.",
    ),
    ("webhooks", {}, Weight.GOOD, "Every client instance takes its events."),
    ("webhooks", {"instances": (INSTANCE,)}, Weight.WARM, "ERP answers slowly."),
    (
        "webhooks",
        {"instances": (dataclasses.replace(INSTANCE, failed=1),)},
        Weight.BAD,
        "ERP does not take its events.",
    ),
    (
        "webhooks",
        {"instances": (dataclasses.replace(INSTANCE, oldest_waiting_at=NOW - HOUR),)},
        Weight.BAD,
        "ERP does not take its events.",
    ),
    ("limits", {}, Weight.GOOD, "Every call found room in its limit, or waited for it."),
    ("limits", {"limits": (LIMIT,)}, Weight.WARM, "1 bucket of calls nearly empty."),
    (
        "limits",
        {"limits": (dataclasses.replace(LIMIT, left=19.0),)},
        Weight.GOOD,
        "Every call found room in its limit, or waited for it.",
    ),
    ("queue", {}, Weight.GOOD, "Jobs are done as they come."),
    (
        "queue",
        {"pulse": dataclasses.replace(PULSE, failed_last_day=1)},
        Weight.WARM,
        "1 job failed in the last 24 hours.",
    ),
    (
        "queue",
        {"pulse": dataclasses.replace(PULSE, oldest_waiting_s=61.0)},
        Weight.BAD,
        "3 jobs due, the oldest for 1 minute.",
    ),
    ("workers", {}, Weight.GOOD, "1 worker at work."),
    (
        "workers",
        {"pulse": dataclasses.replace(PULSE, looked_at=NOW + HOUR)},
        Weight.BAD,
        "No worker is alive: nothing leaves and nothing is watched.",
    ),
    (
        "workers",
        {
            "pulse": dataclasses.replace(
                PULSE,
                workers=(*PULSE.workers, WorkerSeen(id="2", last_heartbeat_at=NOW - HOUR)),
            )
        },
        Weight.WARM,
        "1 worker gave no sign for a minute.",
    ),
    ("feeds", {}, Weight.GOOD, "Amazon accepted 5 lines today."),
    ("feeds", kinds(accepted=1200, refused=3), Weight.WARM,
     "Amazon accepted 1,200 lines today and refused 3."),
    ("feeds", kinds(uncertain=1), Weight.BAD, "1 change to be decided on by somebody."),
    ("feeds", kinds(), Weight.QUIET, "Nothing was sent to Amazon today."),
]  # fmt: skip


@pytest.mark.parametrize(("tile", "changes", "weight", "words"), VERDICTS)
def test_verdicts(tile: str, changes: dict[str, Any], weight: Weight, words: str) -> None:
    assert verdicts(dataclasses.replace(FINE, **changes))[tile] == (weight, words)


def test_every_tile_has_each_of_its_verdicts_once() -> None:
    assert {tile for tile, *_ in VERDICTS} == set(TILES)
