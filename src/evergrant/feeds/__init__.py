"""THE KITCHEN. Takes in changes, plans runs within the shared limits, and carries them to Amazon.

Answers for: holding its stations together: the hatch where changes come in (``intake``), the
letter box for files of them (``folder``), the book of what became of them (``ledger``), what goes
next and why something waits (``plans``), the steps of a run (``runs``), whose turn it is
(``work``), and how long anything is kept (``keeping``). Does not answer for: access tokens, permits
and repeats (the gate), orders (their own room), or for what a page or a command shows.

One change's way: ``intake.put`` judges it and stores it; ``work.tick`` finds the account due;
``work.work`` has ``plans.plan`` make runs of what may go; ``runs.go`` takes each one step by step,
writing each step down before the next act outside; Amazon's report is read line by line, and each
change ends as accepted, refused with Amazon's words, or goes back to wait.
"""

from __future__ import annotations

from evergrant.calls import Calls
from evergrant.feeds.folder import Folder
from evergrant.feeds.intake import Taking
from evergrant.feeds.keeping import Keeping
from evergrant.feeds.ledger import Ledger
from evergrant.feeds.planning import Planning
from evergrant.feeds.running import Running
from evergrant.feeds.signing import SignedOff
from evergrant.feeds.working import Working
from evergrant.limits import Limits
from evergrant.ports import Bell, Clock
from evergrant.ports.documents import Documents
from evergrant.ports.store import Store
from evergrant.rules.marketplaces import Marketplaces
from evergrant.settings import Cooking
from evergrant.vault import Vault

__all__ = ["Feeds"]


class Feeds:
    """One per process and event loop."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        calls: Calls,
        limits: Limits,
        documents: Documents,
        signed_off: SignedOff,
        bell: Bell,
        marketplaces: Marketplaces,
        cooking: Cooking,
    ) -> None:
        self.intake = Taking(
            store=store,
            clock=clock,
            vault=vault,
            bell=bell,
            marketplaces=marketplaces,
        )
        self.folder = Folder(
            store=store, clock=clock, taking=self.intake, folder=cooking.changes_folder
        )
        self.ledger = Ledger(store=store, clock=clock)
        self.plans = Planning(
            store=store,
            clock=clock,
            limits=limits,
            signed_off=signed_off,
            cooking=cooking,
        )
        self.runs = Running(
            store=store,
            clock=clock,
            vault=vault,
            calls=calls,
            documents=documents,
            bell=bell,
            marketplaces=marketplaces,
            cooking=cooking,
        )
        self.work = Working(
            store=store,
            clock=clock,
            bell=bell,
            plans=self.plans,
            runs=self.runs,
        )
        self.keeping = Keeping(store=store, clock=clock, cooking=cooking)
