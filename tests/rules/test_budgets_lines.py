"""Shared buckets: whatever is granted, Amazon's own bucket takes; and everybody has a turn."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergrant.rules import budgets as rule
from evergrant.rules.budgets import (
    ASK_AGAIN_WITHIN_S,
    GRACE_S,
    Importance,
    Plan,
    Queued,
    Share,
    SharedBucket,
    Taken,
    Wish,
    margin_s,
)
from tests.searching import cases

#: As large as the instants that the database's clock shows, with the same rounding.
BEGIN_S = 1_800_000_000.0


class AmazonsBucket:
    """As Amazon describes it: a level that is refilled at a rate up to the burst. It forgives the
    rounding of floats and nothing else."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.level, self.at_s = plan, float(plan.burst), BEGIN_S

    def arrive(self, at_s: float) -> bool:
        refilled = self.level + (at_s - self.at_s) * self.plan.rate_per_s
        self.level, self.at_s = min(float(self.plan.burst), refilled), at_s
        if self.level < 1 - 2e-6 * max(self.plan.rate_per_s, 1):
            return False
        self.level -= 1
        return True


@dataclass
class Store:
    """Buckets under the pure rule, and a clock."""

    now_s: float = BEGIN_S
    buckets: dict[str, SharedBucket] = field(default_factory=dict)

    def take(self, wish: Wish) -> Taken | Queued:
        after, answer = rule.draw(self.buckets, wish, self.now_s)
        self.buckets |= after
        return answer

    def give_back(self, share: Share, permits: int, receipts: tuple[float, ...]) -> None:
        self.buckets |= rule.give_back(self.buckets, [share], permits, receipts, self.now_s)


def share(plan: Plan, reserve: int = 0, name: str = "app/acc/eu/op", fixed: bool = False) -> Share:
    return Share(bucket=name, plan=plan, reserve=reserve, fixed=fixed)


plans = st.sampled_from(
    [
        Plan(1 / 120, 1),
        Plan(0.5, 1),
        Plan(10, 1),
        Plan(350, 2),
        Plan(1, 2),
        Plan(0.0167, 20),
        Plan(5, 10),
        Plan(40, 3),
        Plan(100, 100),
    ]
)


@dataclass(frozen=True)
class Move:
    after_paces: float
    ticket: str
    importance: Importance
    most: int
    reserve: int
    late: float  # of the margin that a call may be late
    keeps_paces: float | None  # so long these permits are held, and then given back


