"""A world in a file: loaded, exported, described.

Answers for: the file's form, all or nothing, references by name, distances such as "-3 days" in the
place of instants, and words that name the place of a fault. What is in a section is known by the
class that keeps it. What lives for minutes (codes, access tokens, sessions, open consents) is in no
file; neither are habits, limits, bad weather and the history.

    {"amazon_emulator": 1,
     "clock": "2026-11-21T10:00:00Z",
     "applications": [{"name": "Mine"}],
     "partners": [{"kind": "seller", "name": "Blue Heron Books"}],
     "grants": [{"partner": "Blue Heron Books", "granted_at": "-300 days"}]}
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from amazon_emulator import instants, strict_json, world_parts, world_pulls
from amazon_emulator.agenda import Agenda, Entry
from amazon_emulator.clock import read_instant, stamp
from amazon_emulator.limits import Limits
from amazon_emulator.models import Contract
from amazon_emulator.stage import Stage
from amazon_emulator.trade.delegations import Delegations
from amazon_emulator.trade.documents.documents import Documents
from amazon_emulator.trade.feeds.feeds import Feeds
from amazon_emulator.trade.listings.catalogue import Catalogue
from amazon_emulator.trade.orders.invoices import Invoices
from amazon_emulator.trade.orders.orders import Orders
from amazon_emulator.trade.queues.access import AwsAccess
from amazon_emulator.trade.queues.manners import Manners
from amazon_emulator.trade.queues.notices import Post
from amazon_emulator.trade.queues.queues import Queues
from amazon_emulator.trade.queues.rotation import Enrolments
from amazon_emulator.trade.queues.subscriptions import Subscriptions
from amazon_emulator.trade.reports.reports import Reports
from amazon_emulator.trade.vendors.direct import VendorDirect
from amazon_emulator.trade.vendors.invoices import VendorInvoices
from amazon_emulator.trade.vendors.retail import VendorRetail
from amazon_emulator.trade.vendors.scenarios import VendorScenarios
from amazon_emulator.trade.vendors.shipments import VendorShipments
from amazon_emulator.trade.vendors.transactions import VendorTransactions
from amazon_emulator.weather import Spell
from amazon_emulator.world import World
from amazon_emulator.world_parts import WrongWorld

__all__ = [
    "SECTIONS",
    "VERSION",
    "Kept",
    "describe",
    "export",
    "load",
    "load_file",
    "small",
]

VERSION = 1
PEOPLE = ("applications", "partners", "grants")


class Kept(Protocol):
    """What a section needs of the class that keeps it, besides being made without arguments.
    ``as_json`` may take ``credentials``."""

    def as_json(self) -> Any:
        """Plain JSON in a stable order."""

    def load(self, stage: Any, given: Any, /) -> None:
        """Raises ValueError that names the place."""


# In the order of loading: later ones may look at earlier ones.
SECTIONS: tuple[tuple[str, type[Any]], ...] = (
    ("documents", Documents),
    ("catalogue", Catalogue),
    ("orders", Orders),
    ("invoices", Invoices),
    ("feeds", Feeds),
    ("reports", Reports),
    ("aws", AwsAccess),
    ("queues", Queues),
    ("notifications", Subscriptions),
    ("rotation", Enrolments),
    ("delegations", Delegations),
    ("post", Post),
    ("manners", Manners),
    ("vendor_retail", VendorRetail),
    ("vendor_direct", VendorDirect),
    ("vendor_shipments", VendorShipments),
    ("vendor_invoices", VendorInvoices),
    ("vendor_scenarios", VendorScenarios),
    ("vendor_transactions", VendorTransactions),
)
# Settings of the emulator rather than of the world: another world does not change them.
STAYING: tuple[type, ...] = (Limits, Contract)
PARTNER_FIELDS = frozenset(
    {"partner", "partner_id", "selling_partner_id", "seller", "seller_id", "vendor"}
)
APPLICATION_FIELDS = frozenset({"application", "application_id"})
# Names of partners stand as keys at most so deep in a section: {"orders": {"Mill Lane": ...}}.
KEYS_DOWN_TO = 2


# --- writing --------------------------------------------------------------------------------------


def export(stage: Stage, *, credentials: bool = False) -> dict[str, Any]:
    """The world as JSON; refresh tokens, client secrets and passwords only when asked for. Without
    them loading makes new ones. Sections with nothing in them are left out."""
    world = stage.world
    whole: dict[str, Any] = {
        "amazon_emulator": VERSION,
        "clock": stamp(stage.clock.now()),
        "applications": world_parts.written_applications(world, credentials=credentials),
        "partners": world_parts.written_partners(world, credentials=credentials),
        "grants": world_parts.written_grants(world, credentials=credentials),
    }
    for name, kind in SECTIONS:
        written = _written(stage.of(kind), credentials=credentials)
        if written != _written(kind(), credentials=credentials):
            whole[name] = written
    return whole


def _written(part: Any, *, credentials: bool) -> Any:
    if "credentials" in inspect.signature(part.as_json).parameters:
        return part.as_json(credentials=credentials)
    return part.as_json()


# --- reading --------------------------------------------------------------------------------------


def load_file(stage: Stage, path: Path) -> None:
    """As `load`, from a file. Raises ValueError with words for a person."""
    try:
        given = strict_json.read(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    try:
        load(stage, given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def load(stage: Stage, given: Any, *, add: bool = False) -> None:
    """Puts this world in the place of what is there, or adds it; the clock is set only by the
    former. Adding to a section (orders, listings, ...) reads the whole of it anew.

    Raises ValueError, and changes nothing, when something in it is wrong."""
    file = _checked(given, add=add)
    with _all_or_nothing(stage, add=add):
        if not add and "clock" in file:
            _set_clock(stage, file["clock"])
        now = stage.clock.now()
        file = instants.made_absolute(file, now)
        world_parts.read_applications(stage.world, file.get("applications", []), now)
        world_parts.read_partners(stage.world, file.get("partners", []))
        world_parts.read_grants(stage.world, file.get("grants", []), now)
        for name, kind in SECTIONS:
            if name in file:
                section = _with_ids(file[name], stage.world, name)
                _load_section(stage, name, kind, section, add=add)
        world_pulls.pull(stage, _with_ids(file.get("pulls", []), stage.world, "pulls"))


def _checked(given: Any, *, add: bool) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise WrongWorld("a world is a JSON object")
    if given.get("amazon_emulator") != VERSION or given["amazon_emulator"] is True:
        raise ValueError(f"amazon_emulator: must be {VERSION}, the version of the file's form")
    known = ("amazon_emulator", "clock", *PEOPLE, *(name for name, _ in SECTIONS), "pulls")
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; a world has {', '.join(known)}")
    if add and "pulls" in given:
        raise ValueError("pulls: only a world that begins anew can have them (PUT /world)")
    return given


def _set_clock(stage: Stage, text: Any) -> None:
    if not isinstance(text, str):
        raise WrongWorld("clock: must be an ISO 8601 instant")
    try:
        stage.clock.set(
            instants.read(text, stage.clock.now())
            if instants.is_relative(text)
            else read_instant(text)
        )
    except ValueError as error:
        raise ValueError(f"clock: {error}") from None


def _load_section(stage: Stage, name: str, kind: type[Kept], given: Any, *, add: bool) -> None:
    if add:
        given = _merged(_written(stage.of(kind), credentials=True), given)
    fresh = kind()
    stage.parts[kind] = fresh
    try:
        fresh.load(stage, given)
    except (TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{name}: {type(error).__name__}: {error}") from error


def _merged(before: Any, given: Any) -> Any:
    """Lists one after the other, objects field by field; else what was given."""
    if isinstance(before, dict) and isinstance(given, dict):
        return {
            **before,
            **{
                name: _merged(before[name], one) if name in before else one
                for name, one in given.items()
            },
        }
    if isinstance(before, list) and isinstance(given, list):
        return [*before, *given]
    return given


# --- all or nothing -------------------------------------------------------------------------------


class _Noting(Agenda):
    """Writes into another agenda and remembers what it wrote."""

    def __init__(self, behind: Agenda) -> None:
        super().__init__()
        self.behind = behind
        self.written: list[Entry] = []

    def at(self, due_at: datetime, act: Callable[[datetime], None]) -> Entry:
        entry = self.behind.at(due_at, act)
        self.written.append(entry)
        return entry


@contextmanager
def _all_or_nothing(stage: Stage, *, add: bool) -> Iterator[None]:
    """Within, the stage has a world and parts of which nothing is left when something raises.

    The stage itself stays the same: what is put on the agenda holds on to it."""
    world, parts, agenda = stage.world, dict(stage.parts), stage.agenda
    offset = stage.clock.offset_seconds
    noting = _Noting(agenda if add else Agenda())
    stage.agenda = noting
    stage.world = _copied(world) if add else World()
    if not add:
        stage.parts.clear()
        stage.parts.update({kind: parts[kind] for kind in STAYING if kind in parts})
    try:
        yield
    except BaseException:
        for entry in noting.written:
            agenda.strike(entry)
        stage.world, stage.agenda = world, agenda
        stage.parts.clear()
        stage.parts.update(parts)
        stage.clock.advance(offset - stage.clock.offset_seconds)
        raise
    stage.agenda = noting.behind
    if not add:
        _keep_weather(stage)


def _keep_weather(stage: Stage) -> None:
    """Spells that end at an instant stood on the agenda of the world before."""
    for spell in stage.weather.spells:
        if spell.until is not None:
            stage.agenda.at(spell.until, partial(_lift, stage, spell))


def _lift(stage: Stage, spell: Spell, instant: datetime) -> None:
    stage.weather.lift(spell)


def _copied(world: World) -> World:
    """Another world of the same people and things: adding to it leaves the first as it is."""
    other = World()
    for name, value in vars(world).items():
        held = copy.copy(value)
        if isinstance(held, dict):
            held.update({key: [*one] for key, one in held.items() if isinstance(one, list)})
        setattr(other, name, held)
    return other


# --- names ----------------------------------------------------------------------------------------


def _with_ids(given: Any, world: World, place: str) -> Any:
    """The section with ids where a partner or an application is named."""
    partners = _ids((one.name, known_id) for known_id, one in world.partners.items())
    applications = _ids((one.name, known_id) for known_id, one in world.applications.items())

    def named(name: str, known: dict[str, str | None], where: str) -> str:
        found = known.get(name, name)
        if found is None:
            raise ValueError(f"{where}: several are called {name!r}; give the id")
        return found

    def walk(value: Any, where: str, depth: int) -> Any:
        if isinstance(value, list):
            return [walk(one, f"{where}[{number}]", depth) for number, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        changed = {}
        for name, one in value.items():
            key = named(name, partners, where) if depth <= KEYS_DOWN_TO else name
            inner = f"{where}.{name}"
            if isinstance(one, str) and name in PARTNER_FIELDS and one not in world.partners:
                changed[key] = named(one, partners, inner)
            elif isinstance(one, str) and name in APPLICATION_FIELDS:
                changed[key] = named(one, applications, inner)
            else:
                changed[key] = walk(one, inner, depth + 1)
        return changed

    return walk(given, place, 0)


def _ids(pairs: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    """Name -> id; None where several have the name."""
    found: dict[str, str | None] = {}
    for name, known_id in pairs:
        found[name] = None if name in found else known_id
    return found


# --- telling --------------------------------------------------------------------------------------


def describe(stage: Stage) -> dict[str, Any]:
    """Who is there, with everything that one signs in and calls with, credentials included."""
    world = stage.world
    return {
        "applications": [
            {
                "name": known.name,
                "application_id": known.application_id,
                "lwa_client_id": known.lwa_client_id,
                "lwa_client_secret": known.secrets[0].value if known.secrets else None,
                "status": known.status,
            }
            for known in world.applications.values()
        ],
        "partners": [
            {
                "kind": known.kind,
                "name": known.name,
                "selling_partner_id": known.selling_partner_id,
                "email": known.email,
                "password": known.password,
                "vendor_codes": list(known.vendor_codes),
                "marketplaces": [
                    row.marketplace.country_code
                    for row in known.participations
                    if row.marketplace.region is not None
                ],
            }
            for known in world.partners.values()
        ],
        "grants": [
            {
                "partner": known.partner.name,
                "application": known.application.name,
                "region": known.region,
                "refresh_token": known.refresh_token,
            }
            for known in world.grants.values()
        ],
    }


def small() -> Path:
    """A lively little world to begin with, as a file of the package."""
    return Path(__file__).parent / "worlds" / "small.json"
