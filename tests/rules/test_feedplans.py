from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules import listings
from evergrant.rules.changes import LANES, ChangeKind, Lane
from evergrant.rules.feedcuts import COLLAPSING, Collapsing, Draft, Group, Wished, listing_bytes
from evergrant.rules.feedplans import (
    MOST_MESSAGES,
    MOST_OPEN,
    Decision,
    Gate,
    Pace,
    Stand,
    decide,
    waits_of,
)
from evergrant.rules.feedruns import PATHS, Manner, Path
from evergrant.rules.feedsweeps import Sweep
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, VendorKind
from evergrant.rules.waits import SENTENCES, Waiting, Why, kept, read, until

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PACE = Pace(feed_every=20 * MINUTE, patch_most=3)
SELLER = Stand(partner_kind=PartnerKind.SELLER, state=State.ACTIVE, seller_id="A1EXAMPLE")
K = ChangeKind


@dataclass(frozen=True)
class Change:
    id: str
    kind: ChangeKind
    subject: str
    marketplace_id: str = "DE"
    key: str = ""
    wish: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""


@dataclass
class Plan:
    drafts: list[Draft]
    waiting: Counter[tuple[ChangeKind, Gate]]

    @property
    def runs(self) -> list[Draft]:
        return [draft for draft in self.drafts if draft.picks]

    @property
    def superseded(self) -> dict[str, str]:
        return {old: new for draft in self.drafts for old, new in draft.superseded.items()}

    def on(self, path: Path) -> list[list[str]]:
        return [[one for one, _ in draft.picks] for draft in self.runs if draft.path is path]

    def why(self) -> dict[tuple[ChangeKind, Why], int]:
        found: Counter[tuple[ChangeKind, Why]] = Counter()
        for (kind, gate), count in self.waiting.items():
            found[kind, gate.why] += count
        return dict(found)


def made(kind: ChangeKind, number: int, subject: str, marketplace_id: str = "DE") -> Change:
    wish: dict[str, Any] = {"note": "Größe & <Maß>"}
    key = subject
    if kind is K.STOCK:
        wish = {"quantity": number % 3}
    elif kind is K.PRICE:
        wish = {"price": f"{number}.99", "currency": "EUR"}
    elif kind is K.SHIPMENT:
        key = f"{subject}/{number % 2}"
    elif kind is not K.CANCELLATION:
        key = f"n{number}"
    return Change(f"chg_{number:06}", kind, subject, marketplace_id, key, wish)


def in_order(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda one: (one.marketplace_id, one.subject, one.kind, one.id))


def swept(
    changes: Iterable[Change],
    decision: Decision,
    *,
    page: int = 1_000,
    most: Mapping[Path, int] = MOST_MESSAGES,
    most_bytes: int = listings.DOCUMENT_BYTES,
) -> Plan:
    plan = Plan([], Counter())
    for lane in decision.lanes:
        sweep = Sweep(decision, lane, most=most, most_bytes=most_bytes)
        shown = [one for one in in_order(changes) if one.kind in sweep.kinds]
        for start in range(0, len(shown), page):
            plan.drafts += sweep.take(shown[start : start + page])
        plan.drafts += sweep.end()
        plan.waiting += sweep.waiting
    return plan


# --- what may go ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stand", "why"),
    [
        (replace(SELLER, state=State.AWAITING), Why.NOT_AUTHORIZED),
        (replace(SELLER, state=State.LAPSED), Why.LAPSED),
        (replace(SELLER, state=State.REVOKED), Why.REVOKED),
        (replace(SELLER, state=State.CLOSED), Why.CLOSED),
        (replace(SELLER, paused=True), Why.PAUSED),
        (replace(SELLER, unsigned=("backups",)), Why.NOT_SIGNED),
    ],
)
def test_what_holds_for_the_account_holds_for_every_kind(stand: Stand, why: Why) -> None:
    decision = decide(stand, PACE, NOW)
    assert not decision.lanes
    assert {gate.why for gate in decision.shut.values()} == {why}
    assert set(decision.shut) == set(K)


@pytest.mark.parametrize("flag", list(Flag))
def test_a_switch_stops_its_kind_alone(flag: Flag) -> None:
    decision = decide(replace(SELLER, flags={flag: False}), PACE, NOW)
    (shut,) = decision.shut
    assert decision.shut[shut] == Gate(Why.SWITCHED_OFF)
    going = {kind for routes in decision.lanes.values() for kind in routes}
    assert going == set(K) - {shut}


