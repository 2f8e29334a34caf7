"""The kitchen's tasks: whose turn it is, and what else is looked for at Amazon each minute.

Answers for: which task calls which verb. Does not answer for: steps, limits and repeats (the
rooms): a task that dies begins again from its beginning, and finds written down how far it came.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from procrastinate import App

from evergrant.adapters.bell import ORDERS, ROUNDS_QUEUE, WORK, WORK_QUEUE
from evergrant.desk import Desk
from evergrant.feeds.working import Worked
from evergrant.logs import logger
from evergrant.ports import Bell

__all__ = ["define_cooking"]

log = logger(__name__)

#: Before the turns of accounts that wait.
_FIRST = 1

#: Does one job, counts it, and says what became of it: (name, what is done, facts of the log line).
Told = Callable[..., Awaitable[Any]]
Counted = Callable[[str, int], None]
#: What is done at an instant of the clock, in seconds of the epoch.
_Errand = Callable[[int], Awaitable[None]]


def define_cooking(app: App, desk: Desk, bell: Bell, told: Told, counted: Counted) -> None:
    """Registers the tasks at ``app``."""

    @app.task(name=WORK, queue=WORK_QUEUE)
    async def work(account_id: str) -> None:
        worked: Worked | None = await told(
            WORK, desk.feeds.work.work(account_id), account_id=account_id
        )
        if worked is None:
            return
        _count(counted, "feeds_", worked)
        if worked.made or worked.settled or worked.troubled:
            log.info("a turn of the kitchen", **dataclasses.asdict(worked))

    @app.periodic(cron="* * * * * */15", periodic_id="feeds.tick")
    @app.task(name="feeds.tick", queue="sweep", queueing_lock="feeds.tick", lock="feeds.tick")
    async def tick(timestamp: int) -> None:
        due = await told("feeds.tick", desk.feeds.work.tick())
        if due:
            await bell.ring_for_work(due)

    @_round(app, "feeds.folder", "* * * * *")
    async def folder(timestamp: int) -> None:
        _count(counted, "folder_", await told("feeds.folder", desk.feeds.folder.round()))

    _define_orders(app, desk, told, counted)

    @_round(app, "amazon_reports", "* * * * * */20")
    async def reports(timestamp: int) -> None:
        _count(
            counted, "amazon_reports_", await told("amazon_reports", desk.amazon_reports.round())
        )

    @_round(app, "notifications", "* * * * * */20")
    async def notifications(timestamp: int) -> None:
        _count(counted, "notifications_", await told("notifications", desk.notifications.round()))

    @_round(app, "feeds.tidy", "41 * * * *")
    async def tidy(timestamp: int) -> None:
        _count(counted, "forgotten_", await told("feeds.tidy", desk.feeds.keeping.tidy()))
        if orders := await told("orders.tidy", desk.orders.purge(desk.clock.now())):
            counted("forgotten_orders", orders)


def _define_orders(app: App, desk: Desk, told: Told, counted: Counted) -> None:
    @_round(app, "orders.sweep", "* * * * *")
    async def orders(timestamp: int) -> None:
        _count(counted, "orders_", await told("orders.sweep", desk.orders.round()))

    @app.task(name=ORDERS, queue=ROUNDS_QUEUE)
    async def asked_orders(account_id: str) -> None:
        swept = await told(ORDERS, desk.orders.sweep_asked(account_id), account_id=account_id)
        _count(counted, "orders_", swept)


def _round(app: App, name: str, cron: str) -> Callable[[_Errand], Any]:
    """A task of the queue of rounds that the clock begins, one at a time."""

    def define(errand: _Errand) -> Any:
        task = app.task(
            name=name, queue=ROUNDS_QUEUE, queueing_lock=name, lock=name, priority=_FIRST
        )(errand)
        return app.periodic(cron=cron, periodic_id=name)(task)

    return define


def _count(counted: Counted, prefix: str, found: Any) -> None:
    """Every number of a value that holds counts."""
    if found is None:
        return
    for one in dataclasses.fields(found):
        number = getattr(found, one.name)
        if type(number) is int and number:
            counted(f"{prefix}{one.name}", number)
