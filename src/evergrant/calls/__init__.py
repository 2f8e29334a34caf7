"""THE GATE. Every call to the Selling Partner API in the name of an account goes through here.

Answers for: who may make which call (rights, reach, personal data, lifecycle: everything is refused
before Amazon is asked), a permit of the shared buckets for each call, the right access token at the
right region's endpoint and never another, what may be repeated, and what Amazon's answers teach.
Does not answer for: the stream itself (a door, or the pipe), plans and counts (the meter), or for
what an answer means: errors of Amazon pass through as they came.

A call in a door::

    leave = calls.admit_at_hand(asked, by=by) or await calls.admit(asked, by=by)
    ... sends it; if it never does: calls.give_back(leave) ...
    calls.tell(leave, Outcome(status=403, took_s=0.2))
    how = calls.judge(leave, Tried(status=403, head=b"..."), by=by)
    leave = await calls.again(leave, how, by=by)  # unless how is None
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from evergrant import logs
from evergrant.calls import sending
from evergrant.calls.background import Background
from evergrant.calls.learning import Learning
from evergrant.calls.leave import Ready, TokensOfCalls, operation_of_mint
from evergrant.calls.lines import Line, Permit
from evergrant.calls.own import OwnCalls
from evergrant.calls.paths import METHODS, Paths, flaws_of
from evergrant.calls.permits import Permits
from evergrant.calls.refusals import may, needs_restricted, refuse_unless_allowed
from evergrant.calls.sending import is_token_trouble
from evergrant.calls.values import NOT_SENT, Asked, Leave, Outcome
from evergrant.errors import (
    AmazonUnavailable,
    Conflict,
    EvergrantError,
    InvalidInput,
    NotFound,
    OverLimit,
)
from evergrant.limits import Limits
from evergrant.ports.amazon import Answer, Call, Hears, SellingPartnerApi
from evergrant.ports.budgets import Budgets
from evergrant.ports.store import Store
from evergrant.ports.things import Standing
from evergrant.rules import operations, repeats
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Marketplaces, Region
from evergrant.rules.operations import Operation
from evergrant.rules.repeats import Again, Tried
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret
from evergrant.tokens import Tokens
from evergrant.tokens.refresh import refuse_unless_serving

__all__ = ["METHODS", "Again", "Asked", "Calls", "Leave", "Outcome", "Tried", "is_token_trouble"]

_log = logs.logger(__name__)

_MOST_LINES = 20_000
_CLOSING_S = 5.0
#: So often a call may change its permit for a fresh one.
_MOST_TURNS = 3


class Calls:
    """One per process and event loop. ``wait_s`` is how long a call waits for a permit when its
    caller does not say, ``longest_wait_s`` how long it may say. ``jitter`` gives numbers from 0
    to 1."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        selling_partner_api: SellingPartnerApi,
        marketplaces: Marketplaces,
        store: Store,
        budgets: Budgets,
        limits: Limits,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        wait_s: float = 10.0,
        longest_wait_s: float = 120.0,
    ) -> None:
        self._selling_partner_api = selling_partner_api
        self._marketplaces = marketplaces
        self._store = store
        self._limits = limits
        self._monotonic = monotonic
        self._sleep = sleep
        self._jitter = jitter
        self._wait_s = wait_s
        self._longest_wait_s = max(longest_wait_s, wait_s)
        self._background = Background()
        self._paths = Paths()
        self._tokens = TokensOfCalls(tokens)
        self._permits = Permits(budgets, self._background, monotonic=monotonic, sleep=sleep)
        self._learning = Learning(budgets, limits, self._background, marketplaces, monotonic)
        self._lines: dict[tuple[str, str, str, int], Line] = {}
        #: For rooms below: what Evergrant asks of Amazon by itself.
        self.own = OwnCalls(
            permits=self._permits,
            learning=self._learning,
            limits=limits,
            marketplaces=marketplaces,
            monotonic=monotonic,
        )

    # --- before a call ---

    def admit_at_hand(self, asked: Asked, *, by: Caller) -> Leave | None:
        """Leave, if all that it takes lies in memory; else None, and `admit` says the rest. For
        hot paths: no await, no database, no refusal."""
        ready = self._ready_at_hand(asked, by)
        if ready is None or ready.secret is None:
            return None
        permit = self._permits.at_hand(ready.line)
        return None if permit is None else self._leave(asked, ready, permit, ready.secret)

    async def admit(self, asked: Asked, *, by: Caller) -> Leave:
        """Leave for this call. Right AMAZON_READ or AMAZON_WRITE, after the operation's group; for
        personal data PERSONAL_DATA; for grantless operations a caller that is bound to nothing.

        Refused in this order, and each before Amazon is asked: InvalidInput (method, path, query,
        the wait), NotFound (the account is out of reach), NotAllowed, NotYetAuthorized,
        AccountClosed, GrantLapsed, GrantRefused, OverLimit, StoreUnavailable. Then all that the
        mint raises.
        """
        patience_s = self._patience_s(asked)
        ready = self._ready_at_hand(asked, by) or await self._ready(asked, by)
        return await self._let_go(asked, ready, by=by, patience_s=patience_s)

    async def refuse_unless_served(self, account_id: str, *, by: Caller) -> None:
        """Raises NotFound, and what stands against any call for the account, as `admit` does."""
        found = await self._standing(account_id, by)
        refuse_unless_serving(found.state, found.grant_id, found.refused_reason)

    # --- after it ---

    def tell(self, leave: Leave, outcome: Outcome) -> None:
        """How the call ended. Never raises, never waits. With the error ``not_sent`` the permit
        goes back."""
        try:
            if outcome.status is None and outcome.error == NOT_SENT:
                self.give_back(leave)
            else:
                if outcome.status == 429 and leave.permit is not None:
                    self._permits.empty_hand(leave.permit.line)
                self._learning.hear(leave, outcome)
        except Exception as mistake:  # noqa: BLE001 - the answer is there, and is the caller's
            _log.error("an outcome was lost", request_id=leave.request_id, exc_info=mistake)

    def give_back(self, leave: Leave) -> None:
        """The call was never made."""
        if leave.permit is not None:
            self._permits.give_back(leave.permit)

    def judge(self, leave: Leave, tried: Tried, *, by: Caller) -> Again | None:
        """Whether the call is to be made again: `rules.repeats.decide`, with all that the gate
        knows of the call. None: what came is the answer."""
        known = replace(
            tried, repeats=leave.repeats, renewed=leave.renewed, restricted=leave.restricted
        )
        return repeats.decide(
            leave.operation,
            known,
            may_personal_data=by.may(Right.PERSONAL_DATA),
            patience_s=self._patience_s(leave.asked) - leave.waited_s,
            jitter=self._jitter(),
        )

    async def again(self, leave: Leave, how: Again, *, by: Caller) -> Leave:
        """Leave for one more try of the same call: after the pause, with a permit of its own, and
        with everything looked at anew. Raises as `admit`; OverLimit when what is left of the
        caller's patience does not do."""
        asked = leave.asked
        if how.after_s > 0:
            await self._sleep(how.after_s)
        waited_s = leave.waited_s + how.after_s
        fresh = how.fresh_access_token
        ready = None if how.restricted else self._ready_at_hand(asked, by)
        if ready is None:
            ready = await self._ready(asked, by, restricted=how.restricted or leave.restricted)
        return await self._let_go(
            asked,
            ready,
            by=by,
            patience_s=max(self._patience_s(asked) - waited_s, 0.0),
            before=replace(leave, waited_s=waited_s, renewed=leave.renewed or fresh),
            instead_of=leave.access_token if fresh else None,
        )

    # --- a whole call ---

    async def send(
        self,
        account_id: str,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        by: Caller,
        ready_to_wait_s: float | None = None,
        data_elements: frozenset[str] | None = None,
        importance: Importance = Importance.LAST,
        kind: str = "",
        begin_before: datetime | None = None,
        request_id: str = "",
    ) -> Answer:
        """Whatever Amazon answers is the answer, errors included. ``path`` begins with a slash, is
        already encoded and has no query. ``kind``: the type of a feed or report that is asked for;
        ``begin_before``: it is not sent later. Raises as `admit`, and AmazonUnavailable when no
        answer came; then a call that changes something may have been carried out."""
        asked = Asked(
            account_id=account_id,
            method=method.upper(),
            path=path,
            query=urlencode(query),
            data_elements=data_elements,
            ready_to_wait_s=ready_to_wait_s,
            importance=importance,
            kind=kind,
            request_id=request_id,
        )
        if flaws := flaws_of(asked.method, path, asked.query) + sending.flaws_of(headers or {}):
            raise InvalidInput(flaws=flaws)
        leave = self.admit_at_hand(asked, by=by) or await self.admit(asked, by=by)
        while True:
            call = Call(
                endpoint=leave.endpoint,
                method=asked.method,
                path=path,
                query=tuple(query),
                headers=dict(headers or {}),
                body=body,
                begin_before=begin_before,
            )
            ended = await self._sent(leave, call)
            how = self.judge(leave, sending.tried_of(ended), by=by)
            try:
                if how is not None:
                    leave = await self.again(leave, how, by=by)
                    continue
            except EvergrantError as no:
                _log.info("not repeated", request_id=leave.request_id, error=no.code)
            if isinstance(ended, AmazonUnavailable):
                raise ended
            return ended

    async def close(self) -> None:
        """Refuses whoever waits, gives back permits, lets what runs come to its end."""
        await self._permits.close()
        await self._background.close(_CLOSING_S)

    # --- inside ---

    def _operation(self, asked: Asked) -> Operation:
        found = self._paths.read(asked.method, asked.path, asked.query)
        return operations.of_kind(found, asked.kind) if asked.kind else found

    def _ready_at_hand(self, asked: Asked, by: Caller) -> Ready | None:
        try:
            operation = self._operation(asked)
            self._patience_s(asked)
        except InvalidInput:
            return None
        if operation.scope is not None or not may(operation, asked, by):
            return None
        restricted = needs_restricted(operation, asked)
        token = self._tokens.at_hand(operation, asked, restricted=restricted, by=by)
        if token is None:
            return None
        line = self._line_at_hand(
            token.application_id, asked.account_id, token.region, operation, asked.importance
        )
        if line is None:
            return None
        return Ready(
            operation=operation,
            application_id=token.application_id,
            region=token.region,
            line=line,
            restricted=restricted,
            secret=token.value,
        )

    async def _ready(self, asked: Asked, by: Caller, *, restricted: bool = False) -> Ready:
        operation = self._operation(asked)
        standing = await self._standing(asked.account_id, by)
        refuse_unless_allowed(operation, asked, by, restricted=restricted)
        if operation.scope is None:
            refuse_unless_serving(standing.state, standing.grant_id, standing.refused_reason)
        line = await self._line(standing, operation, asked.importance)
        return Ready(
            operation=operation,
            application_id=standing.application_id,
            region=standing.region,
            line=line,
            restricted=restricted or needs_restricted(operation, asked),
        )

    async def _standing(self, account_id: str, by: Caller) -> Standing:
        standing = await self._store.quick.standing(account_id)
        if standing is None or not by.reaches_account(account_id, standing.client_instance_id):
            raise NotFound("There is no such account.")
        return standing

    def _line_at_hand(
        self,
        application_id: str,
        account_id: str,
        region: Region,
        operation: Operation,
        importance: Importance,
    ) -> Line | None:
        shares = self._limits.shares(application_id, account_id, region, operation, importance)
        if shares is None:
            return None
        key = (account_id, operation.name, operation.kind, importance.value)
        line = self._lines.get(key)
        if line is None or line.shares is not shares:
            line = self._permits.line(shares, importance)
            if len(self._lines) >= _MOST_LINES:
                self._lines.clear()
            self._lines[key] = line
        return line

    async def _line(self, standing: Standing, operation: Operation, importance: Importance) -> Line:
        shares = await self._limits.fetch_shares(
            standing.application_id, standing.account_id, standing.region, operation, importance
        )
        return self._permits.line(shares, importance)

    async def _let_go(
        self,
        asked: Asked,
        ready: Ready,
        *,
        by: Caller,
        patience_s: float,
        before: Leave | None = None,
        instead_of: Secret | None = None,
    ) -> Leave:
        """The token first, as it may be long in coming; then the permit, which does not keep; then
        a look whether all is still so. Where that took too long, the permit is changed for another,
        and whoever it belongs to comes before all other calls of its caller."""
        waited_s, instead = 0.0, instead_of
        for turn in range(_MOST_TURNS):
            secret = await self._secret(asked, ready, by, patience_s - waited_s, instead)
            permit, seconds = await self._permit(asked, ready, by, patience_s - waited_s, turn > 0)
            waited_s += seconds
            try:
                if permit.queued:
                    ready, secret = await self._looked_again(asked, ready, by, instead_of, secret)
                line = ready.line
                if line is permit.line and (turn == _MOST_TURNS - 1 or self._permits.fresh(permit)):
                    return self._leave(asked, ready, permit, secret, waited_s, before)
            except BaseException:
                self._permits.give_back(permit)
                raise
            self._permits.give_back(permit)
            ready, instead = replace(ready, secret=secret), None
        raise Conflict("The account was changed while the call was on its way; it was not made.")

    async def _looked_again(
        self, asked: Asked, ready: Ready, by: Caller, instead_of: Secret | None, secret: Secret
    ) -> tuple[Ready, Secret]:
        """After a wait, in which much may have happened: with the token and the buckets as of now.
        No await if all of it lies at hand. Raises as `admit`."""
        if not ready.restricted or needs_restricted(ready.operation, asked):
            now = self._ready_at_hand(asked, by)
            if now is not None and now.secret is not None and now.secret != instead_of:
                return now, now.secret
        now = await self._ready(asked, by, restricted=ready.restricted)
        if now.restricted or now.operation.scope is not None:
            # The mint keeps them as long as they live; this one was fetched for this call.
            now = replace(now, secret=secret)
        return now, await self._secret(asked, now, by, 0.0, None)

    async def _permit(
        self,
        asked: Asked,
        ready: Ready,
        by: Caller,
        patience_s: float,
        before_its_own: bool = False,
    ) -> tuple[Permit, float]:
        """With the seconds that it was waited for: none, if it was there."""
        began_s = self._monotonic()
        try:
            permit = await self._permits.take(
                ready.line, str(by), max(patience_s, 0.0), before_its_own=before_its_own
            )
        except OverLimit as over:
            self._limits.note_refused(asked.account_id, ready.operation.name, ready.region)
            name = ready.operation.name
            _log.info(
                "over limit",
                request_id=asked.request_id,
                account_id=asked.account_id,
                operation=name,
                retry_after_s=round(over.retry_after_s, 3),
            )
            raise OverLimit(
                f"Amazon's limit for {name} is spent for the moment.",
                retry_after_s=over.retry_after_s,
                hint=f"A permit is likely in {over.retry_after_s:.1f} s; ask again then, or be "
                "ready to wait so long.",
                facts={"operation": name, "account_id": asked.account_id},
            ) from None
        return permit, self._monotonic() - began_s if permit.queued else 0.0

    async def _secret(
        self,
        asked: Asked,
        ready: Ready,
        by: Caller,
        patience_s: float,
        instead_of: Secret | None,
    ) -> Secret:
        return await self._tokens.fetch(
            ready,
            asked,
            by=by,
            permit=partial(self._permit_of_mint, asked, ready, by, patience_s),
            instead_of=instead_of,
        )

    async def _permit_of_mint(
        self, asked: Asked, ready: Ready, by: Caller, patience_s: float
    ) -> Hears:
        """For the restricted data token itself, which has a limit of its own."""
        operation = operation_of_mint()
        shares = await self._limits.fetch_shares(
            ready.application_id, asked.account_id, ready.region, operation, asked.importance
        )
        line = self._permits.line(shares, asked.importance)
        ready = replace(ready, operation=operation, line=line, restricted=False)
        permit, waited_s = await self._permit(asked, ready, by, patience_s)
        # Which access token the mint takes is its own affair.
        leave = self._leave(asked, ready, permit, Secret(""), waited_s)
        began_s = self._monotonic()

        def hear(answer: Answer) -> None:
            self.tell(leave, sending.outcome_of(answer, self._monotonic() - began_s))

        return hear

    def _leave(
        self,
        asked: Asked,
        ready: Ready,
        permit: Permit,
        secret: Secret,
        waited_s: float = 0.0,
        before: Leave | None = None,
    ) -> Leave:
        return Leave(
            request_id=asked.request_id,
            account_id=asked.account_id,
            application_id=ready.application_id,
            region=ready.region,
            operation=ready.operation,
            endpoint=self._marketplaces.endpoint(ready.region),
            access_token=secret,
            restricted=ready.restricted,
            shares=ready.line.shares,
            waited_s=waited_s + (before.waited_s if before else 0.0),
            permits_left=permit.left,
            asked=asked,
            repeats=before.repeats + 1 if before else 0,
            waited_before_s=before.waited_s if before else 0.0,
            renewed=before.renewed if before else False,
            permit=permit,
        )

    def _patience_s(self, asked: Asked) -> float:
        return asked.patience_s(self._wait_s, self._longest_wait_s)

    async def _sent(self, leave: Leave, call: Call) -> Answer | AmazonUnavailable:
        """What came of it, told to the gate."""
        began_s = self._monotonic()
        ended: Answer | AmazonUnavailable
        try:
            ended = await self._selling_partner_api.send(call, leave.access_token)
        except AmazonUnavailable as error:
            ended = error
        self.tell(leave, sending.outcome_of(ended, self._monotonic() - began_s))
        return ended