def test_vendors_have_what_amazon_has_for_them() -> None:
    retail = Stand(
        partner_kind=PartnerKind.VENDOR,
        vendor_kind=VendorKind.RETAIL,
        state=State.ACTIVE,
        seller_id="ABCDE",
    )
    direct = replace(retail, vendor_kind=VendorKind.DIRECT_FULFILLMENT)
    for stand, missing in (
        (retail, {K.STOCK, K.PRICE, K.REFUND}),
        (direct, {K.PRICE, K.REFUND}),
    ):
        decision = decide(stand, PACE, NOW)
        assert dict(decision.shut) == dict.fromkeys(missing, Gate(Why.UNAVAILABLE))
        ways = {route.many for routes in decision.lanes.values() for route in routes.values()}
        prefix = "retail" if stand is retail else "direct"
        assert {str(way).startswith(prefix) for way in ways} == {True}


def test_without_a_seller_id_only_that_goes_which_does_not_name_it() -> None:
    decision = decide(replace(SELLER, seller_id=""), PACE, NOW)
    lacking = {kind for kind, gate in decision.shut.items() if gate.why is Why.NO_SELLER_ID}
    assert lacking == {K.STOCK, K.PRICE, K.REFUND}
    changes = [made(K.SHIPMENT, n, f"o{n}") for n in range(3)] + [made(K.CANCELLATION, 9, "o9")]
    plan = swept(changes, decision)
    assert plan.on(Path.CONFIRM_SHIPMENT) == [[one.id for one in changes[:3]]]
    assert plan.why() == {(K.CANCELLATION, Why.NO_SELLER_ID): 1}


def test_feeds_of_one_type_have_twenty_minutes_between_them() -> None:
    stand = replace(SELLER, last_at={Path.LISTINGS_FEED: NOW - 19 * MINUTE})
    changes = [replace(made(K.PRICE, n, f"s{n}")) for n in range(4)]
    plan = swept(changes, decide(stand, PACE, NOW))
    assert dict(plan.waiting) == {(K.PRICE, Gate(Why.FEED_INTERVAL, NOW + MINUTE)): 4}
    assert not plan.runs
    assert swept(changes, decide(stand, PACE, NOW + MINUTE)).on(Path.LISTINGS_FEED)
    hurried = replace(stand, hurried_at=NOW - MINUTE)
    assert swept(changes, decide(hurried, PACE, NOW)).on(Path.LISTINGS_FEED)
    spent = replace(stand, hurried_at=NOW - 19 * MINUTE)
    assert not swept(changes, decide(spent, PACE, NOW)).runs


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (K.REFUND, Path.ADJUSTMENT_FEED),
        (K.INVOICE, Path.INVOICE_FEED),
        (K.SHIPMENT, Path.CONFIRM_SHIPMENT),
    ],
)
def test_what_amazon_denies_waits_and_says_so(kind: ChangeKind, path: Path) -> None:
    changes = [made(kind, 1, "o1")]
    stand = replace(SELLER, denied={path: NOW + MINUTE})
    decision = decide(stand, PACE, NOW)
    assert swept(changes, decision).why() | _shut(stand, kind) == {(kind, Why.DENIED): 1}
    assert swept(changes, decide(stand, PACE, NOW + MINUTE)).runs


def test_cancellations_and_refunds_go_after_two_minutes_and_never_beside_a_feed() -> None:
    for kind, path in (
        (K.CANCELLATION, Path.ACKNOWLEDGEMENT_FEED),
        (K.REFUND, Path.ADJUSTMENT_FEED),
    ):
        changes = [made(kind, 1, "o1")]
        early = replace(SELLER, last_at={path: NOW - MINUTE})
        assert swept(changes, decide(early, PACE, NOW)).why() | _shut(early, kind) == {
            (kind, Why.FEED_INTERVAL): 1
        }
        assert swept(changes, decide(early, PACE, NOW + MINUTE)).on(path) == [["chg_000001"]]
        busy = replace(SELLER, open={path: 1}, last_at={path: NOW - 60 * MINUTE})
        assert swept(changes, decide(busy, PACE, NOW)).why() | _shut(busy, kind) == {
            (kind, Why.FEED_OPEN): 1
        }


def _shut(stand: Stand, kind: ChangeKind) -> dict[tuple[ChangeKind, Why], int]:
    gate = decide(stand, PACE, NOW).shut.get(kind)
    return {(kind, gate.why): 1} if gate else {}


