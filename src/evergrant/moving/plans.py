"""What a plan is made of: lines with the acts behind them, and the ground that they are planned on.

Answers for: these values, references between rows, and words that lines have in common. Does not
answer for: deciding (``planning``, ``planning_accounts``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from evergrant.accounts import NewAccount
from evergrant.errors import Flaw
from evergrant.moving.inventory import Inventory
from evergrant.moving.values import Entry, Step, Thing
from evergrant.moving.wishes import Wish
from evergrant.ports.things import Application
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.secrecy import Secret

__all__ = [
    "Act",
    "AddAccount",
    "AddApplication",
    "AddInstance",
    "Adopt",
    "CloseAccount",
    "Ground",
    "Plan",
    "Planned",
    "RestoreSigningSecret",
    "SetCredentials",
    "entry",
    "sentences",
]


# In all acts, what exists is named by its id, and what this import adds by the key of its wish.


@dataclass(frozen=True, slots=True)
class AddInstance:
    key: str
    new: NewInstance
    signing_secret: Secret | None


@dataclass(frozen=True, slots=True)
class RestoreSigningSecret:
    instance: str
    signing_secret: Secret


@dataclass(frozen=True, slots=True)
class AddApplication:
    key: str
    new: NewApplication


@dataclass(frozen=True, slots=True)
class SetCredentials:
    application: str
    given: Credentials


@dataclass(frozen=True, slots=True)
class AddAccount:
    key: str
    application: str
    instance: str
    new: NewAccount
    closed: bool


@dataclass(frozen=True, slots=True)
class CloseAccount:
    account: str


@dataclass(frozen=True, slots=True)
class Adopt:
    account: str
    application: str
    refresh_token: Secret
    selling_partner_id: str
    granted_at: datetime | None


Act = (
    AddInstance
    | RestoreSigningSecret
    | AddApplication
    | SetCredentials
    | AddAccount
    | CloseAccount
    | Adopt
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One line. Without an act nothing is done on it."""

    entry: Entry
    act: Act | None = None
    wish: Wish | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``known``: ids of what exists, by the names that acts have for it."""

    planned: tuple[Planned, ...]
    known: Mapping[str, str]


class References:
    """What rows call a thing: its old id, its name, its id at Amazon."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    def note(self, key: str, *names: str) -> None:
        """Whoever came first under a name keeps it."""
        for name in names:
            if name:
                self._keys.setdefault(name, key)

    def find(self, name: str) -> str | None:
        return self._keys.get(name) or self._keys.get(name.strip())

    @property
    def only(self) -> str | None:
        """The one thing that there is, if there is one."""
        keys = set(self._keys.values())
        return next(iter(keys)) if len(keys) == 1 else None


@dataclass(slots=True, kw_only=True)
class Ground:
    """What has been planned so far. ``refused``: applications that will not be there."""

    inventory: Inventory
    now: datetime
    known: dict[str, str] = field(default_factory=dict)
    instances: References = field(default_factory=References)
    applications: References = field(default_factory=References)
    refused: References = field(default_factory=References)
    names: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, ApplicationKind] = field(default_factory=dict)
    serves: dict[str, frozenset[PartnerKind]] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)  # applications that have a client secret
    _old_ids: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ready |= {one.id for one in self.inventory.credentials.values() if one.secret_set}

    def note_application(self, key: str, it: Application | NewApplication, *names: str) -> None:
        self.applications.note(key, *names)
        self.names[key] = it.name
        self.kinds[key] = ApplicationKind(it.kind)
        self.serves[key] = frozenset(PartnerKind(kind) for kind in it.partner_kinds)

    def unusable(self, wish: Wish, references: References | None = None) -> str:
        """Why the row cannot be used at all; "" when it can."""
        if wish.faults:
            return " ".join(wish.faults)
        name = wish.row.table.value, wish.old_id
        if wish.old_id and name in self._old_ids:
            return "Another row has the same id."
        self._old_ids.add(name)
        return ""

    def why_no_application(self, name: str) -> str:
        if not name:
            return "It does not say to which application it belongs."
        if self.refused.find(name):
            return "Its application is refused."
        return "Its application is neither in these tables nor here."


def entry(wish: Wish, thing: Thing, name: str, step: Step, why: str = "") -> Entry:
    """A line, cleaned of secrets."""
    return Entry(
        table=wish.row.table,
        line=wish.row.line,
        number=wish.row.number,
        thing=thing,
        name=wish.clean(name)[:200],
        step=step,
        why=wish.clean(why),
        notices=tuple(wish.clean(one) for one in wish.notices),
        questions=tuple(wish.clean(one) for one in wish.questions),
    )


def sentences(flaws: Iterable[Flaw]) -> str:
    """What is wrong, and what to do, as one line."""
    told = []
    for flaw in flaws:
        told.append(f"{flaw.field}: {flaw.message}" if flaw.field else flaw.message)
        if flaw.hint:
            told.append(flaw.hint)
    return " ".join(told)
