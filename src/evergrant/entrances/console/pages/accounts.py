"""All accounts: the table that operators work in.

Answers for: search, filters, tabs, sorting, paging, filters kept by name, the switches of a row,
and the file of what is filtered. Does not answer for: what is done to many rows at once
(``accounts_many``), adding accounts (``accounts_new``), or for one account's own pages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console import sheets
from evergrant.entrances.console.actions import POPUPS, address_of
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import FLAG_WORDS, WHY_UNAVAILABLE
from evergrant.errors import CallerError, InvalidInput, NotFound
from evergrant.overview import AccountPage, AccountQuery, AccountSort
from evergrant.rules.attention import NEEDS
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.plain_words import STATE_WORDS
from evergrant.rules.rights import Right

__all__ = ["DOORS", "HERE", "MOST_AT_ONCE", "REGION_WORDS"]

HERE = "/console/accounts"
REGION_WORDS = {
    Region.NA: "Americas",
    Region.EU: "Europe, Middle East, India",
    Region.FE: "Asia Pacific",
}
#: All that fit a filter, for what is done to many: a mistake with more could not be mended by hand,
#: and some minutes are as long as somebody watches a page.
MOST_AT_ONCE = 5_000
#: Where there are more, one of them is chosen on its own page.
_MOST_CHOICES = 200
#: One row looks like the others; more of its needs are shown on its own page.
BADGES_SHOWN = 2
_TABS = (State.ACTIVE, State.AWAITING, State.LAPSED, State.REVOKED, State.CLOSED)
_COLUMNS = (
    (AccountSort.NAME, "Account", "name"),
    (AccountSort.NEEDS, "Status", "how"),
    (AccountSort.ENDS, "Ends", "date"),
)


async def show(asked: Asked) -> Response:
    by = asked.caller
    page = await asked.desk.overview.accounts(AccountQuery.read(asked.query), by=by)
    query = page.query
    applications = await asked.desk.registry.applications(by=by, limit=_MOST_CHOICES)
    instances = await asked.desk.registry.instances(by=by, limit=_MOST_CHOICES)
    saved = await asked.desk.overview.saved_filters(by=by)
    return asked.page(
        "accounts/list.html",
        found=page,
        query=query,
        most_at_once=MOST_AT_ONCE,
        here_address=_address(query),
        tabs=_tabs(page, query),
        columns=_columns(query),
        before=_address(replace(query, page=query.page - 1)) if query.page > 1 else "",
        after=_address(replace(query, page=query.page + 1)) if query.page < page.pages else "",
        hidden=_hidden(query),
        need=NEEDS[query.need].title if query.need else "",
        without_need=_address(query.but(need=None)),
        kinds=_choices({one: f"{one.value.title()}s" for one in PartnerKind}),
        regions=_choices(REGION_WORDS),
        ends=[("", "Any end"), *((str(n), f"Ends within {n} days") for n in (9, 30, 60, 90))],
        off=_choices({flag: f"{words[1]} is off" for flag, words in FLAG_WORDS.items()}),
        applications=[("", "Any application"), *((one.id, one.name) for one in applications)],
        instances=await _instances(asked, query, [(one.id, one.name) for one in instances]),
        saved=saved,
        may_write=asked.may(Right.WRITE),
        flags=list(FLAG_WORDS.items()),
        why_unavailable=WHY_UNAVAILABLE,
        badges_shown=BADGES_SHOWN,
        state_words=STATE_WORDS,
        several_applications=len(applications) > 1,
        several_instances=len(instances) > 1,
        address_of=address_of,
        popups=POPUPS,
    )


def _address(query: AccountQuery) -> str:
    text = query.address()
    return f"{HERE}?{text}" if text else HERE


def _tabs(page: AccountPage, query: AccountQuery) -> list[tuple[str, str, int, bool]]:
    counts = page.counts
    plain = query.but(states=frozenset(), needing=False, need=None)
    found = [("All", _address(plain), counts.all, plain == query.but(page=1))]
    worst_first = plain.but(needing=True)
    if query.sort is AccountSort.NAME:
        worst_first = worst_first.but(sort=AccountSort.NEEDS)
    found.append(
        ("Needs somebody", _address(worst_first), counts.needing, query.needing or bool(query.need))
    )
    for state in _TABS:
        of_state = plain.but(states=frozenset({state}))
        on = query.states == {state}
        found.append((STATE_WORDS[state], _address(of_state), counts.by_state.get(state, 0), on))
    return found


def _columns(query: AccountQuery) -> list[dict[str, str]]:
    """With the address that sorts by it; the one in force turns about."""
    found = []
    for sort, words, class_ in _COLUMNS:
        on = query.sort is sort
        descending = on and not query.descending
        order = ("descending" if query.descending else "ascending") if on else ""
        address = _address(query.but(sort=sort, descending=descending))
        found.append({"words": words, "class": class_, "address": address, "order": order})
    return found


def _hidden(query: AccountQuery) -> dict[str, str]:
    """What the form of filters keeps though it has no field for it."""
    values = query.values()
    return {name: values[name] for name in ("state", "needs", "sort") if name in values}


def _choices(words: Mapping[Any, str]) -> list[tuple[str, str]]:
    first = {
        PartnerKind.SELLER: "Any kind",
        Region.NA: "Any region",
        Flag.UPDATE_STOCK: "Any switch",
    }
    return [("", first[next(iter(words))]), *((one.value, text) for one, text in words.items())]


async def _instances(
    asked: Asked, query: AccountQuery, known: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Those to choose from. Of very many only the one that is in force: others are reached from
    their own pages."""
    chosen = query.client_instance_id
    if len(known) >= _MOST_CHOICES:
        known = [one for one in known if one[0] == chosen]
    if chosen and chosen not in dict(known):
        known = [*known, (chosen, await _name_of(asked, chosen))]
    return [("", "Any instance"), *known]