# --- paths ----------------------------------------------------------------------------------


def test_few_listings_go_by_calls_and_one_more_sends_all_by_feed() -> None:
    few = [made(K.STOCK, n, f"s{n}") for n in range(3)] + [made(K.PRICE, 9, "s1")]
    plan = swept(few, decide(SELLER, PACE, NOW))
    (run,) = plan.runs
    assert (run.path, run.messages, run.bytes) == (Path.PATCH, 3, 0)
    numbers = dict(run.picks)
    assert numbers["chg_000001"] == numbers["chg_000009"], "one message, one number"
    assert numbers["chg_000000"] == 1, "sold out goes first"
    many = [*few, made(K.PRICE, 10, "s1", "FR")]
    plan = swept(many, decide(SELLER, PACE, NOW))
    assert {run.path for run in plan.runs} == {Path.LISTINGS_FEED}
    assert [run.marketplace_id for run in plan.runs] == ["DE", "FR"]


def test_a_price_alone_goes_when_stock_is_switched_off() -> None:
    changes = [made(K.STOCK, 1, "s1"), made(K.PRICE, 2, "s1")]
    plan = swept(changes, decide(replace(SELLER, flags={Flag.UPDATE_STOCK: False}), PACE, NOW))
    assert plan.on(Path.PATCH) == [["chg_000002"]]


def test_stock_of_zero_does_not_wait_for_a_feed() -> None:
    for stand in (
        replace(SELLER, open={Path.LISTINGS_FEED: 1}),
        replace(SELLER, last_at={Path.LISTINGS_FEED: NOW}),
    ):
        changes = [made(K.STOCK, n, f"s{n}") for n in range(9)] + [made(K.PRICE, 10, "s3")]
        plan = swept(changes, decide(stand, PACE, NOW))
        assert plan.on(Path.PATCH) == [["chg_000000", "chg_000003", "chg_000010", "chg_000006"]]
        assert sum(plan.waiting.values()) == 6
        # With a run of calls under way as well, nothing goes.
        both = replace(stand, open={**stand.open, Path.PATCH: 1})
        assert not swept(changes, decide(both, PACE, NOW)).runs


def test_without_patches_not_even_zero_goes_by_one() -> None:
    pace = replace(PACE, patch_most=0)
    changes = [made(K.STOCK, 3, "s3")]
    assert swept(changes, decide(SELLER, pace, NOW)).on(Path.LISTINGS_FEED) == [["chg_000003"]]
    assert K.STOCK in decide(replace(SELLER, open={Path.LISTINGS_FEED: 1}), pace, NOW).shut


def test_very_many_packages_go_by_feed_and_as_many_as_possible_beside_it() -> None:
    most = {**MOST_MESSAGES}
    many = MOST_MESSAGES[Path.CONFIRM_SHIPMENT] + 1
    changes = [made(K.SHIPMENT, n, f"o{n:05}") for n in range(many)]
    plan = swept(changes, decide(SELLER, PACE, NOW), most=most)
    assert [run.path for run in plan.runs] == [Path.FULFILLMENT_FEED]
    plan = swept(changes[:-1], decide(SELLER, PACE, NOW), most=most)
    assert [run.path for run in plan.runs] == [Path.CONFIRM_SHIPMENT]
    busy = replace(SELLER, open={Path.FULFILLMENT_FEED: 1})
    plan = swept(changes, decide(busy, PACE, NOW), most=most)
    (run,) = plan.runs
    assert (run.path, run.messages) == (Path.CONFIRM_SHIPMENT, many - 1)
    assert plan.why() == {(K.SHIPMENT, Why.FEED_OPEN): 1}


def test_a_shipment_does_not_overtake_the_cancellation_of_its_order() -> None:
    cancelled = [
        made(K.CANCELLATION, 1, "o1"),
        made(K.SHIPMENT, 2, "o1"),
        made(K.SHIPMENT, 3, "o2"),
    ]
    for stand in (SELLER, replace(SELLER, open={Path.ACKNOWLEDGEMENT_FEED: 1})):
        plan = swept(cancelled, decide(stand, PACE, NOW))
        assert plan.on(Path.CONFIRM_SHIPMENT) == [["chg_000003"]]
        assert plan.why()[K.SHIPMENT, Why.IN_FLIGHT] == 1
    shipped = [made(K.SHIPMENT, 1, "o1"), made(K.SHIPMENT, 2, "o1"), made(K.CANCELLATION, 3, "o1")]
    plan = swept(shipped, decide(SELLER, PACE, NOW))
    assert plan.on(Path.CONFIRM_SHIPMENT) == [["chg_000001", "chg_000002"]]
    assert plan.why() == {(K.CANCELLATION, Why.IN_FLIGHT): 1}