moves = st.lists(
    st.builds(
        Move,
        after_paces=st.sampled_from([0, 0, 0.1, 0.5, 1, 1.001, 3, 30]) | st.floats(0, 2),
        ticket=st.sampled_from(["", "a", "b", "c"]),
        importance=st.sampled_from(Importance),
        most=st.integers(1, 8),
        reserve=st.integers(0, 3),
        late=st.floats(0, 1),
        keeps_paces=st.none() | st.floats(0, 5),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=cases(80), deadline=None)
@given(plan=plans, moves=moves)
def test_amazon_never_says_no(plan: Plan, moves: list[Move]) -> None:
    """However unevenly the calls come, as long as none is later than the margin."""
    store = Store()
    arrivals: list[float] = []
    kept: list[tuple[float, Taken]] = []
    for move in moves:
        store.now_s += move.after_paces * plan.interval_s
        for keep in [keep for keep in kept if keep[0] <= store.now_s]:
            kept.remove(keep)
            store.give_back(share(plan), keep[1].permits, keep[1].receipts)
        wish = Wish(
            shares=[share(plan, move.reserve)],
            ticket=move.ticket,
            importance=move.importance,
            most=move.most,
        )
        answer = store.take(wish)
        if not isinstance(answer, Taken):
            continue
        assert 1 <= answer.permits <= move.most
        if move.keeps_paces is not None:
            until_s = store.now_s + move.keeps_paces * plan.interval_s
            kept.append((until_s, answer))
        else:
            arrives_s = store.now_s + move.late * margin_s(plan)
            arrivals += [arrives_s] * answer.permits
    amazon = AmazonsBucket(plan)
    assert all(amazon.arrive(at_s) for at_s in sorted(arrivals))


@given(plan=plans, moves=moves)
def test_never_more_than_the_plan_in_any_window(plan: Plan, moves: list[Move]) -> None:
    store = Store()
    granted: list[float] = []
    for move in moves:
        store.now_s += move.after_paces * plan.interval_s
        answer = store.take(Wish(shares=[share(plan)], ticket=move.ticket, most=move.most))
        if isinstance(answer, Taken):
            granted += [store.now_s] * answer.permits
    for first, last in itertools.combinations_with_replacement(range(len(granted)), 2):
        window_s = granted[last] - granted[first]
        assert last - first + 1 <= plan.burst + window_s * plan.rate_per_s + 1e-3


@pytest.mark.parametrize("plan", [Plan(1, 1), Plan(1, 2), Plan(10, 20), Plan(0.01, 5)])
def test_the_margin_is_all_that_is_forgiven(plan: Plan) -> None:
    """The first calls are held up and crowd in before the others."""
    store = Store()
    granted_s: list[float] = []
    while len(granted_s) < plan.burst + 3:
        answer = store.take(Wish(shares=[share(plan)], ticket="a"))
        if isinstance(answer, Taken):
            granted_s.append(store.now_s)
        else:
            store.now_s += answer.seconds

    def all_arrive(held_up_s: float) -> bool:
        amazon = AmazonsBucket(plan)
        return all(amazon.arrive(max(at_s, BEGIN_S + held_up_s)) for at_s in granted_s)

    assert all_arrive(margin_s(plan))
    assert not all_arrive(margin_s(plan) + 0.01 * plan.interval_s)


# --- several processes, simulated -------------------------------------------------------------


@dataclass
class Worker:
    """Asks when it was told to; uses what it gets at once and wants more."""

    wish: Wish
    begins_s: float = 0.0
    rests_s: float = 0.0
    ends_s: float = float("inf")
    got: list[float] = field(default_factory=list)


def simulate(
    workers: list[Worker],
    seconds: float,
    *,
    late_s: Callable[[], float] = lambda: 0.0,
    store: Store | None = None,
) -> Store:
    store = store or Store()
    number = itertools.count()
    agenda = [(BEGIN_S + worker.begins_s, next(number), worker) for worker in workers]
    heapq.heapify(agenda)
    while agenda and agenda[0][0] <= BEGIN_S + seconds:
        store.now_s, _, worker = heapq.heappop(agenda)
        if store.now_s >= BEGIN_S + worker.ends_s:
            continue
        answer = store.take(worker.wish)
        if isinstance(answer, Taken):
            worker.got += [store.now_s - BEGIN_S] * answer.permits
            again_s = store.now_s + worker.rests_s
        else:
            again_s = store.now_s + answer.seconds + late_s()
        heapq.heappush(agenda, (again_s, next(number), worker))
    return store


def wish(
    plan: Plan,
    ticket: str,
    importance: Importance = Importance.LAST,
    *,
    most: int = 1,
    reserve: int = 0,
) -> Wish:
    return Wish(shares=[share(plan, reserve)], ticket=ticket, importance=importance, most=most)


@pytest.mark.parametrize(
    "plan", [Plan(1 / 120, 1), Plan(1, 1), Plan(20, 1), Plan(5, 10), Plan(0.5, 30), Plan(100, 100)]
)
@pytest.mark.parametrize("workers", [1, 4, 9])
@pytest.mark.parametrize("most", [1, 3])
def test_nearly_all_that_the_plan_permits_is_granted(plan: Plan, workers: int, most: int) -> None:
    crowd = [Worker(wish(plan, f"w{number}", most=most)) for number in range(workers)]
    simulate(crowd, min(300 * plan.interval_s, 1500.0))
    granted = sorted(at_s for worker in crowd for at_s in worker.got)
    permitted = plan.burst + granted[-1] * plan.rate_per_s
    assert 0.99 * permitted <= len(granted) <= permitted


@settings(max_examples=cases(25), deadline=None)
@given(
    plan=st.sampled_from([Plan(0.5, 1), Plan(10, 1), Plan(5, 10), Plan(40, 3), Plan(100, 100)]),
    most=st.lists(st.integers(1, 1000), min_size=2, max_size=6),
    lateness=st.lists(st.floats(0, 0.3), min_size=1, max_size=5),
)
def test_everybody_has_as_many_turns(plan: Plan, most: list[int], lateness: list[float]) -> None:
    """Whether a caller wants one or a thousand, and although all are late now and then."""
    crowd = [Worker(wish(plan, f"w{n}", most=wanted)) for n, wanted in enumerate(most)]
    late, scale_s = itertools.cycle(lateness), min(plan.interval_s, GRACE_S)
    simulate(
        crowd, (40 * len(most) + plan.burst) * plan.interval_s, late_s=lambda: next(late) * scale_s
    )
    begins_s = plan.burst * plan.interval_s  # till then the burst is spent, first come first served
    turns = [len({at_s for at_s in worker.got if at_s >= begins_s}) for worker in crowd]
    assert max(turns) - min(turns) <= 2
    assert min(turns) >= 1


def test_a_thousand_requests_of_one_caller_do_not_starve_one_of_another() -> None:
    plan = Plan(2, 1)
    busy = [Worker(wish(plan, "busy", most=1000))]
    guest = Worker(wish(plan, "guest"), begins_s=10.1, rests_s=1e9)
    simulate([*busy, guest], 30)
    assert guest.got[0] <= 10.1 + 2 * 1.01 * plan.interval_s


@given(
    plan=st.sampled_from([Plan(2, 1), Plan(0.1, 1), Plan(50, 1)]),
    ranks=st.lists(st.sampled_from(Importance), min_size=2, max_size=12),
)
def test_first_the_important_then_who_came_first(plan: Plan, ranks: list[Importance]) -> None:
    store = Store()
    store.take(wish(plan, "before"))
    crowd = [
        Worker(wish(plan, f"w{n}", rank), begins_s=n * 1e-4 * plan.interval_s, rests_s=1e9)
        for n, rank in enumerate(ranks)
    ]
    simulate(crowd, plan.interval_s * (len(ranks) + 2) * 1.01, store=store)
    served = sorted(crowd, key=lambda worker: worker.got[0])
    assert served == sorted(crowd, key=lambda worker: worker.wish.importance)  # sorted is stable


@given(plan=plans, dead=st.integers(1, 8), when=st.floats(0, 3))
def test_the_dead_block_nobody_for_longer_than_their_grace(
    plan: Plan, dead: int, when: float
) -> None:
    """Tickets of a killed process stand before that of a living one."""
    store, killed_s = Store(), when * ASK_AGAIN_WITHIN_S
    simulate([Worker(wish(plan, "before"), ends_s=1e-3)], 1e-3, store=store)
    ghosts = [
        Worker(wish(plan, f"dead{n}"), begins_s=2e-3 + n * 1e-6, ends_s=killed_s, rests_s=1e9)
        for n in range(dead)
    ]
    living = Worker(wish(plan, "living"), begins_s=3e-3, rests_s=1e9)
    simulate([*ghosts, living], 1000 * plan.interval_s + 100, store=store)
    taken = 1 + sum(len(ghost.got) for ghost in ghosts)
    # What comes back by itself, then the grace: as if the dead had never stood there.
    free_s = max(0.0, taken * 1.01 * plan.interval_s + margin_s(plan))
    assert living.got[0] <= max(free_s, killed_s) + ASK_AGAIN_WITHIN_S + GRACE_S + 1e-3


def test_who_does_not_ask_again_loses_the_place() -> None:
    plan, store = Plan(0.1, 1), Store()
    store.take(wish(plan, "before"))
    first = store.take(wish(plan, "slow"))
    assert isinstance(first, Queued)
    store.take(wish(plan, "other"))
    store.now_s += first.seconds + GRACE_S + 0.01
    store.take(wish(plan, "other"))
    again = store.take(wish(plan, "slow"))
    assert isinstance(again, Queued)
    assert again.ahead == 1


def test_who_asks_as_told_keeps_the_place() -> None:
    plan, store = Plan(0.1, 1), Store()
    store.take(wish(plan, "before"))
    for _ in range(5):
        answers = [store.take(wish(plan, name)) for name in ("one", "two", "three")]
        assert [answer.ahead for answer in answers if isinstance(answer, Queued)] == [0, 1, 2]
        store.now_s += ASK_AGAIN_WITHIN_S + 0.9 * GRACE_S


def test_asking_again_does_not_make_one_younger() -> None:
    plan, store = Plan(0.1, 1), Store()
    store.take(wish(plan, "before"))
    for _ in range(3):
        store.take(wish(plan, "waits"))
        (ticket,) = store.buckets["app/acc/eu/op"].line
        assert ticket.arrived_at_s == BEGIN_S
        store.now_s += 1


def test_those_who_wait_share_what_is_there() -> None:
    plan, store = Plan(1, 10), Store()
    store.buckets |= rule.drain(store.buckets, [share(plan)], store.now_s)
    for name, rank in (("one", 2), ("two", 2), ("three", 2)):
        store.take(wish(plan, name, Importance(rank)))
    store.buckets["app/acc/eu/op"] = replace(
        store.buckets["app/acc/eu/op"], theoretical_arrival_s=store.now_s + 4.0
    )  # nearly six tokens are there
    assert store.take(wish(plan, "one", most=9)) == Taken(permits=1, left=4)
    assert store.take(wish(plan, "two", most=9)) == Taken(permits=2, left=2)
    assert store.take(wish(plan, "three", most=9)) == Taken(permits=2, left=0)


def test_the_turn_is_told_far_ahead_and_asked_for_often() -> None:
    plan, store = Plan(0.01, 1), Store()
    store.take(wish(plan, "before"))
    store.take(wish(plan, "one"))
    answer = store.take(wish(plan, "two"))
    assert isinstance(answer, Queued)
    assert answer.seconds == ASK_AGAIN_WITHIN_S
    assert answer.turn_in_s == pytest.approx(200, rel=0.01)


def test_without_a_ticket_nobody_is_overtaken_and_nobody_waits() -> None:
    plan, store = Plan(1, 1), Store()
    store.take(wish(plan, "before"))
    store.take(wish(plan, "waits"))
    store.now_s += 1.01
    assert isinstance(store.take(wish(plan, "")), Queued)
    assert isinstance(store.take(wish(plan, "", Importance.FIRST)), Taken)
    assert [t.name for t in store.buckets["app/acc/eu/op"].line] == ["waits"]


@dataclass(frozen=True)
class Errand:
    """Permits that are taken; some are used, the rest is given back in pieces."""

    after_paces: float
    most: int
    used: int
    late: float  # of the margin
    held_paces: float
    pieces: int


errands = st.lists(
    st.builds(
        Errand,
        after_paces=st.sampled_from([0, 0, 0, 0.1, 0.5, 1, 1.001, 2, 30]) | st.floats(0, 3),
        most=st.integers(1, 12),
        used=st.integers(0, 12),
        late=st.floats(0, 1),
        held_paces=st.sampled_from([0, 0.3, 1, 2.5, 9]) | st.floats(0, 40),
        pieces=st.integers(1, 3),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=cases(160), deadline=None)
@given(plan=plans, errands=errands, drained=st.none() | st.integers(0, 59))
def test_whatever_is_given_back_amazon_never_says_no(
    plan: Plan, errands: list[Errand], drained: int | None
) -> None:
    """An exact bucket of Amazon's, which was never charged for what was given back."""
    store, numbers = Store(), itertools.count()
    returns: list[tuple[float, int, Taken, int]] = []
    arrivals: list[float] = []
    for place, errand in enumerate(errands):
        begins_s = store.now_s + errand.after_paces * plan.interval_s
        while returns and returns[0][0] <= begins_s:
            store.now_s, _, was, permits = heapq.heappop(returns)
            store.give_back(share(plan), permits, was.receipts)
        store.now_s = begins_s
        if place == drained:
            store.buckets |= rule.drain(store.buckets, [share(plan)], store.now_s)
        most = plan.burst if errand.most == 12 else errand.most
        answer = store.take(wish(plan, "", most=most))
        if not isinstance(answer, Taken):
            continue
        used = answer.permits if errand.used > 9 else min(errand.used, answer.permits)
        arrivals += [store.now_s + errand.late * margin_s(plan)] * used
        rest = answer.permits - used
        for piece in range(errand.pieces):
            permits = rest // (errand.pieces - piece)
            rest -= permits
            if permits:
                back_s = store.now_s + errand.held_paces * plan.interval_s * (1 + piece)
                heapq.heappush(returns, (back_s, next(numbers), answer, permits))
    # Whatever is there is used at once from now on, and then all that comes back.
    for back in [None, *sorted(returns, key=lambda one: one[:2])]:
        if back is not None:
            store.now_s = max(store.now_s, back[0])
            store.give_back(share(plan), back[3], back[2].receipts)
        if isinstance(answer := store.take(wish(plan, "", most=plan.burst)), Taken):
            arrivals += [store.now_s] * answer.permits
    amazon = AmazonsBucket(plan)
    assert all(amazon.arrive(at_s) for at_s in sorted(arrivals))


@settings(max_examples=cases(25), deadline=None)
@given(
    plan=st.sampled_from([Plan(20, 40), Plan(5, 10), Plan(100, 100), Plan(1, 15)]),
    held_paces=st.floats(0.1, 3),
    wanted=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    kept=st.lists(st.booleans(), min_size=1, max_size=5),
)
def test_giving_back_makes_nobody_poorer(
    plan: Plan, held_paces: float, wanted: list[int], kept: list[bool]
) -> None:
    """Up to an eighth of the burst is held for a while and given back, again and again. While the
    bucket is in full use, all that was ever refilled is used, out, or still there."""
    store, most, keeps = Store(), itertools.cycle(wanted), itertools.cycle(kept)
    returns: deque[tuple[float, Taken]] = deque()
    gulp = store.take(wish(plan, "", most=plan.burst // 2))  # from here on it is never full
    assert isinstance(gulp, Taken)
    used, out, ends_s = gulp.permits, 0, BEGIN_S + (plan.burst + 60) * plan.interval_s
    while store.now_s < ends_s:
        answer = store.take(wish(plan, "", most=next(most)))
        if isinstance(answer, Taken):
            if next(keeps) and out + answer.permits <= max(plan.burst // 8, 1):
                returns.append((store.now_s + held_paces * plan.interval_s, answer))
                out += answer.permits
            else:
                used += answer.permits
        elif returns and returns[0][0] <= store.now_s + answer.turn_in_s:
            store.now_s, back = returns.popleft()
            store.give_back(share(plan), back.permits, back.receipts)
            out -= back.permits
        else:
            store.now_s += answer.turn_in_s
    there = rule.left(store.buckets["app/acc/eu/op"], store.now_s)
    refilled = (store.now_s - BEGIN_S) * plan.rate_per_s / 1.003
    assert used + out + there == pytest.approx(plan.burst + refilled, abs=0.01)


# --- reserves -------------------------------------------------------------------------------------


@settings(max_examples=cases(25), deadline=None)
@given(
    rate=st.sampled_from([0.1, 5.0, 100.0]),
    burst=st.integers(3, 20),
    reserve=st.integers(1, 25),
    after=st.integers(0, 40),
)
def test_the_reserve_is_always_there(rate: float, burst: int, reserve: int, after: int) -> None:
    plan, store = Plan(rate, burst), Store()
    seconds = after * plan.interval_s
    crowd = [Worker(wish(plan, f"w{n}", most=5, reserve=reserve)) for n in range(3)]
    simulate(crowd, seconds, store=store)
    assert sum(len(worker.got) for worker in crowd) >= 1
    there = min(reserve, burst - 1)
    urgent = wish(plan, "urgent", Importance.FIRST, most=burst)
    at_once = after_margin = 0
    store.now_s = BEGIN_S + seconds
    if isinstance(answer := store.take(urgent), Taken):
        at_once = answer.permits
    if reserve <= burst - 2 * max(1, margin_s(plan) / plan.interval_s):
        assert at_once >= reserve
    # The last ones of a whole burst come with the margin.
    store.now_s += margin_s(plan) + 0.05 * plan.interval_s
    if isinstance(answer := store.take(urgent), Taken):
        after_margin = answer.permits
    assert at_once + after_margin >= there


def test_the_important_are_first_even_without_a_reserve() -> None:
    plan = Plan(5, 1)
    crowd = [Worker(wish(plan, f"w{n}")) for n in range(5)]
    urgent = Worker(wish(plan, "urgent", Importance.FIRST), begins_s=3.01, rests_s=1e9)
    simulate([*crowd, urgent], 10)
    assert urgent.got[0] <= 3.01 + 1.01 * plan.interval_s
    assert Counter(len(worker.got) // 2 for worker in crowd).most_common(1)[0][1] >= 4


# --- what changes a bucket from outside -----------------------------------------------------------


def emptied(plan: Plan, *, keep: int = 0) -> Store:
    store = Store()
    store.take(wish(plan, "", most=plan.burst - keep))
    return store


@given(
    before=st.floats(0.01, 100),
    after=st.floats(0.01, 100),
    burst=st.integers(2, 50),
    spent=st.integers(1, 50),
)
def test_missing_tokens_stay_missing(before: float, after: float, burst: int, spent: int) -> None:
    plan, store = Plan(before, burst), Store()
    store.take(wish(plan, "", most=min(spent, burst - 1)))
    bucket = store.buckets["app/acc/eu/op"]
    learnt = rule.learn(bucket, after, store.now_s)
    assert learnt.plan == Plan(after, burst)
    ours, new = rule.left(bucket, store.now_s), rule.left(learnt, store.now_s)
    assert new == pytest.approx(ours, abs=1e-4) or new <= after * margin_s(learnt.plan) + 1e-4
    store.buckets["app/acc/eu/op"] = learnt
    store.take(wish(plan, ""))  # still believes in the table: what was learnt is in force
    assert store.buckets["app/acc/eu/op"].plan.rate_per_s == after


def test_an_operators_plan_is_not_replaced() -> None:
    plan, store = Plan(1, 5), Store()
    store.take(Wish(shares=[share(plan, fixed=True)]))
    learnt = rule.learn(store.buckets["app/acc/eu/op"], 7.0, store.now_s)
    assert learnt.plan == plan
    assert learnt.reported_rate_per_s == 7.0
    store.buckets["app/acc/eu/op"] = learnt
    store.take(wish(plan, ""))  # the operator took the plan back
    assert store.buckets["app/acc/eu/op"].plan == Plan(7, 5)


def test_a_throttled_bucket_is_empty() -> None:
    plan, store = Plan(1, 5), Store()
    store.buckets |= rule.drain(store.buckets, [share(plan)], store.now_s)
    answer = store.take(wish(plan, "", most=5))
    assert isinstance(answer, Queued)
    assert answer.turn_in_s == pytest.approx(1, rel=0.01)
    store.now_s += 2.1
    assert store.take(wish(plan, "", most=5)) == Taken(permits=2, left=0)


def test_what_is_given_back_is_there_again_and_no_more() -> None:
    plan, store = Plan(0.1, 5), Store()
    answer = store.take(wish(plan, "", most=5))
    assert isinstance(answer, Taken)
    assert isinstance(store.take(wish(plan, "", most=2)), Queued)
    store.give_back(share(plan), 2, answer.receipts)
    assert store.take(wish(plan, "", most=5)) == Taken(permits=2, left=0)
    store.give_back(share(plan), 5000, answer.receipts)
    granted = store.take(wish(plan, "", most=500))
    assert isinstance(granted, Taken)
    assert granted.permits <= 5


def test_what_was_refilled_meanwhile_is_not_given_back() -> None:
    """One of two tokens was held until Amazon's bucket was full again: it is lost there."""
    plan, store = Plan(1, 2), Store()
    held = store.take(wish(plan, ""))
    assert isinstance(held, Taken)
    store.now_s += 2
    store.take(wish(plan, "", most=2))
    before = rule.left(store.buckets["app/acc/eu/op"], store.now_s)
    store.give_back(share(plan), 1, held.receipts)
    assert rule.left(store.buckets["app/acc/eu/op"], store.now_s) == before


def test_in_an_empty_bucket_nothing_is_lost_however_long_it_was_held() -> None:
    plan, store = Plan(10, 100), Store()
    store.take(wish(plan, "", most=60))
    held = store.take(wish(plan, "", most=20))
    assert isinstance(held, Taken)
    store.now_s += 5.9  # of the six seconds until Amazon's bucket would be full without them
    before = rule.left(store.buckets["app/acc/eu/op"], store.now_s)
    store.give_back(share(plan), 20, held.receipts)
    after = rule.left(store.buckets["app/acc/eu/op"], store.now_s)
    assert after - before == pytest.approx(20, abs=1e-3)


def test_what_others_gave_back_counts_as_not_taken() -> None:
    """Each of two held permits hides that Amazon's bucket is full; after the first is back, the
    second is worth less."""
    plan, store = Plan(1, 10), Store()
    first, second = store.take(wish(plan, "")), store.take(wish(plan, ""))
    assert isinstance(first, Taken)
    assert isinstance(second, Taken)
    store.now_s += 0.1
    store.give_back(share(plan), 1, first.receipts)
    store.now_s += 1.3
    store.take(wish(plan, "", most=5))  # of a bucket that is full at Amazon
    before = rule.left(store.buckets["app/acc/eu/op"], store.now_s)
    store.give_back(share(plan), 1, second.receipts)
    assert rule.left(store.buckets["app/acc/eu/op"], store.now_s) == before


def test_a_clock_that_was_set_back_blocks_nobody_for_long() -> None:
    plan = Plan(0.5, 3)
    store = emptied(plan)
    store.take(wish(plan, "old"))
    store.now_s -= 86_400
    answer = store.take(wish(plan, "new"))
    assert isinstance(answer, Queued)
    assert answer.turn_in_s <= plan.interval_s * 1.01
    assert answer.ahead == 0  # whoever came "tomorrow" is not waited for
    store.now_s += answer.turn_in_s
    assert isinstance(store.take(wish(plan, "new")), Taken)


def test_a_smaller_burst_does_not_make_a_debt() -> None:
    store = emptied(Plan(1, 100))
    answer = store.take(wish(Plan(1, 2), ""))
    assert isinstance(answer, Queued)
    assert answer.turn_in_s <= 1.01


# --- two buckets ----------------------------------------------------------------------------------

PAIR, COMMON = Plan(10, 10), Plan(1, 2)


def both(account: str, ticket: str, most: int = 1) -> Wish:
    return Wish(
        shares=[share(PAIR, name=f"app/{account}/eu/op"), share(COMMON, name="app/*/*/op")],
        ticket=ticket,
        most=most,
    )


def test_both_or_none() -> None:
    store = Store()
    answer = store.take(both("a", "one", most=5))
    assert isinstance(answer, Taken)
    assert answer.permits == 1  # a burst of two gives the second after the margin
    full = rule.left(store.buckets["app/a/eu/op"], store.now_s)
    refused = store.take(both("b", "two"))
    assert isinstance(refused, Queued)
    assert rule.left(store.buckets["app/b/eu/op"], store.now_s) == 10
    assert rule.left(store.buckets["app/a/eu/op"], store.now_s) == full
    assert [len(bucket.line) for bucket in store.buckets.values()] == [0, 1, 1]


def test_whoever_lost_one_of_two_places_stands_at_the_end_of_both() -> None:
    store = Store()
    store.take(both("a", "spends", most=2))
    for ticket in ("one", "two"):
        store.take(both("a", ticket))
    common = store.buckets["app/*/*/op"]
    store.buckets["app/*/*/op"] = replace(common, line=common.line[1:])
    answer = store.take(both("a", "one"))
    assert isinstance(answer, Queued)
    assert answer.ahead == 1
    lines = [[t.name for t in bucket.line] for bucket in store.buckets.values()]
    assert lines == [["two", "one"], ["two", "one"]]


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "\ud800"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of a bucket"):
        share(Plan(1, 1), name=name)
    if name:
        with pytest.raises(ValueError, match="not a ticket"):
            wish(Plan(1, 1), name)


def test_impossible_wishes_are_refused() -> None:
    one = share(Plan(1, 1))
    with pytest.raises(ValueError, match="none twice"):
        Wish(shares=[one, one])
    with pytest.raises(ValueError, match="at least one"):
        Wish(shares=[])
    with pytest.raises(ValueError, match="cannot wish"):
        Wish(shares=[one], most=0)
    with pytest.raises(ValueError, match="cannot reserve"):
        share(Plan(1, 1), reserve=-1)
