"""What all steps of runs stand on: one run with its account, and Amazon's ear.

Answers for: the sockets in one bundle, loading a run, sending one call for it, and what kind of an
end the call had: an answer, none, or one that says nothing about the request. Does not answer for:
what is sent when (the manners of runs), or for writing anything down (``run_records``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from evergrant.calls import Calls, is_token_trouble
from evergrant.errors import (
    AmazonUnavailable,
    ApplicationError,
    CallDenied,
    EvergrantError,
    InvalidInput,
    NotFound,
    OverLimit,
    PartnerError,
    StoreUnavailable,
    Throttled,
)
from evergrant.feeds.elsewhere import twins_of
from evergrant.feeds.kinds import ApiCall, CallKind, FeedKind, FileKind, Ground, TransactionKind
from evergrant.feeds.kinds.answers import json_of
from evergrant.feeds.kinds.answers import said as said_in
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import Answer
from evergrant.ports.documents import Documents
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.budgets import Importance
from evergrant.rules.changes import ChangeKind
from evergrant.rules.feedruns import PATHS, Path, PathFacts
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import scrub
from evergrant.rules.settling import Sent
from evergrant.settings import Cooking
from evergrant.vault import Vault

__all__ = [
    "AnyKind",
    "Case",
    "Heard",
    "How",
    "RunGround",
    "post",
    "sent_of",
    "text_in",
    "told_by",
]

AnyKind = FeedKind | FileKind | CallKind | TransactionKind

#: What is worth money when it is late.
_FIRST = frozenset({ChangeKind.CANCELLATION, ChangeKind.REFUND})
#: When Amazon says that we are too fast and nothing else: the slowest of the operations has so long
#: between two calls (feeds 2021-06-30 model).
_THROTTLED: Mapping[str, timedelta] = {
    "POST /feeds/2021-06-30/feeds": timedelta(seconds=120),
    "GET /feeds/2021-06-30/feeds": timedelta(seconds=45),
}
_THROTTLED_ELSE = timedelta(seconds=10)
_THROTTLED_DOCUMENT = timedelta(seconds=45)
_SOON = timedelta(minutes=1)
_LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run, and whom it is for."""

    run: FeedRun
    account: Account
    authorization: Authorization

    @property
    def path(self) -> PathFacts:
        return PATHS[self.run.path]

    @property
    def importance(self) -> Importance:
        return Importance.FIRST if self.path.kinds & _FIRST else Importance.SECOND

    def on(self, run: FeedRun) -> Case:
        """Further on."""
        return replace(self, run=run)


class How(Enum):
    """How one call ended."""

    ANSWER = "answer"  # about what was asked
    LATER = "later"  # a limit: nothing was done
    NOT_SENT = "not_sent"  # it certainly did not reach Amazon, or was not looked at
    LOST = "lost"  # nobody knows what Amazon did
    DENIED = "denied"  # a role or an authorization is missing
    NOT_SERVED = "not_served"  # nothing goes for this account at present


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """``answer`` is there for ANSWER and DENIED; ``error`` for NOT_SERVED, and for NOT_SENT where
    such a call can never be sent."""

    how: How
    answer: Answer | None = None
    said: str = ""
    pause: timedelta = _SOON  # of LATER and NOT_SENT
    error: EvergrantError | None = None

    @property
    def body(self) -> Answer:
        if self.answer is None:
            raise LookupError("no answer came")
        return self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGround:
    store: Store
    clock: Clock
    vault: Vault
    calls: Calls
    documents: Documents
    bell: Bell
    marketplaces: Marketplaces
    cooking: Cooking
    kinds: Mapping[Path, AnyKind]

    def now(self) -> datetime:
        return self.clock.now()

    async def case(self, run_id: str) -> Case:
        """Raises NotFound."""
        async with self.store.transaction() as tx:
            run = await tx.feed_runs.get(run_id)
            account = None if run is None else await tx.accounts.get(run.account_id)
            authorization = (
                None if run is None else await tx.authorizations.one(account_id=run.account_id)
            )
        if run is None or account is None or authorization is None:
            raise NotFound("There is no such run.")
        return Case(run=run, account=account, authorization=authorization)

    async def family(self, tx: Transaction, case: Case) -> list[str]:
        """Ids of the run's account and of its twins: Amazon sees one seller, and shows each of them
        the feeds of all."""
        twins = await twins_of(tx, case.account, case.authorization)
        return sorted({case.account.id, *twins})

    def ground(self, case: Case, now: datetime) -> Ground:
        return Ground(
            account=case.account,
            authorization=case.authorization,
            marketplaces=self.marketplaces,
            now=now,
        )

    def kind(self, case: Case) -> AnyKind:
        return self.kinds[case.run.path]

    async def ask(
        self,
        case: Case,
        call: ApiCall,
        *,
        kind: str = "",
        ready_to_wait_s: float | None = None,
        begin_before: datetime | None = None,
    ) -> Heard:
        """One call in the name of the account; ``begin_before``: not begun later, whatever holds it
        up. Raises StoreUnavailable; nothing of what Amazon may do."""
        wait_s = self.cooking.patience_s if ready_to_wait_s is None else ready_to_wait_s
        try:
            answer = await self.calls.send(
                case.run.account_id,
                call.method,
                call.path,
                call.query,
                {"content-type": "application/json"} if call.body is not None else None,
                call.body,
                by=SYSTEM,
                ready_to_wait_s=wait_s,
                importance=case.importance,
                kind=kind,
                begin_before=begin_before,
            )
        except StoreUnavailable:
            raise
        except EvergrantError as error:
            return _of_error(error)
        return _of_answer(call, answer)

    async def pages(self, run_id: str, size: int) -> Sequence[Change]:
        """The first messages of a run that are not settled yet, whole ones."""
        async with self.store.transaction() as tx:
            return await tx.changes.of_run(run_id, limit=size)


