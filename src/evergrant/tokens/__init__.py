"""THE MINT. Access tokens and restricted data tokens of accounts, grantless tokens of applications,
and the passes that programs hold at the gateway.

Answers for: an access token that lives at least as long as the caller says it must, at the price
of one call to LWA for however many callers, processes and nodes; for telling a dead grant from a
refused application and from weather; and, above all, for never giving an access token of one
account, application or region for another. Does not answer for: how a grant came here (the
reception), what is done with an access token (the gate), or for when terms end (the clock tower).

Where an access token comes from, in this order: memory; the sealed row in the safe; LWA, asked by
one errand per account in this process and under one lock over all processes, which looks into the
safe again after locking.

What LWA may say, and what follows:

- ``invalid_grant``: a second look at once. Refused again, the authorization moves (REVOKED, or
  LAPSED when its term is over), journal and event go out, the caller is told Amazon's words. From
  then on nobody asks LWA: the standing alone refuses.
- the application is refused: one incident of the application; no account is marked.
- a renewal is refused that never passed a call: the grant before it is tried, and is in force again
  when LWA takes it.
- weather (5xx, 429, time-outs, unreadable answers): a few tries, then a pause. An access token that
  still lives is served all the while.

To hand an access token to somebody takes the right ACCESS_TOKENS. The gate needs one in the name of
programs that may call Amazon and may not have it: it alone asks with ``for_call``. What comes back
then goes into a request to Amazon and to nobody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from evergrant import vault as safe
from evergrant.errors import (
    AmazonError,
    AmazonUnavailable,
    ApplicationError,
    Flaw,
    InvalidInput,
    NotAllowed,
    NotFound,
)
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import LWA, Hears, SellingPartnerApi
from evergrant.ports.store import Store
from evergrant.ports.things import Standing
from evergrant.registry import Registry
from evergrant.rules import terms
from evergrant.rules.applications import GRANTLESS_SCOPES, ROTATION_SCOPE
from evergrant.rules.lifecycle import serves_tokens
from evergrant.rules.marketplaces import STANDARD, Marketplaces
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret
from evergrant.tokens.asking import Asking
from evergrant.tokens.denials import Denials
from evergrant.tokens.flights import Flights, Pauses
from evergrant.tokens.grantless import Grantless
from evergrant.tokens.memory import Memory
from evergrant.tokens.passes import LONGEST_LIFE_S, Passes
from evergrant.tokens.refresh import Refresh, refuse_unless_serving
from evergrant.tokens.restricted import Restricted, resource
from evergrant.tokens.silences import Silences
from evergrant.tokens.values import AccessToken, GrantlessToken, Pass, RestrictedDataToken
from evergrant.tokens.wishes import LONGEST_MIN_TTL_S, check_min_ttl, right_of

__all__ = [
    "LONGEST_MIN_TTL_S",
    "MIN_TTL_S",
    "AccessToken",
    "GrantlessToken",
    "Pass",
    "RestrictedDataToken",
    "Tokens",
]

#: What a caller gets who does not say how long it needs the token.
MIN_TTL_S = 60

#: A flight may end with a token that lives too short for one of those who joined it.
_FLIGHTS_PER_CALL = 3


class Tokens:
    """``most_accounts`` bounds the memory (about 3 KiB each). ``remember_s`` is how long a standing
    is believed without asking the database: so long a token may still be served after another
    process closed the account. ``at_once`` bounds the calls to LWA of this process. Without
    ``selling_partner_api`` there are no restricted data tokens.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: safe.Vault,
        registry: Registry,
        lwa: LWA,
        bell: Bell,
        selling_partner_api: SellingPartnerApi | None = None,
        marketplaces: Marketplaces = STANDARD,
        remember_s: float = 1.0,
        most_accounts: int = 10_000,
        at_once: int = 16,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._remember_s = remember_s
        self._monotonic = monotonic
        self._memory = Memory(most_accounts)
        self._denials = Denials(store, clock, monotonic)
        self._pauses = Pauses(monotonic)
        self._ahead_pauses = Pauses(monotonic)
        self._flights: Flights[AccessToken] = Flights(at_once)
        self._grantless_flights: Flights[GrantlessToken] = Flights(at_once)
        asking = Asking(
            lwa=lwa,
            registry=registry,
            monotonic=monotonic,
            sleep=sleep,
            silences=Silences(store, clock),
        )
        self._refresh = Refresh(store=store, clock=clock, vault=vault, bell=bell, asking=asking)
        self._grantless = Grantless(store=store, clock=clock, vault=vault, asking=asking)
        self._restricted = (
            None
            if selling_partner_api is None
            else Restricted(
                store=store,
                clock=clock,
                vault=vault,
                selling_partner_api=selling_partner_api,
                marketplaces=marketplaces,
                at_once=at_once,
            )
        )
        self._passes = Passes(vault=vault, clock=clock)

    # --- accounts ---

    def at_hand(
        self,
        account_id: str,
        *,
        by: Caller,
        min_ttl_s: int = MIN_TTL_S,
        for_call: Right | None = None,
    ) -> AccessToken | None:
        """The access token, if it lies in memory and may be given at once; else None, and `mint`
        says the rest. For hot doors: no await, no database, no refusal. ``for_call`` as of
        `mint`."""
        seat = self._memory.seat(account_id)
        if (
            seat is None
            or self._monotonic() >= seat.until_s
            or not serves_tokens(seat.standing.state)
            or not by.may(right_of(for_call))
            or not by.reaches_account(account_id, seat.standing.client_instance_id)
        ):
            return None
        token = seat.held()
        if token is None:
            return None
        left_s = (token.expires_at - self._clock.now()).total_seconds()
        if min_ttl_s < 0 or left_s < _NEEDED_S + min_ttl_s or left_s < terms.ahead_s(min_ttl_s):
            return None
        return token

    async def mint(
        self,
        account_id: str,
        *,
        by: Caller,
        min_ttl_s: int = MIN_TTL_S,
        instead_of: Secret | None = None,
        for_call: Right | None = None,
    ) -> AccessToken:
        """An access token that lives for at least ``min_ttl_s`` more seconds. Right ACCESS_TOKENS;
        for the gate, which gives it to nobody, the right that the call needs (``for_call``:
        AMAZON_READ or AMAZON_WRITE).

        ``instead_of`` is a token that Amazon no longer takes: it is not given again. LWA is asked
        for another one, and says so if the grant is dead; when Amazon does not take that one
        either, it is asked again after a while, and CallDenied is raised until then.

        Raises InvalidInput (``min_ttl_s`` out of range), NotAllowed, NotFound, NotYetAuthorized,
        AccountClosed, GrantLapsed, GrantRefused, ApplicationRefused, ApplicationIncomplete,
        AmazonUnavailable, Throttled, UnreadableAnswer, SealBroken, StoreUnavailable.
        """
        check_min_ttl(min_ttl_s)
        if not by.may(right_of(for_call)):
            raise NotAllowed(
                "This key or operator may not have access tokens."
                if for_call is None
                else "This key or operator may not make such calls to Amazon."
            )
        standing = await self._standing(account_id, by)
        refuse_unless_serving(standing.state, standing.grant_id, standing.refused_reason)
        return await self._live(standing, min_ttl_s, instead_of)

    async def look_again(self, account_id: str, *, by: Caller) -> AccessToken:
        """Asks LWA once whether it takes the grant, also one that was thought dead. Accepted, the
        authorization is ACTIVE again; refused, GrantRefused is raised and nothing changes that
        was not so before. Right WRITE. Raises as `mint`; a closed account stays closed."""
        if not by.may(Right.WRITE):
            raise NotAllowed
        standing = await self._standing(account_id, by, fresh=True)
        refuse_unless_serving(standing.state, standing.grant_id, "", dead_too=True)
        return await self._fly(standing, 0, None, asking_anew=True)

    # --- applications ---

    async def grantless(
        self,
        application_id: str,
        scope: str,
        *,
        by: Caller,
        min_ttl_s: int = MIN_TTL_S,
        for_call: Right | None = None,
    ) -> GrantlessToken:
        """An access token for one scope of the grantless operations (Amazon's page
        "grantless-operations"). Right ACCESS_TOKENS (or ``for_call``, as of `mint`) and a caller
        that is bound to no client instance and no accounts: they concern all of them. The scope
        that rotates client secrets takes MANAGE as well.

        Raises InvalidInput, NotAllowed, NotFound, ApplicationIncomplete, ApplicationRefused,
        AmazonUnavailable, Throttled, UnreadableAnswer, StoreUnavailable.
        """
        check_min_ttl(min_ttl_s)
        if scope not in GRANTLESS_SCOPES:
            known = ", ".join(sorted(GRANTLESS_SCOPES))
            raise InvalidInput(
                flaws=[Flaw("is not a scope of grantless operations.", "scope", "unknown", known)]
            )
        if (
            not by.may(right_of(for_call))
            or not by.reaches(None)
            or (scope == ROTATION_SCOPE and not by.may(Right.MANAGE))
        ):
            raise NotAllowed
        name = f"{application_id}/{scope}"
        for _ in range(_FLIGHTS_PER_CALL):
            token = await self._grantless_flights.join(
                name, lambda: self._grantless.fetch(application_id, scope, min_ttl_s)
            )
            if terms.usable(self._clock.now(), token.expires_at, min_ttl_s):
                return token
        raise AmazonUnavailable(
            f"Amazon gives no access token that lives for {min_ttl_s} more seconds.",
            hint="Ask for a shorter min_ttl.",
        )

    # --- the gateway ---

    def restricted_at_hand(
        self,
        account_id: str,
        method: str,
        path: str,
        data_elements: frozenset[str] = frozenset(),
        *,
        by: Caller,
        min_ttl_s: int = MIN_TTL_S,
    ) -> RestrictedDataToken | None:
        """As `at_hand`: None says nothing, `restricted` says the rest. InvalidInput as there."""
        wanted = resource(method, path, data_elements)
        seat = self._memory.seat(account_id)
        if (
            self._restricted is None
            or seat is None
            or self._monotonic() >= seat.until_s
            or not serves_tokens(seat.standing.state)
            or not (by.may(wanted.right) and by.may(Right.PERSONAL_DATA))
            or not by.reaches_account(account_id, seat.standing.client_instance_id)
        ):
            return None
        token = self._restricted.held(seat.standing, wanted)
        if token is None or not terms.usable(self._clock.now(), token.expires_at, min_ttl_s):
            return None
        return token

    async def restricted(
        self,
        account_id: str,
        method: str,
        path: str,
        data_elements: frozenset[str] = frozenset(),
        *,
        by: Caller,
        permit: Callable[[], Awaitable[Hears]],
        min_ttl_s: int = MIN_TTL_S,
        instead_of: Secret | None = None,
    ) -> RestrictedDataToken:
        """A restricted data token for one call, for the gate, which gives it to nobody. Rights
        PERSONAL_DATA and AMAZON_READ or AMAZON_WRITE, as the operation is. ``path`` as it will be
        called, encoded. ``permit`` is awaited before Amazon is asked: it comes back when there is
        leave for one `restricted.OPERATION`, with who is told Amazon's answer, or raises.

        Raises InvalidInput (an operation or a data element that Amazon gives none for), what
        ``permit`` raises, CallDenied with Amazon's words (a role is missing), and all that `mint`
        raises.
        """
        check_min_ttl(min_ttl_s)
        wanted = resource(method, path, data_elements)
        if not (by.may(wanted.right) and by.may(Right.PERSONAL_DATA)):
            raise NotAllowed("This key or operator may not see personal data of buyers.")
        restricted = self._restricted
        if restricted is None:
            raise RuntimeError("this mint was furnished without the Selling Partner API")
        standing = await self._standing(account_id, by)
        refuse_unless_serving(standing.state, standing.grant_id, standing.refused_reason)

        def good(token: RestrictedDataToken) -> bool:
            usable = terms.usable(self._clock.now(), token.expires_at, min_ttl_s)
            return usable and token.value != instead_of

        return await restricted.get(
            standing,
            wanted,
            good,
            permit,
            lambda refused: self._live(standing, MIN_TTL_S, refused),
        )

    async def hand_pass(
        self,
        account_id: str,
        *,
        api_key_id: str,
        connection_key_id: str,
        resources: Sequence[tuple[str, str, Sequence[str]]] | None = None,
        scope: str | None = None,
        life_s: int = LONGEST_LIFE_S,
    ) -> tuple[Secret, Pass]:
        """A pass (``egp_…``) for whoever has shown these keys and reaches this account: the door
        has looked. ``resources`` and ``scope`` as of `Pass`. Touches no database."""
        return await self._passes.hand(
            account_id,
            api_key_id=api_key_id,
            connection_key_id=connection_key_id,
            resources=resources,
            scope=scope,
            life_s=life_s,
        )

    async def read_pass(self, text: Secret | str) -> Pass:
        """What a pass says. The keys that it names may be gone by now: ask `people` each time.

        Raises NotAuthenticated, in the same words whatever is wrong with it and with the fact
        ``pass``, as another one would do; and Misconfigured when the key ring cannot be read.
        """
        return await self._passes.read(text)

    def pass_at_hand(self, text: Secret | str) -> Pass | None:
        """As `read_pass`, if it was read here before; else None. For hot doors: no await."""
        return self._passes.at_hand(text)

    async def close(self, within_s: float = 5.0) -> None:
        """Lets refreshes under way come to their end, for so long; then ends them. A token that
        gets lost this way costs one call to LWA."""
        await self._flights.close(within_s)
        if self._restricted is not None:
            await self._restricted.close(within_s)
        await self._grantless_flights.close(within_s)

    # --- inside ---

    async def _standing(self, account_id: str, by: Caller, *, fresh: bool = False) -> Standing:
        """Only a standing that serves is remembered: who was refused a moment ago and has been
        put right since is not told the old story."""
        seat = self._memory.seat(account_id)
        if seat is not None and not fresh and self._monotonic() < seat.until_s:
            standing = seat.standing
        else:
            asked_s = self._monotonic()
            found = await self._store.quick.standing(account_id)
            if found is None:
                self._memory.forget(account_id)
                raise NotFound("There is no such account.")
            standing = found
            if serves_tokens(standing.state):
                self._memory.note_standing(standing, asked_s + self._remember_s)
            else:
                self._memory.forget(account_id)
        if not by.reaches_account(account_id, standing.client_instance_id):
            raise NotFound("There is no such account.")
        return standing

    async def _live(
        self, standing: Standing, min_ttl_s: int, instead_of: Secret | None
    ) -> AccessToken:
        now = self._clock.now()
        token = self._held(standing.account_id)
        if token is not None and _good(token, now, min_ttl_s, instead_of):
            if terms.refresh_ahead(now, token.expires_at, min_ttl_s):
                self._refresh_ahead(standing, min_ttl_s)
            return token
        if instead_of is not None:
            await self._denials.refuse_if_repeated(standing, instead_of)
        for _ in range(_FLIGHTS_PER_CALL):
            token = await self._fly(standing, min_ttl_s, instead_of)
            if _good(token, self._clock.now(), min_ttl_s, instead_of):
                if instead_of is not None:
                    self._denials.replaced(standing.account_id, instead_of, token.value)
                return token
        raise AmazonUnavailable(
            f"Amazon gives no access token that lives for {min_ttl_s} more seconds.",
            hint="Ask for a shorter min_ttl.",
        )

    def _held(self, account_id: str) -> AccessToken | None:
        seat = self._memory.seat(account_id)
        return None if seat is None else seat.held()

    def _refresh_ahead(self, standing: Standing, min_ttl_s: int) -> None:
        name = standing.authorization_id
        if self._pauses.lasts(name) or self._ahead_pauses.lasts(name):
            return
        self._flights.start(name, lambda: self._errand(standing, min_ttl_s, None, ahead=True))

    async def _fly(
        self,
        standing: Standing,
        min_ttl_s: int,
        instead_of: Secret | None,
        *,
        asking_anew: bool = False,
    ) -> AccessToken:
        return await self._flights.join(
            standing.authorization_id + ("/again" if asking_anew else ""),
            lambda: self._errand(standing, min_ttl_s, instead_of, asking_anew=asking_anew),
        )

    async def _errand(
        self,
        standing: Standing,
        min_ttl_s: int,
        instead_of: Secret | None,
        *,
        ahead: bool = False,
        asking_anew: bool = False,
    ) -> AccessToken:
        def good(token: AccessToken) -> bool:
            now = self._clock.now()
            return (
                not asking_anew
                and _good(token, now, min_ttl_s, instead_of)
                and not (ahead and terms.refresh_ahead(now, token.expires_at, min_ttl_s))
            )

        name = standing.authorization_id
        try:
            token = await self._refresh.fetch(
                standing, good, lambda: self._pauses.check(name), dead_too=asking_anew
            )
        except AmazonError as weather:
            if not self._pauses.lasts(name):
                self._pauses.begin(name, weather)
            raise
        except ApplicationError as refused:
            # No account's trouble: what lives is served on. Refreshing ahead rests for a while.
            self._ahead_pauses.begin(name, refused)
            raise
        except BaseException:
            # What is remembered was wrong, or nobody knows: look into the database next time.
            self._memory.forget(standing.account_id)
            raise
        self._pauses.end(name)
        self._ahead_pauses.end(name)
        self._memory.note_token(token)
        return token


#: Seconds of an access token that nobody gets.
_NEEDED_S = terms.ACCESS_TOKEN_MARGIN.total_seconds()


def _good(token: AccessToken, now: datetime, min_ttl_s: int, instead_of: Secret | None) -> bool:
    return terms.usable(now, token.expires_at, min_ttl_s) and token.value != instead_of
