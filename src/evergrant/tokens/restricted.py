"""One errand: a restricted data token from the safe, or from Amazon.

Answers for: what exactly a restricted data token is good for, and for never giving it for anything
else: account, grant, application, region, method, path and data elements are its name in memory and
in the safe, all of them, and none less or more. Does not answer for: who may have one (the mint),
or for Amazon's limit of one a second (the gate, by ``permit``; it is told Amazon's answer as well).

Sources: Amazon's tokens 2021-03-01 model (generic paths, specific ones for documents of reports,
data elements, one a second with a burst of ten) and its page "tokens-api-use-case-guide".

A restricted data token for a generic path serves every order or shipment of the account for an
hour, so it is shared by all processes: sealed in the safe, made under one lock. One for a single
document is used once or twice; it stays in the memory of its process.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from evergrant import vault as safe
from evergrant.errors import (
    AmazonUnavailable,
    CallDenied,
    Flaw,
    InvalidInput,
    OverLimit,
    SealBroken,
    StoreUnavailable,
)
from evergrant.ports import Clock
from evergrant.ports.amazon import Hears, RestrictedResource, SellingPartnerApi
from evergrant.ports.store import Store
from evergrant.ports.things import Standing
from evergrant.rules import operations
from evergrant.rules.amazon_errors import TOKEN_TROUBLE
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.operations import Group, Personal
from evergrant.rules.rights import Right
from evergrant.rules.secrecy import Secret
from evergrant.tokens.flights import Flights
from evergrant.tokens.values import AccessToken, RestrictedDataToken

__all__ = ["OPERATION", "Resource", "Restricted", "resource"]

#: Whose limit a ``permit`` is for.
OPERATION = "tokens.2021-03-01.createRestrictedDataToken"
LIFE = timedelta(hours=1)

#: A flight may end with a token that lives too short for one of those who joined it, or with the
#: patience of somebody else.
_FLIGHTS_PER_CALL = 4

#: Gives who is told Amazon's answer.
Permit = Callable[[], Awaitable[Hears]]
#: An access token of the account; not the one that is named.
Live = Callable[[Secret | None], Awaitable[AccessToken]]
Good = Callable[[RestrictedDataToken], bool]

_TAKES = frozenset({Personal.RESTRICTED, Personal.ELEMENTS, Personal.CONTENT})


@dataclass(frozen=True, slots=True)
class Resource:
    """What a restricted data token is wanted for. ``shared``: the path is generic."""

    method: str
    path: str
    data_elements: frozenset[str]
    in_order: tuple[str, ...]
    shared: bool
    right: Right


def resource(method: str, path: str, data_elements: frozenset[str]) -> Resource:
    """The resource of a call. ``path`` is that of the call, encoded, or generic already.

    Raises InvalidInput: the operation takes no restricted data token, or knows no such data
    element. Data elements that an operation does not know of at all are left out, as Amazon does.
    """
    operation = operations.find(method, path)
    if operation.personal not in _TAKES:
        raise InvalidInput(
            flaws=[
                Flaw(
                    "takes no restricted data token.",
                    field="path",
                    code="not_restricted",
                    hint="Call it with an access token.",
                )
            ]
        )
    elements = data_elements if operation.data_elements else frozenset()
    unknown = sorted(elements.difference(operation.data_elements))
    if unknown:
        raise InvalidInput(
            flaws=[
                Flaw(
                    f"{', '.join(unknown)[:200]} is no data element of this operation.",
                    field="data_elements",
                    code="unknown",
                    hint=f"Known are: {', '.join(operation.data_elements)}.",
                )
            ]
        )
    shared = operation.personal is not Personal.CONTENT
    return Resource(
        method=operation.method,
        path=operation.template if shared else path,
        data_elements=elements,
        in_order=tuple(one for one in operation.data_elements if one in elements),
        shared=shared,
        right=Right.AMAZON_READ if operation.group is Group.READ else Right.AMAZON_WRITE,
    )


_Key = tuple[str, str, str, str, str, str, frozenset[str]]


def _key(holder: Standing, wanted: Resource) -> _Key:
    return (
        holder.account_id,
        holder.grant_id or "",
        holder.application_id,
        holder.region.value,
        wanted.method,
        wanted.path,
        wanted.data_elements,
    )


class Restricted:
    """One per process. ``most`` bounds the memory (about 2 KiB each)."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: safe.Vault,
        selling_partner_api: SellingPartnerApi,
        marketplaces: Marketplaces,
        at_once: int,
        most: int = 5_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._selling_partner_api = selling_partner_api
        self._marketplaces = marketplaces
        self._most = most
        self._remembered: OrderedDict[_Key, RestrictedDataToken] = OrderedDict()
        self._flights: Flights[RestrictedDataToken] = Flights(at_once)

    def __len__(self) -> int:
        return len(self._remembered)

    def held(self, holder: Standing, wanted: Resource) -> RestrictedDataToken | None:
        """What lies in memory for exactly this. Whether it still lives is not looked at."""
        key = _key(holder, wanted)
        token = self._remembered.get(key)
        if token is not None:
            self._remembered.move_to_end(key)
        return token

    @staticmethod
    def name(holder: Standing, wanted: Resource) -> str:
        """The same in every process, and for nothing else."""
        *parts, elements = _key(holder, wanted)
        return hashlib.sha256(json.dumps([*parts, sorted(elements)]).encode()).hexdigest()

    async def get(
        self, holder: Standing, wanted: Resource, good: Good, permit: Permit, live: Live
    ) -> RestrictedDataToken:
        """From memory, from the safe or from Amazon; whoever comes meanwhile shares the errand.
        ``live`` gives an access token of the account, another one than that which is named."""
        held = self.held(holder, wanted)
        if held is not None and good(held):
            return held
        own = False

        async def errand() -> RestrictedDataToken:
            nonlocal own
            own = True
            return await self._fetch(holder, wanted, good, permit, live)

        over_limit: OverLimit | None = None
        for _ in range(_FLIGHTS_PER_CALL):
            try:
                token = await self._flights.join(self.name(holder, wanted), errand)
            except OverLimit as error:
                if own:
                    raise
                # Whoever set that flight going was not ready to wait as long as this one.
                over_limit = error
                continue
            if good(token):
                return token
        raise over_limit or AmazonUnavailable(
            "Amazon gives no restricted data token that lives long enough.",
            hint="Ask for a shorter min_ttl.",
        )

    async def close(self, within_s: float) -> None:
        await self._flights.close(within_s)

    async def _fetch(
        self, holder: Standing, wanted: Resource, good: Good, permit: Permit, live: Live
    ) -> RestrictedDataToken:
        """One that is ``good``, or a fresh one. Amazon's no to the access token is answered with
        another access token, once."""
        token = await self._at_rest(holder, wanted)
        if token is not None and good(token):
            return self._remember(holder, wanted, token)
        access_token = await live(None)
        try:
            return await self._make(holder, wanted, good, permit, access_token)
        except CallDenied as denied:
            if denied.status not in (401, 403) or not denied.details.startswith(TOKEN_TROUBLE):
                raise
        access_token = await live(access_token.value)
        return await self._make(holder, wanted, good, permit, access_token)

    async def _make(
        self,
        holder: Standing,
        wanted: Resource,
        good: Good,
        permit: Permit,
        access_token: AccessToken,
    ) -> RestrictedDataToken:
        """Access token and permit come before the lock, so that nobody waits for either with the
        lock in hand. What that costs: now and then a permit that another process made useless.

        The access token says for whom it is made: a grant that was renewed a moment ago is
        another one than that which is remembered.
        """
        holder = replace(
            holder,
            application_id=access_token.application_id,
            region=access_token.region,
            grant_id=access_token.grant_id,
        )
        hears = await permit()
        if not wanted.shared:
            token = await self._ask(holder, wanted, access_token, hears)
            return self._remember(holder, wanted, token)
        async with self._store.exclusive(f"mint/restricted/{self.name(holder, wanted)}"):
            at_rest = await self._at_rest(holder, wanted)
            if at_rest is not None and good(at_rest):
                token = at_rest
            else:
                token = await self._ask(holder, wanted, access_token, hears)
                # It is good whether or not the others get to know of it.
                with suppress(StoreUnavailable):
                    await self._put(holder, wanted, token)
        return self._remember(holder, wanted, token)

    async def _ask(
        self, holder: Standing, wanted: Resource, access_token: AccessToken, hears: Hears
    ) -> RestrictedDataToken:
        now = self._clock.now()
        answer = await self._selling_partner_api.restricted_data_token(
            self._marketplaces.endpoint(access_token.region),
            access_token.value,
            [
                RestrictedResource(
                    method=wanted.method, path=wanted.path, data_elements=wanted.in_order
                )
            ],
            hears,
        )
        life = min(timedelta(seconds=answer.expires_in_s), LIFE)
        return _token(holder, wanted, answer.restricted_data_token, now + life)

    async def _put(self, holder: Standing, wanted: Resource, token: RestrictedDataToken) -> None:
        async with self._store.transaction() as tx:
            await self._vault.put(
                tx,
                self._row(holder, wanted),
                token.value,
                now=self._clock.now(),
                expires_at=token.expires_at,
            )

    async def _at_rest(self, holder: Standing, wanted: Resource) -> RestrictedDataToken | None:
        """A row that does not open is worth as much as none."""
        if not wanted.shared:
            return None
        sealed = await self._store.quick.sealed(self._row(holder, wanted))
        if sealed is None or sealed.expires_at is None or sealed.expires_at <= self._clock.now():
            return None
        try:
            value = await self._vault.open_sealed(sealed)
        except SealBroken:
            return None
        return _token(holder, wanted, value, sealed.expires_at)

    def _row(self, holder: Standing, wanted: Resource) -> str:
        return safe.restricted_data_token(holder.authorization_id, self.name(holder, wanted))

    def _remember(
        self, holder: Standing, wanted: Resource, token: RestrictedDataToken
    ) -> RestrictedDataToken:
        key = _key(holder, wanted)
        self._remembered[key] = token
        self._remembered.move_to_end(key)
        while len(self._remembered) > self._most:
            self._remembered.popitem(last=False)
        return token


def _token(
    holder: Standing, wanted: Resource, value: Secret, expires_at: datetime
) -> RestrictedDataToken:
    return RestrictedDataToken(
        value=value,
        expires_at=expires_at,
        account_id=holder.account_id,
        application_id=holder.application_id,
        region=holder.region,
        grant_id=holder.grant_id or "",
        method=wanted.method,
        path=wanted.path,
        data_elements=wanted.data_elements,
    )