async def _name_of(asked: Asked, instance_id: str) -> str:
    """An address may name one that is not there; then nothing is found, and that is no trouble."""
    try:
        return (await asked.desk.registry.instance(instance_id, by=asked.caller)).name
    except NotFound:
        return instance_id


# --- switches -----------------------------------------------------------------------------------


async def switch(asked: Asked) -> Response:
    """One of the six, from a row or from the account's own page: ``flag=update_stock:off``."""
    account_id = asked.path["account_id"]
    name, _, wish = asked.form.get("flag", "").partition(":")
    if wish not in ("on", "off"):
        raise InvalidInput("A switch is put on or off.")
    account = await asked.desk.accounts.set_flags(account_id, {name: wish == "on"}, by=asked.caller)
    words = FLAG_WORDS[Flag(name)][1]
    return asked.back(
        asked.form.get("back", f"{HERE}/{account_id}"), f"{words} is {wish} for {account.name}."
    )


# --- filters by name ----------------------------------------------------------------------------


async def save_filter(asked: Asked) -> Response:
    query = AccountQuery.of_address(asked.form.get("query", "")).but()
    name = asked.form.get("name", "")
    try:
        kept = await asked.desk.overview.save_filter(name, query.address(), by=asked.caller)
    except CallerError as error:
        return asked.back(_address(query), str(error), "bad")
    return asked.back(_address(query), f"The filter is kept as “{kept.name}”.")


async def drop_filter(asked: Asked) -> Response:
    await asked.desk.overview.drop_filter(asked.path["filter_id"], by=asked.caller)
    return asked.back(asked.form.get("back", HERE), "The filter is gone; no account was touched.")


# --- the file -----------------------------------------------------------------------------------

_HEADINGS = {
    "id": "id",
    "name": "name",
    "partner_kind": "kind",
    "vendor_kind": "vendor kind",
    "region": "region",
    "home_marketplace": "home marketplace",
    "client_email": "client e-mail",
    "merchant_token": "merchant token",
    "vendor_codes": "vendor codes",
    "selling_partner_id": "selling partner id at Amazon",
    "application_name": "application",
    "instance_name": "client instance",
    "state": "state",
    "status": "status",
    "granted_at": "granted at",
    "term_ends_at": "ends at",
    "needs": "needs",
    **{flag.value: words[1].lower() for flag, words in FLAG_WORDS.items()},
    "waiting": "changes waiting",
    "last_call_at": "last call at",
    "created_at": "added at",
}


async def export(asked: Asked) -> Response:
    query = AccountQuery.read(asked.query)
    name = f"accounts-{asked.now:%Y-%m-%d}.csv"
    return sheets.as_csv(name, _HEADINGS, _rows(asked, query))


async def _rows(asked: Asked, query: AccountQuery) -> AsyncIterator[dict[str, Any]]:
    async for row in asked.desk.overview.every(query, by=asked.caller):
        yield {
            **{name: getattr(row, name, "") for name in _HEADINGS},
            "status": str(row.status),
            "needs": ", ".join(one.words for one in row.badges),
            **{flag.value: _flag(on) for flag, on in row.flags.items()},
        }


def _flag(on: bool | None) -> str:
    return "not available" if on is None else "on" if on else "off"


DOORS = (
    Door("GET", HERE, show, Right.READ),
    Door("GET", f"{HERE}/export.csv", export, Right.READ),
    Door("POST", f"{HERE}/filters", save_filter, Right.READ),
    Door("POST", f"{HERE}/filters/{{filter_id}}/drop", drop_filter, Right.READ),
    Door("POST", f"{HERE}/{{account_id}}/flags", switch, Right.WRITE),
)
