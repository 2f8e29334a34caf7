"""Figures of calls to Amazon for Prometheus, made of what the meter counted.

Answers for: their names and labels, and for how many series there are of accounts. Does not answer
for: counting (``limits``), which is on the way of every call; this runs when somebody scrapes.

Accounts are named by Evergrant's ids, and only the busiest: a series of its own costs Prometheus
memory for as long as it is kept, and a house may have thousands of accounts. All the others are
counted together as ``other``. A series grows only while its account is among the busiest; who comes
and goes starts anew, so that the sum over all series is what was called, at any time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from evergrant.limits.counts import BOUNDS_S, OTHER, OfAccount, Spans, Tally

__all__ = ["ACCOUNT_SERIES", "CallFigures"]

#: So many pairs of account and operation have series of their own, unless the settings say else.
ACCOUNT_SERIES = 100

_Pair = tuple[str, str]
_Key = tuple[str, ...]
#: Of one account, since the start: in the order of ``_OF_ACCOUNTS``, and errors by cause.
_Figures = tuple[tuple[int, int, int, int], Mapping[str, int]]
_NONE: _Figures = ((0, 0, 0, 0), {})
_REST: _Pair = (OTHER, OTHER)
_BOUNDS = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")


class CallFigures(Collector):
    """``read`` gives the tally of this process, ``most`` bounds the pairs that are named."""

    def __init__(self, read: Callable[[], Tally], most: int = ACCOUNT_SERIES) -> None:
        self._read = read
        self._most = most
        self._seen: dict[_Pair, _Figures] = {}
        self._shown: dict[_Pair, dict[_Key, int]] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: asked at registration, when nothing was counted yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        tally = self._read()
        yield _counter(
            "evergrant_calls",
            "Calls to Amazon, by operation, region and outcome: ok, or what went wrong.",
            ("operation", "region", "outcome"),
            tally.calls.items(),
        )
        yield _counter(
            "evergrant_throttles",
            "Calls that Amazon answered with 429.",
            ("operation", "region"),
            tally.throttled.items(),
        )
        yield _counter(
            "evergrant_refused",
            "Calls that Evergrant answered with 429 itself: no permit in time.",
            ("operation", "region"),
            tally.refused.items(),
        )
        yield from _histograms(tally)
        yield from self._accounts(tally)

    def _accounts(self, tally: Tally) -> Iterator[Metric]:
        self._move_on(tally)
        rows = [
            (pair, what, number)
            for pair, figures in self._shown.items()
            for what, number in figures.items()
        ]
        labels = ("account", "operation")
        for name, about in _OF_ACCOUNTS.items():
            yield _counter(
                f"evergrant_account_{name}",
                about,
                labels,
                [(pair, number) for pair, what, number in rows if what == (name,)],
            )
        yield _counter(
            "evergrant_account_errors",
            "Calls that went wrong, by account, operation and cause.",
            (*labels, "cause"),
            [((*pair, what[1]), number) for pair, what, number in rows if what[0] == "errors"],
        )

    def _move_on(self, tally: Tally) -> None:
        """What was counted since the last look goes to the series of the pair, or to the rest."""
        busiest = heapq.nlargest(
            self._most,
            (pair for pair in tally.accounts if pair != _REST),
            key=lambda pair: (_weight(tally.accounts[pair]), pair),
        )
        named = set(busiest)
        self._shown = {
            pair: figures for pair, figures in self._shown.items() if pair in named or pair == _REST
        }
        for pair, of_account in tally.accounts.items():
            now = _figures(of_account)
            before = self._seen.get(pair, _NONE)
            if now == before:
                continue
            self._seen[pair] = now
            into = self._shown.setdefault(pair if pair in named else _REST, {})
            for what, number in _since(before, now):
                into[what] = into.get(what, 0) + number


_OF_ACCOUNTS = {
    "calls": "Calls to Amazon, by account (Evergrant's id; the busiest) and operation.",
    "waits": "Calls that waited for a permit, by account and operation.",
    "throttles": "Calls that Amazon answered with 429, by account and operation.",
    "refused": "Calls that Evergrant answered with 429 itself, by account and operation.",
}


def _weight(of_account: OfAccount) -> int:
    return of_account.calls + of_account.refused


def _figures(of_account: OfAccount) -> _Figures:
    return (
        (of_account.calls, of_account.waits, of_account.throttled, of_account.refused),
        of_account.errors,
    )


def _since(before: _Figures, now: _Figures) -> Iterator[tuple[_Key, int]]:
    for name, earlier, number in zip(_OF_ACCOUNTS, before[0], now[0], strict=True):
        yield (name,), number - earlier
    for cause, number in now[1].items():
        yield ("errors", cause), number - before[1].get(cause, 0)


def _counter(
    name: str, about: str, labels: Sequence[str], rows: Iterable[tuple[_Key, int]]
) -> Metric:
    family = CounterMetricFamily(name, about, labels=labels)
    for key, number in rows:
        family.add_metric(key, number)
    return family


def _histograms(tally: Tally) -> Iterator[Metric]:
    waits = HistogramMetricFamily(
        "evergrant_call_wait_seconds",
        "How long calls waited for a permit, by operation.",
        labels=("operation",),
    )
    answers = HistogramMetricFamily(
        "evergrant_call_seconds",
        "How long Amazon took to answer, by operation.",
        labels=("operation",),
    )
    for operation, (waited, took) in tally.spans.items():
        _add(waits, operation, waited)
        _add(answers, operation, took)
    yield waits
    yield answers


def _add(family: HistogramMetricFamily, operation: str, spans: Spans) -> None:
    places = list(zip(_BOUNDS, accumulate(spans.places), strict=True))
    family.add_metric((operation,), places, spans.total_s)