def test_invoices_go_one_by_one_and_do_not_pile_up() -> None:
    most = MOST_OPEN[Path.INVOICE_FEED]
    changes = [made(K.INVOICE, n, f"o{n:03}", "DE" if n % 2 else "FR") for n in range(30)]
    decision = decide(replace(SELLER, open={Path.INVOICE_FEED: 4}), PACE, NOW)
    assert Sweep(decision, Lane.INVOICE).of_use == most - 4
    plan = swept(changes, decision)
    assert [run.messages for run in plan.runs] == [1] * (most - 4)
    assert {run.marketplace_id for run in plan.runs} == {"DE"}
    assert plan.why() == {(K.INVOICE, Why.LIMIT): 30 - (most - 4)}
    full = decide(replace(SELLER, open={Path.INVOICE_FEED: most}), PACE, NOW)
    assert full.shut[K.INVOICE] == Gate(Why.LIMIT)


def test_vendors_stock_goes_by_warehouse_and_what_failed_together_goes_alone() -> None:
    stand = Stand(
        partner_kind=PartnerKind.VENDOR,
        vendor_kind=VendorKind.DIRECT_FULFILLMENT,
        state=State.ACTIVE,
        seller_id="ABCDE",
    )
    changes = [
        Change(
            f"chg_{n}",
            K.STOCK,
            f"ABCDE/W{n % 2}/s{n}",
            "",
            f"s{n}",
            {"vendor_code": "ABCDE", "warehouse": f"W{n % 2}", "quantity": n},
            "alone" if n == 3 else "",
        )
        for n in range(6)
    ]
    plan = swept(changes, decide(stand, PACE, NOW))
    found = {(run.submission, tuple(one for one, _ in run.picks)) for run in plan.runs}
    assert found == {
        ("ABCDE/W0", ("chg_0", "chg_2", "chg_4")),
        ("ABCDE/W1", ("chg_3",)),
        ("ABCDE/W1", ("chg_1", "chg_5")),
    }


# --- properties -----------------------------------------------------------------------------

_kinds = st.sampled_from(list(K))


@st.composite
def _changes(draw: st.DrawFn) -> list[Change]:
    kinds = draw(st.lists(_kinds, max_size=40))
    found = []
    for number, kind in enumerate(kinds):
        subject = draw(st.sampled_from("abc"))
        listing = LANES[kind] is Lane.LISTING
        # An order is of one marketplace.
        marketplace_id = draw(st.sampled_from(["DE", "FR"])) if listing or subject == "c" else "DE"
        if not listing and subject == "c":
            marketplace_id = "FR"
        found.append(made(kind, number, subject, marketplace_id))
    return found


@st.composite
def _stands(draw: st.DrawFn) -> Stand:
    paths = st.sampled_from(list(PATHS))
    return replace(
        SELLER,
        open=draw(st.dictionaries(paths, st.integers(1, 11), max_size=4)),
        last_at=dict.fromkeys(draw(st.lists(paths, max_size=4)), NOW - MINUTE),
        flags=draw(st.dictionaries(st.sampled_from(list(Flag)), st.booleans(), max_size=3)),
        seller_id=draw(st.sampled_from(["A1EXAMPLE", "A1EXAMPLE", ""])),
    )


_mosts = st.integers(1, 4).map(
    lambda most: {path: min(most, found) for path, found in MOST_MESSAGES.items()}
)


