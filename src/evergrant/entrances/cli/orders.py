"""``evergrant orders``: what accounts sold, and how far their orders were read.

Answers for: asking the order book. Does not answer for: changes to orders (the kitchen's commands).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.running import app_with, at_desk
from evergrant.entrances.cli.show import Json, page, plain, remark, show_json, table, thing

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.orders import OrderTold, SweepState
    from evergrant.rules.rights import Caller

__all__ = ["add"]

orders = app_with("Orders of all accounts, as Amazon last told them.")

Account = Annotated[str, typer.Argument(help="Id or name of the account.")]
Limit = Annotated[int, typer.Option(min=1, max=499, help="So many at most.")]


def add(app: typer.Typer) -> None:
    app.add_typer(orders, name="orders", rich_help_panel="Look")


@orders.command("list")
def list_orders(
    account: Annotated[str | None, typer.Option(help="Only of this account: id or name.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Go on after this position.")] = 0,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List orders in the order in which they came or changed, without personal data.

    Example: evergrant orders list --account "Blue Heron Books"
    """

    async def look(desk: Desk, by: Caller) -> tuple[list[OrderTold], dict[str, str]]:
        account_id = (await desk.accounts.find(account, by=by)).account.id if account else None
        found = await desk.orders.orders(by=by, after=after, limit=limit + 1, account_id=account_id)
        accounts = {one.order.account_id for one in found[:limit]}
        names = {} if json else {one: await _name(desk, one, by) for one in accounts}
        return found, names

    found, names = at_desk(look)
    rows, more = page(found, limit)
    table(
        [_line(row) for row in rows],
        (
            *("position", "order_id", ("account_id", "account"), "kind", "status"),
            *("ordered_at", "amazon_changed_at"),
        ),
        as_json=json,
        names=names,
        optional=("kind", "ordered at"),
        next=str(rows[-1].order.position) if more else None,
        empty="No order yet: evergrant orders status says how far they were read.",
    )


@orders.command("show")
def show_order(
    account: Account,
    order: Annotated[str, typer.Argument(help="Amazon's id of the order.")],
    personal: Annotated[
        bool,
        typer.Option("--personal", help="With buyer and address. The journal notes who looked."),
    ] = False,
    json: Json = False,
) -> None:
    """Show one order as Amazon told it.

    Example: evergrant orders show "Blue Heron Books" 028-1234567-1234567
    """

    async def look(desk: Desk, by: Caller) -> OrderTold:
        account_id = (await desk.accounts.find(account, by=by)).account.id
        return await desk.orders.order(account_id, order, by=by, personal=personal)

    told = at_desk(look)
    shown = _line(told)
    if json:
        show_json(shown)
        return
    body = shown.pop("body")
    thing(shown, as_json=False)
    show_json(body)
    if told.order.personal and not told.opened:
        remark("What is personal is left out: --personal shows it.")


@orders.command("status")
def show_status(
    account: Annotated[
        str | None, typer.Argument(help="Id or name of an account; all of them without.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Go on after the one with this id.")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """Show how far the orders of accounts were read, and what stands against it.

    Example: evergrant orders status "Blue Heron Books"
    """
    if account is not None:
        thing(at_desk(_state_of(account)), as_json=json)
        return

    async def look(desk: Desk, by: Caller) -> list[SweepState]:
        return await desk.orders.states(by=by, after=after, limit=limit + 1)

    rows, more = page(at_desk(look), limit)
    table(
        rows,
        (
            *(("account_name", "account"), "kind", "state", ("bound_at", "read until"), "due_at"),
            *("lacks", "last_error"),
        ),
        as_json=json,
        optional=("due at", "kind"),
        next=rows[-1].account_id if more else None,
        empty="No account yet.",
    )


@orders.command("sweep-now")
def sweep_now(account: Account, json: Json = False) -> None:
    """Read the orders of an account now, and show how far that came.

    What Amazon refused is tried again. A running worker sweeps by itself.

    Example: evergrant orders sweep-now "Blue Heron Books"
    """

    async def sweep(desk: Desk, by: Caller) -> SweepState:
        account_id = (await desk.accounts.find(account, by=by)).account.id
        return await desk.orders.sweep_now(account_id, by=by)

    thing(at_desk(sweep), as_json=json)


def _state_of(account: str) -> Any:
    async def look(desk: Desk, by: Caller) -> SweepState:
        account_id = (await desk.accounts.find(account, by=by)).account.id
        return await desk.orders.state(account_id, by=by)

    return look


async def _name(desk: Desk, account_id: str, by: Caller) -> str:
    return (await desk.accounts.get(account_id, by=by)).account.name


def _line(told: OrderTold) -> dict[str, Any]:
    order = plain(told.order)
    for inner in ("id", "digest", "fetch_due_at"):
        del order[inner]
    return {**order, "with_personal": told.opened, "body": plain(told.body)}