def _of_error(error: EvergrantError) -> Heard:
    said = scrub(error.message)[:_LONGEST_WORDS]
    if isinstance(error, OverLimit):
        pause = timedelta(seconds=max(error.retry_after_s, 1.0))
        return Heard(how=How.LATER, said=said, pause=pause)
    if isinstance(error, Throttled):
        pause = timedelta(seconds=max(error.retry_after_s or 0.0, 60.0))
        return Heard(how=How.LATER, said=said, pause=pause)
    if isinstance(error, AmazonUnavailable):
        unsent = error.facts.get("sent") is False
        return Heard(how=How.NOT_SENT if unsent else How.LOST, said=said)
    if isinstance(error, (PartnerError, ApplicationError, CallDenied)):
        return Heard(how=How.NOT_SERVED, said=said, error=error)
    if isinstance(error, InvalidInput):
        return Heard(how=How.NOT_SENT, said=said, error=error)
    # Whatever else the gate refuses, it refuses before Amazon is asked.
    return Heard(how=How.NOT_SENT, said=said, pause=timedelta(minutes=5))


def _of_answer(call: ApiCall, answer: Answer) -> Heard:
    if 200 <= answer.status < 300:
        return Heard(how=How.ANSWER, answer=answer)
    said = scrub(str(said_in(answer)))[:_LONGEST_WORDS]
    if answer.status == 429:
        pause = _THROTTLED.get(f"{call.method} {call.path}", _THROTTLED_ELSE)
        if "/documents/" in call.path:
            pause = _THROTTLED_DOCUMENT
        return Heard(how=How.LATER, answer=answer, said=said, pause=pause)
    if answer.status in (401, 403):
        if is_token_trouble(answer):
            return Heard(how=How.NOT_SENT, answer=answer, said=said)
        return Heard(how=How.DENIED, answer=answer, said=said)
    if answer.status >= 500 or answer.status in (408, 425):
        return Heard(how=How.LOST, answer=answer, said=said)
    return Heard(how=How.ANSWER, answer=answer, said=said)


def sent_of(change: Change) -> Sent:
    return Sent(
        change_id=change.id,
        kind=change.kind,
        subject=change.subject,
        message_id=change.message_id,
        tries=change.tries,
        code=change.code,
    )


def post(path: str, body: Mapping[str, Any]) -> ApiCall:
    return ApiCall(method="POST", path=path, body=json.dumps(body).encode())


def told_by(heard: Heard) -> Mapping[str, Any]:
    """An answer's JSON object; empty where it is none."""
    told = json_of(heard.body)
    return told if isinstance(told, Mapping) else {}


def text_in(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""