@given(_changes(), _stands(), st.integers(0, 5), _mosts, st.integers(900, 3_000))
def test_every_change_goes_in_one_place(
    changes: list[Change],
    stand: Stand,
    patch_most: int,
    most: Mapping[Path, int],
    most_bytes: int,
) -> None:
    decision = decide(stand, replace(PACE, patch_most=patch_most), NOW)
    plan = swept(changes, decision, most=most, most_bytes=most_bytes)
    by_id = {one.id: one for one in changes}
    picked = [one for run in plan.runs for one, _ in run.picks]
    superseded = plan.superseded
    assert len(picked) == len(set(picked))
    assert not set(picked) & superseded.keys()
    shown = Counter(one.kind for one in changes if one.kind not in decision.shut)
    placed = Counter(by_id[one].kind for one in [*picked, *superseded])
    for (kind, _), count in plan.waiting.items():
        placed[kind] += count
    assert placed == shown
    # The last value wins, and only of what a later wish can take the place of.
    last = {_slot(one): one.id for one in sorted(changes, key=lambda one: one.id)}
    for one in picked:
        if by_id[one].kind in COLLAPSING:
            assert last[_slot(by_id[one])] == one
    for old, new in superseded.items():
        assert by_id[old].kind in COLLAPSING
        assert last[_slot(by_id[old])] == new > old
    _check_runs(plan, by_id, most, most_bytes)
    # Pages and repetition change nothing.
    again = swept(changes, decision, page=3, most=most, most_bytes=most_bytes)
    assert (again.drafts, again.waiting) == (plan.drafts, plan.waiting)


def _slot(change: Change) -> tuple[ChangeKind, str, str]:
    return change.kind, change.marketplace_id, change.key


def _check_runs(
    plan: Plan, by_id: Mapping[str, Change], most: Mapping[Path, int], most_bytes: int
) -> None:
    paths: dict[tuple[Lane, str], set[Path | None]] = defaultdict(set)
    at: dict[tuple[Lane, str, str], int] = {}
    for place, run in enumerate(plan.runs):
        assert run.path is not None
        assert run.messages <= most[run.path]
        if len({(by_id[one].marketplace_id, by_id[one].subject) for one, _ in run.picks}) > 1:
            assert run.bytes <= most_bytes
        numbers = [number for _, number in run.picks]
        assert sorted(set(numbers)) == list(range(1, run.messages + 1))
        by_number: dict[int, list[Change]] = defaultdict(list)
        for one, number in run.picks:
            change = by_id[one]
            assert change.kind in PATHS[run.path].kinds
            by_number[number].append(change)
            paths[LANES[change.kind], change.subject].add(run.path)
            spot = (LANES[change.kind], change.marketplace_id, change.subject)
            if LANES[change.kind] is not Lane.INVOICE:
                assert at.setdefault(spot, place) == place, "what is of one subject goes together"
        for together in by_number.values():
            assert len({(one.marketplace_id, one.subject) for one in together}) == 1
            assert len({one.kind for one in together}) == len(together)
        if run.path is Path.LISTINGS_FEED:
            assert {change.marketplace_id for one in by_number.values() for change in one} == {
                run.marketplace_id
            }
            assert run.bytes == len(_document(by_number))
    assert all(len(found) == 1 for found in paths.values()), "no SKU is on two paths"
    per_path = Counter(run.path for run in plan.runs)
    assert all(count <= MOST_OPEN[path] for path, count in per_path.items() if path)


def _document(by_number: Mapping[int, Sequence[Change]]) -> bytes:
    written = []
    for number, changes in sorted(by_number.items()):
        wishes = {one.kind: one.wish for one in changes}
        written.append(
            listings.message(
                number,
                changes[0].subject,
                marketplace_id=changes[0].marketplace_id,
                **listings.wished(wishes.get(K.STOCK), wishes.get(K.PRICE)),
            )
        )
    document = listings.head("A1EXAMPLE") + listings.BETWEEN.join(written) + listings.TAIL
    assert json.loads(document)
    return document


@given(
    st.lists(st.text("xyü", min_size=1, max_size=60), min_size=1, max_size=14, unique=True),
    st.integers(1, 5),
    st.integers(600, 1_500),
)
def test_there_are_no_fewer_feeds_that_would_do(
    skus: list[str], most: int, most_bytes: int
) -> None:
    """Against the fewest cuts of the same row that any search finds."""
    changes = in_order(
        Change(f"chg_{n:03}", K.PRICE, sku, "DE", sku, {"price": "1.99", "currency": "EUR"})
        for n, sku in enumerate(skus)
    )
    plan = swept(
        changes,
        decide(SELLER, replace(PACE, patch_most=0), NOW),
        most={**MOST_MESSAGES, Path.LISTINGS_FEED: most},
        most_bytes=most_bytes,
    )
    runs = len(plan.runs)
    if Why.LIMIT in {why for _, why in plan.why()}:
        assert runs == MOST_OPEN[Path.LISTINGS_FEED]
        return
    frame = len(listings.head("A1EXAMPLE")) + len(listings.TAIL)

    def fits(start: int, end: int) -> bool:
        sizes = [listing_bytes(n, [one]) for n, one in enumerate(changes[start:end], 1)]
        alone = end - start == 1
        return len(sizes) <= most and (alone or frame + sum(sizes) + len(sizes) - 1 <= most_bytes)

    fewest = [0] + [len(changes) + 1] * len(changes)
    for end in range(1, len(changes) + 1):
        fewest[end] = min(fewest[start] + 1 for start in range(end) if fits(start, end))
    assert runs == fewest[-1]


