"""THE MOVERS. Whole books in and out: applications, credentials, instances, accounts, grants.

Answers for: reading what another integration's database exported, saying line by line what would
be done with it, doing that, and for writing our own books out. Does not answer for: what may be
registered (the rooms decide, as for everybody).

What exists is never overwritten. Each thing is added by the verb of its own room, so it is judged
and journalled as if a person had added it, and an import that broke off goes on when it is run
again: applications are recognised by Amazon's id, instances by their names, accounts by name,
region, application and selling partner.
"""

from __future__ import annotations

from evergrant import journal
from evergrant.accounts import Accounts
from evergrant.consent import Consent
from evergrant.intake import need_everywhere
from evergrant.moving.carrying import Carrier, Progress
from evergrant.moving.columns import unknown_columns
from evergrant.moving.exporting import Export, Exporter, Sealing, unsealed
from evergrant.moving.inventory import flaws_of_account, take_inventory
from evergrant.moving.planning import plan
from evergrant.moving.plans import Plan
from evergrant.moving.reading import read
from evergrant.moving.values import Books, Entry, Report, Step, Table, Thing
from evergrant.moving.wishes import wishes_of
from evergrant.moving.writing import report_text, write_file
from evergrant.ports import Clock, Keyring
from evergrant.ports.store import Store
from evergrant.registry import Registry
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller, Right
from evergrant.vault import Vault

__all__ = [
    "Books",
    "Entry",
    "Export",
    "Moving",
    "Progress",
    "Report",
    "Sealing",
    "Step",
    "Table",
    "Thing",
    "read",
    "report_text",
    "write_file",
]

#: What the journal's lines are about: nothing that has an id.
_SUBJECT = "books"


class Moving:
    """One per process. All verbs need MANAGE and the reach of everything; they raise NotAllowed,
    and StoreUnavailable where not a single line could be looked at.

    ``keyring``: opens the secrets of an export of ours that has them sealed. Without it such books
    are InvalidInput."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        registry: Registry,
        accounts: Accounts,
        consent: Consent,
        marketplaces: Marketplaces,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._registry = registry
        self._accounts = accounts
        self._consent = consent
        self._marketplaces = marketplaces

    async def look(
        self,
        books: Books,
        *,
        by: Caller,
        keep_aws: bool = False,
        again: bool = False,
        keyring: Keyring | None = None,
    ) -> Report:
        """What ``carry_out`` would do, line by line. Changes nothing and asks nobody; whether a
        refresh token still works shows only when it is tried. ``keep_aws`` keeps AWS keys that no
        queue is named for; ``again`` tries refresh tokens that Amazon refused in an earlier run."""
        need_everywhere(by, Right.MANAGE)
        planned = await self._planned(books, by, keep_aws, again, keyring)
        return _report(books, planned, None)

    async def carry_out(
        self,
        books: Books,
        *,
        by: Caller,
        keep_aws: bool = False,
        again: bool = False,
        keyring: Keyring | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Does it. Trouble with one line is told on that line and stops no other. Journal:
        ``books.imported`` with counts when there was anything to do, besides what every room
        writes about its own."""
        need_everywhere(by, Right.MANAGE)
        planned = await self._planned(books, by, keep_aws, again, keyring)
        carrier = Carrier(
            registry=self._registry,
            accounts=self._accounts,
            consent=self._consent,
            by=by,
            progress=progress,
        )
        entries = await carrier.carry(planned)
        report = _report(books, planned, entries)
        if all(one.outcome is None for one in entries):
            return report  # there was nothing to do
        async with self._store.transaction() as tx:
            await journal.write(
                tx,
                now=self._clock.now(),
                by=by,
                verb="books.imported",
                subject=_SUBJECT,
                counts={thing.value: found for thing, found in report.counts.items()},
                ours=books.ours,
            )
        return report

    async def export(self, *, by: Caller, sealing: Sealing | None = None) -> Export:
        """Our books as a document that ``read`` takes. Without ``sealing`` no secret is in it.
        Journal: ``books.exported`` with counts."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        exported = await Exporter(self._store, self._vault, sealing).export(now)
        async with self._store.transaction() as tx:
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="books.exported",
                subject=_SUBJECT,
                counts=exported.counts,
                sealed=exported.secrets,
            )
        return exported

    async def _planned(
        self, books: Books, by: Caller, keep_aws: bool, again: bool, keyring: Keyring | None
    ) -> Plan:
        now = self._clock.now()
        wishes = wishes_of(await unsealed(books, keyring), self._marketplaces)
        inventory = await take_inventory(self._store, self._vault, wishes, again=again)
        async with self._store.transaction() as tx:
            flaws = {
                wish.key: await flaws_of_account(tx, self._marketplaces, wish, by)
                for wish in wishes.accounts
            }
        return plan(
            wishes,
            inventory,
            flaws,
            now=now,
            lwa_url=self._marketplaces.lwa_url,
            receivers=self._registry.receivers,
            keep_aws=keep_aws or books.ours,
        )


def _report(books: Books, planned: Plan, entries: tuple[Entry, ...] | None) -> Report:
    return Report(
        carried_out=entries is not None,
        entries=tuple(one.entry for one in planned.planned) if entries is None else entries,
        notices=(*books.notices, *unknown_columns(books.rows)),
        skipped=books.skipped,
    )
