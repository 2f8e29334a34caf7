"""Carries a plan out, each thing by the verb of the room that it belongs to.

Answers for: the order, what follows from a failure for the lines behind it, and for stopping to ask
Amazon when Amazon does not answer. Nothing is ever half written: every verb is one commit, and what
broke off goes on with the next import. Does not answer for: what is done (``planning``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from evergrant.accounts import Accounts
from evergrant.consent import Consent
from evergrant.errors import (
    AmazonError,
    ApplicationError,
    EvergrantError,
    GrantRefused,
    StoreUnavailable,
)
from evergrant.moving.plans import (
    Act,
    AddAccount,
    AddApplication,
    AddInstance,
    Adopt,
    CloseAccount,
    Plan,
    Planned,
    RestoreSigningSecret,
    SetCredentials,
)
from evergrant.moving.values import Entry, Outcome
from evergrant.registry import Registry
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import scrub

__all__ = ["Carrier", "Progress"]

#: Told after every line that something was done for: (lines done, lines to do).
Progress = Callable[[int, int], None]

#: Refresh tokens that are tried at the same time: each waits for Amazon, and each holds connections
#: to the database meanwhile.
AT_ONCE = 4
#: After so many lines in a row without an answer the rest is left for the next import.
MOST_SILENCES = 5


class _Missing(Exception):
    """What the line builds on did not come to be."""


@dataclass(slots=True, kw_only=True)
class Carrier:
    """For one import."""

    registry: Registry
    accounts: Accounts
    consent: Consent
    by: Caller
    progress: Progress | None = None
    _ids: dict[str, str] = field(default_factory=dict)
    _dead: dict[str, str] = field(default_factory=dict)  # applications that Amazon refused
    _silences: int = 0
    _done: int = 0
    _to_do: int = 0

    async def carry(self, plan: Plan) -> tuple[Entry, ...]:
        self._ids = dict(plan.known)
        self._to_do = sum(one.act is not None for one in plan.planned)
        entries = [one.entry for one in plan.planned]
        adoptions = []
        for place, planned in enumerate(plan.planned):
            if isinstance(planned.act, Adopt):
                adoptions.append(place)
            elif planned.act is not None:
                entries[place] = await self._settled(planned, planned.act)
        await self._adopt_all(plan.planned, adoptions, entries)
        return tuple(entries)

    async def _adopt_all(
        self, planned: Sequence[Planned], places: Sequence[int], entries: list[Entry]
    ) -> None:
        rest = iter(places)

        async def work() -> None:
            for place in rest:
                one = planned[place]
                assert one.act is not None, "only adoptions come here"
                entries[place] = await self._settled(one, one.act)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())

    async def _settled(self, planned: Planned, act: Act) -> Entry:
        """The line as it ended."""
        try:
            said = await self._do(act)
        except _Missing:
            entry = self._ended(planned, Outcome.FAILED, "What it builds on is missing.")
        except GrantRefused as refused:
            why = (
                f"Amazon does not accept the refresh token ({refused.reason}). The account waits "
                "for consent; send a link: evergrant account invite."
            )
            entry = self._ended(planned, Outcome.FAILED, why)
            self._silences = 0
        except (AmazonError, StoreUnavailable) as error:
            self._silences += 1
            entry = self._ended(planned, Outcome.AGAIN, error.message)
        except ApplicationError as error:
            if isinstance(act, Adopt):
                self._dead[act.application] = error.message
            entry = self._ended(planned, Outcome.AGAIN, f"{error.message} {error.hint or ''}")
        except EvergrantError as error:
            entry = self._ended(planned, Outcome.FAILED, f"{error.message} {error.hint or ''}")
        else:
            outcome = Outcome.AGAIN if said else Outcome.DONE
            entry = self._ended(planned, outcome, said or planned.entry.why)
        self._done += 1
        if self.progress is not None:
            self.progress(self._done, self._to_do)
        return entry

    def _ended(self, planned: Planned, outcome: Outcome, why: str) -> Entry:
        clean = planned.wish.clean if planned.wish is not None else scrub
        return replace(planned.entry, outcome=outcome, why=clean(why.strip()))

    def _id(self, key: str) -> str:
        if key not in self._ids and "/" in key:
            raise _Missing
        return self._ids.get(key, key)

    async def _do(self, act: Act) -> str:
        """Why it was not tried at all, else ""."""
        match act:
            case AddInstance():
                added = await self.registry.add_instance(
                    act.new, by=self.by, signing_secret=act.signing_secret
                )
                self._ids[act.key] = added.instance.id
            case RestoreSigningSecret():
                of = self._id(act.instance)
                await self.registry.restore_signing_secret(of, act.signing_secret, by=self.by)
            case AddApplication():
                application = await self.registry.add_application(act.new, by=self.by)
                self._ids[act.key] = application.id
            case SetCredentials():
                of = self._id(act.application)
                await self.registry.set_credentials(of, act.given, by=self.by)
            case AddAccount():
                await self._add_account(act)
            case CloseAccount():
                await self.accounts.close(act.account, by=self.by)
            case Adopt():
                return await self._adopt(act)
            case _:
                assert_never(act)
        return ""

    async def _add_account(self, act: AddAccount) -> None:
        new = replace(
            act.new,
            application_id=self._id(act.application),
            client_instance_id=self._id(act.instance),
        )
        account = await self.accounts.add(new, by=self.by)
        self._ids[act.key] = account.id
        if act.closed:
            await self.accounts.close(account.id, by=self.by)

    async def _adopt(self, act: Adopt) -> str:
        account_id = self._id(act.account)
        if act.application in self._dead:
            return f"Not tried: {self._dead[act.application]}"
        if self._silences >= MOST_SILENCES:
            return "Not tried: there was no answer to the lines before it."
        await self.consent.adopt(
            account_id,
            act.refresh_token,
            by=self.by,
            selling_partner_id=act.selling_partner_id,
            granted_at=act.granted_at,
            # Calls of the Selling Partner API would make an import of thousands last for hours.
            look=False,
        )
        self._silences = 0
        return ""