def test_sixty_thousand_listings_are_three_feeds_and_are_never_all_held() -> None:
    changes = [
        Change(f"chg_{n:06}", K.STOCK, f"SKU-{n:06}", "DE", f"SKU-{n:06}", {"quantity": 5})
        for n in range(60_000)
    ]
    decision = decide(SELLER, replace(PACE, patch_most=300), NOW)
    sweep = Sweep(decision, Lane.LISTING)
    sizes = []
    for start in range(0, len(changes), 5_000):
        sizes += [len(draft.picks) for draft in sweep.take(changes[start : start + 5_000])]
    assert sizes == [25_000, 25_000], "given as soon as they are full"
    sizes += [len(draft.picks) for draft in sweep.end()]
    assert sizes == [25_000, 25_000, 10_000]


def test_very_many_values_of_one_sku_become_one_and_are_noted_on_the_way() -> None:
    changes = [
        Change(f"chg_{n:06}", K.PRICE, f"s{n // 4_000}", "DE", f"s{n // 4_000}",
               {"price": "1.00", "currency": "EUR"})
        for n in range(40_000)
    ]  # fmt: skip
    for stand in (SELLER, replace(SELLER, open={Path.LISTINGS_FEED: 1})):
        plan = swept(changes, decide(stand, PACE, NOW))
        assert len(plan.superseded) == 40_000 - 10
        assert max(len(draft.superseded) for draft in plan.drafts) < 14_000
        assert len(plan.drafts) > 2
        last = [f"chg_{n:06}" for n in range(3_999, 40_000, 4_000)]
        assert set(plan.superseded.values()) == set(last)
        assert [one for run in plan.runs for one, _ in run.picks] == (
            last if stand is SELLER else []
        )


def _groups(changes: Iterable[Wished]) -> list[Group]:
    collapsing = Collapsing()
    return [*collapsing.take(changes), *collapsing.end()]


def test_groups_keep_the_order_in_which_they_came() -> None:
    packages = [made(K.SHIPMENT, n, "o1") for n in (1, 2, 3, 4)]
    (group,) = _groups(in_order(packages))
    assert [one.id for one in group.kept] == ["chg_000003", "chg_000004"]
    assert group.superseded == {"chg_000001": "chg_000003", "chg_000002": "chg_000004"}
    assert not _groups([])
    places = [(one.marketplace_id, one.subject) for one in _groups(in_order(
        [made(K.PRICE, n, s, m) for n, (s, m) in enumerate([("b", "DE"), ("a", "FR"), ("a", "DE")])]
    ))]  # fmt: skip
    assert all(one < other for one, other in pairwise(places))


# --- waits ----------------------------------------------------------------------------------


def test_waits_are_kept_with_the_account_and_read_again() -> None:
    waits = waits_of(
        Counter(
            {
                (K.PRICE, Gate(Why.FEED_INTERVAL, NOW + MINUTE)): 5,
                (K.STOCK, Gate(Why.LATER, NOW + 2 * MINUTE)): 1,
                (K.STOCK, Gate(Why.PAUSED, None, "By Ada.")): 7,
                (K.REFUND, Gate(Why.LIMIT)): 0,
            }
        )
    )
    assert [(one.kind, one.why, one.count) for one in waits] == [
        (K.STOCK, Why.PAUSED, 7),
        (K.STOCK, Why.LATER, 1),
        (K.PRICE, Why.FEED_INTERVAL, 5),
    ]
    assert until(waits) == NOW + MINUTE
    assert waits[0].sentence == "Somebody paused the account. By Ada."
    assert read(json.loads(json.dumps(kept(waits)))) == waits
    assert until([]) is None
    assert read({}) == []


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Why)
    for why in Why:
        sentence = Waiting(kind=K.STOCK, why=why, count=1).sentence
        assert sentence.endswith(".")
        assert sentence[0].isupper()


def test_calls_and_feeds_have_a_bound_of_open_runs() -> None:
    for path, facts in PATHS.items():
        assert MOST_OPEN[path] == 1 or facts.manner is not Manner.CALLS
