"""What the house holds already, as far as an import has to know.

Answers for: that picture, taken in short transactions, and for what the rooms would say of a wish,
asked of their own rules. Does not answer for: any decision.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from evergrant import vault
from evergrant.account_fields import FIELDS, check_account
from evergrant.errors import Flaw, InvalidInput, Misconfigured, SealBroken
from evergrant.intake import Flaws, given_by
from evergrant.moving.wishes import AccountWish, Wishes
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    ClientInstance,
    Grant,
    IntegrationCredentials,
)
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.registry.inspection import (
    APPLICATION,
    CREDENTIALS,
    check_dates,
    check_lwa_url,
    check_secrets,
    instance_readers,
)
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.receivers import Receivers
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import Secret, digest
from evergrant.vault import Vault

__all__ = [
    "Inventory",
    "flaws_of_account",
    "flaws_of_application",
    "flaws_of_credentials",
    "flaws_of_instance",
    "name_elsewhere",
    "take_inventory",
]

T = TypeVar("T")
_STRIDE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """``accounts`` are those of the names that are wished for. ``tokens``: which account holds the
    refresh token of that digest; ``partners``: which one holds a selling partner at that
    application and region. ``signed``: signing secrets of instances that are wished with one."""

    applications: Sequence[Application]
    credentials: Mapping[str, IntegrationCredentials]
    instances: Sequence[ClientInstance]
    busy: frozenset[str]  # instances that have an account
    signed: Mapping[str, Secret] = field(repr=False)
    accounts: Mapping[str, tuple[Account, Authorization]]
    tokens: Mapping[str, str] = field(repr=False)
    partners: Mapping[tuple[str, str, str], str]
    #: When Amazon last refused the refresh token of that digest for that account.
    refused: Mapping[tuple[str, str], datetime] = field(repr=False)


def name_elsewhere(name: str, region: str) -> str:
    """The name of the second account of a customer who sells in two regions: names are unique."""
    return f"{name} ({region.upper()})"


async def take_inventory(
    store: Store, safe: Vault, wishes: Wishes, *, again: bool = False
) -> Inventory:
    """``again``: as if Amazon had never refused a refresh token."""
    async with store.transaction() as tx:
        applications = await tx.applications.all()
        credentials = {one.id: one for one in await tx.credentials.all()}
        instances = await tx.instances.all()
        named = {one.name: one for one in instances}
        wanted = [one for one in wishes.instances if one.signing_secret is not None]
        signed: dict[str, Secret] = {}
        busy: set[str] = set()
        for found in (named[one.new.name] for one in wanted if one.new.name in named):
            with contextlib.suppress(SealBroken, Misconfigured):  # then it is as good as none
                secret = await safe.open(tx, vault.signing_secret(found.id))
                if secret is not None:
                    signed[found.id] = secret
            if await tx.accounts.count(client_instance_id=found.id):
                busy.add(found.id)
    names: dict[str, None] = {}
    for account in wishes.accounts:
        names[account.new.name] = None
        names[name_elsewhere(account.new.name, account.new.region)] = None
    return Inventory(
        applications=applications,
        credentials=credentials,
        instances=instances,
        busy=frozenset(busy),
        signed=signed,
        accounts=await _accounts(store, names),
        tokens=await _tokens(store, wishes.accounts),
        partners=await _partners(store, wishes.accounts),
        refused={} if again else await _refused(store),
    )


async def _accounts(store: Store, names: Iterable[str]) -> dict[str, tuple[Account, Authorization]]:
    found: dict[str, tuple[Account, Authorization]] = {}
    for some in _strides(names):
        async with store.transaction() as tx:
            accounts = await tx.accounts.all(name=some)
            of = {
                one.account_id: one
                for one in await tx.authorizations.all(account_id=[one.id for one in accounts])
            }
        found |= {one.name: (one, of[one.id]) for one in accounts if one.id in of}
    return found


async def _tokens(store: Store, accounts: Sequence[AccountWish]) -> dict[str, str]:
    """Only what is held by an account that is not closed keeps a refresh token from another."""
    digests = [digest(one.refresh_token) for one in accounts if one.refresh_token]
    found: dict[str, str] = {}
    for some in _strides(digests):
        async with store.transaction() as tx:
            grants: list[Grant] = await tx.grants.all(token_digest=some)
            ids = list({one.authorization_id for one in grants})
            holders = {one.id: one for one in await tx.authorizations.all(id=ids)}
        for grant in grants:
            holder = holders.get(grant.authorization_id)
            if holder is not None and holder.state is not State.CLOSED:
                found[grant.token_digest] = holder.account_id
    return found


async def _partners(
    store: Store, accounts: Sequence[AccountWish]
) -> dict[tuple[str, str, str], str]:
    ids = {one.selling_partner_id for one in accounts if one.selling_partner_id}
    found = {}
    for some in _strides(sorted(ids)):
        async with store.transaction() as tx:
            holders = await tx.authorizations.all(
                selling_partner_id=some, state=(State.ACTIVE, State.LAPSED)
            )
        for one in holders:
            place = one.application_id, one.region.value, one.selling_partner_id
            found[place] = one.account_id
    return found


async def _refused(store: Store) -> dict[tuple[str, str], datetime]:
    found: dict[tuple[str, str], datetime] = {}
    after = 0
    while True:
        async with store.transaction() as tx:
            lines = await tx.journal.read(
                verb="authorization.adoption_refused", after=after, limit=_STRIDE
            )
        for line in lines:
            if which := line.facts.get("refresh_token_digest"):
                found[line.account_id or "", which] = line.at
        if len(lines) < _STRIDE:
            return found
        after = lines[-1].id


def _strides(things: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(things)
    while some := list(islice(rest, _STRIDE)):
        yield some


# --- what the rooms would say -----------------------------------------------------------------


def _found_in(flaws: Flaws) -> tuple[Flaw, ...]:
    try:
        flaws.refuse_if_any()
    except InvalidInput as refused:
        return refused.flaws
    return ()


def flaws_of_instance(new: NewInstance, receivers: Receivers) -> tuple[Flaw, ...]:
    flaws = Flaws()
    flaws.settle(instance_readers(receivers), given_by(new))
    return _found_in(flaws)


def flaws_of_application(new: NewApplication) -> tuple[Flaw, ...]:
    flaws = Flaws()
    flaws.settle(APPLICATION, given_by(new))
    return _found_in(flaws)


def flaws_of_credentials(given: Credentials, usual_lwa_url: str, now: datetime) -> tuple[Flaw, ...]:
    flaws = Flaws()
    named = {name: value for name, value in given_by(given).items() if value is not None}
    values: dict[str, Any] = flaws.settle(CREDENTIALS, named)
    if given.lwa_client_id is None:
        flaws.add("lwa_client_id", "is needed.", code="missing")
    check_lwa_url(flaws, values.get("lwa_url", ""), usual_lwa_url)
    check_secrets(flaws, given)
    check_dates(flaws, given, now)
    for one, other in (("access_key", "secret_key"), ("secret_key", "access_key")):
        if getattr(given, one) is not None and getattr(given, other) is None:
            flaws.add(other, "is needed: the two AWS keys go together.", code="missing")
    return _found_in(flaws)


async def flaws_of_account(
    tx: Transaction, marketplaces: Marketplaces, wish: AccountWish, by: Caller
) -> tuple[Flaw, ...]:
    """Of all but its references to application and client instance, which may not exist yet."""
    flaws = Flaws()
    references = ("application_id", "client_instance_id")
    given = given_by(wish.new)
    values = flaws.settle(FIELDS, {n: value for n, value in given.items() if n not in references})
    values |= dict.fromkeys(references, "")
    await check_account(tx, marketplaces, flaws, values, values["flags"], set(values), by)
    return _found_in(flaws)
