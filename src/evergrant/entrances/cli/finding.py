"""``evergrant account list``: which account is meant, and which ones need somebody.

Answers for: the filters of the list and its table. Does not answer for: one account (``portrait``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.drawing import day
from evergrant.entrances.cli.running import at_desk
from evergrant.entrances.cli.show import Json, plain, show_json, table

if TYPE_CHECKING:
    from evergrant.accounts import AccountView
    from evergrant.desk import Desk
    from evergrant.rules.rights import Caller

__all__ = ["list_accounts"]

#: So many accounts are asked for in one go when the list is narrowed here.
STRIDE = 500


def list_accounts(
    app: Annotated[str | None, typer.Option(help="Only of this application.")] = None,
    instance: Annotated[str | None, typer.Option(help="Only of this client instance.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only seller or vendor.")] = None,
    region: Annotated[str | None, typer.Option(help="Only na, eu or fe.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only awaiting, active, lapsed, revoked or closed.")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            help="Only with this text in name, mail address, selling partner id, merchant token "
            "or vendor code."
        ),
    ] = None,
    ends_within: Annotated[
        int | None, typer.Option(min=0, help="Only active ones that end within so many days.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="So many at most.")] = 100,
    after: Annotated[str | None, typer.Option(help="Go on after the one with this id.")] = None,
    json: Json = False,
) -> None:
    """List accounts and their authorizations, by name.

    Example: evergrant account list --search heron

    Example: evergrant account list --ends-within 30
    """
    from evergrant.entrances.cli.book import view_of

    async def look(desk: Desk, by: Caller) -> Found:
        application = (await desk.registry.find_application(app, by=by)).id if app else None
        client = (await desk.registry.find_instance(instance, by=by)).id if instance else None
        wanted = _narrowing(desk, region=region, search=search, ends_within=ends_within)
        found: list[AccountView] = []
        last = after
        while True:
            rows = await desk.accounts.list(
                by=by,
                after=last,
                limit=STRIDE if wanted else limit + 1,
                application_id=application,
                client_instance_id=client,
                partner_kind=kind,
                state=state,
            )
            found += [row for row in rows if wanted is None or wanted(row)]
            if wanted is None or len(rows) < STRIDE or len(found) > limit:
                return Found(found[:limit], more=len(found) > limit)
            last = rows[-1].account.id

    found = at_desk(look)
    following = found.rows[-1].account.id if found.more else None
    if json:
        show_json({"items": [view_of(row) for row in found.rows], "next": following})
        return
    table(
        [_line(row) for row in sorted(found.rows, key=lambda row: row.account.name.casefold())],
        ("name", "kind", "home", "state", ("until", "lasts until"), "id"),
        as_json=False,
        optional=("id",),  # the name does everywhere
        next=following,
        empty="No such account."
        if any((app, instance, kind, region, state, search, ends_within is not None, after))
        else "No account yet. Next: evergrant account add --help",
    )


@dataclass(frozen=True, slots=True)
class Found:
    rows: list[AccountView]
    more: bool


def _narrowing(
    desk: Desk, *, region: str | None, search: str | None, ends_within: int | None
) -> Callable[[AccountView], bool] | None:
    """What the account book cannot be asked for; None when nothing of it is wished."""
    from evergrant.intake import Flaws
    from evergrant.rules.lifecycle import State
    from evergrant.rules.marketplaces import Region

    flaws = Flaws()
    wanted_region = None if region is None else flaws.word("region", region, Region)
    flaws.refuse_if_any()
    if region is None and search is None and ends_within is None:
        return None
    text = (search or "").strip().casefold()
    until = desk.clock.now() + timedelta(days=ends_within or 0)

    def wanted(row: AccountView) -> bool:
        account, own = row.account, row.authorization
        words = (
            *(account.name, account.client_email, account.merchant_token, account.id),
            *(own.selling_partner_id, *account.vendor_codes),
        )
        ends = own.state is State.ACTIVE and own.term_ends_at and own.term_ends_at <= until
        return (
            (wanted_region is None or account.region is wanted_region)
            and any(text in word.casefold() for word in words)
            and (ends_within is None or bool(ends))
        )

    return wanted


def _line(row: AccountView) -> dict[str, object]:
    account, own = row.account, row.authorization
    line: dict[str, object] = plain(
        {
            "id": account.id,
            "name": account.name,
            "kind": account.partner_kind,
            "home": f"{account.home_marketplace}, {account.region.value}",
            "state": own.state,
            "until": day(own.term_ends_at),
        }
    )
    return line
