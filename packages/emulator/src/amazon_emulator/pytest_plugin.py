"""The pytest plug-in: the fixture `amazon_emulator`.

    def test_we_survive_a_bad_minute(amazon_emulator):
        amazon_emulator.levers.fail_spapi("503", times=3)
        ...
        assert amazon_emulator.levers.count(operation="createFeed") == 1

Answers for: one emulator per run (per worker with xdist), started when the first test asks for it,
as good as new for every test, dressed as the test's marker says; and for a word at the end of the
run about calls that broke Amazon's models, where that is wished. A suite that does not ask for the
fixture pays nothing: no thread, and nothing is imported but this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from amazon_emulator.server import Emulator

__all__ = [
    "Wishes",
    "amazon_emulator",
    "amazon_emulator_session",
    "pytest_addoption",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "wishes_of",
]

MARKER = "amazon_emulator"
CONTRACTS = ("off", "report", "refuse")
BREACHES = pytest.StashKey[Counter[tuple[str, str]]]()
TOLD_BY_WORKERS = "amazon_emulator_breaches"
SHOWN_AT_MOST = 50
# How the emulator behaves where Amazon is seen to behave in several ways: see its `Habits`.
GENTLE = {"gentle": True, "login_leg": "unlinked", "amazon_state": "plain"}
NOT_GENTLE = {"gentle": False, "login_leg": "alternate", "amazon_state": "utf8"}


@dataclass(frozen=True)
class Wishes:
    """What one test wants: settings of the suite, overruled by the nearest markers."""

    gentle: bool
    limits: bool
    contract: str
    world: Path | None = None
    clock: str | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "amazon_emulator_models",
        "folder of Amazon's models, relative to the ini file; default: AMAZON_EMULATOR_MODELS, "
        "else none, which starts faster",
        default="",
    )
    parser.addini(
        "amazon_emulator_gentle",
        "the plain reading of Amazon's pages (default true); false varies what Amazon varies",
        type="bool",
        default=True,
    )
    parser.addini(
        "amazon_emulator_limits",
        "whether Amazon's usage plans are enforced (default true)",
        type="bool",
        default=True,
    )
    parser.addini(
        "amazon_emulator_contract",
        "calls that break Amazon's models: off (default), report (told at the end of the run) or "
        "refuse (answered with 400, and told)",
        default="off",
    )
    parser.addini(
        "amazon_emulator_world",
        "world file that every test begins with, relative to the ini file",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(gentle=, limits=, contract=, world=, clock=): how the fixture amazon_emulator "
        "is for this test: gentle and limits true or false, contract off, report or refuse, world "
        "a file beside the test, clock an ISO 8601 instant",
    )
    config.stash[BREACHES] = Counter()
    if str(config.getini("amazon_emulator_contract")) not in CONTRACTS:
        raise pytest.UsageError(f"amazon_emulator_contract must be one of {', '.join(CONTRACTS)}")


# --- fixtures -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def amazon_emulator_session(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """The emulator of the whole run (of this worker), with whatever earlier tests left in it: for
    what is built once. It is reset by every test that uses `amazon_emulator`."""
    from amazon_emulator.server import Emulator

    config = request.config
    with Emulator(
        gentle=bool(config.getini("amazon_emulator_gentle")),
        models=_models(config),
        limits=bool(config.getini("amazon_emulator_limits")),
    ) as running:
        yield running


@pytest.fixture
def amazon_emulator(
    request: pytest.FixtureRequest, amazon_emulator_session: Emulator
) -> Iterator[Emulator]:
    """Amazon in a box as freshly started, and as the marker `amazon_emulator` wants it: `addresses`
    for the program under test, `levers` for the test."""
    wishes = wishes_of(request.node)
    _dress(amazon_emulator_session, wishes)
    yield amazon_emulator_session
    if wishes.contract != "off":
        _gather(request.config, amazon_emulator_session)
    # Hanging requests end with the test that made them hang.
    amazon_emulator_session.levers.clear()


def wishes_of(node: pytest.Item | Any) -> Wishes:
    """Raises pytest.UsageError for a marker that says what nobody understands."""
    config = node.config
    world = str(config.getini("amazon_emulator_world"))
    wished: dict[str, Any] = {
        "gentle": bool(config.getini("amazon_emulator_gentle")),
        "limits": bool(config.getini("amazon_emulator_limits")),
        "contract": str(config.getini("amazon_emulator_contract")),
        "world": _beside_ini(config, world) if world else None,
        "clock": None,
    }
    # The farthest first: the module's, the class's, the test's own.
    for mark in reversed(list(node.iter_markers(MARKER))):
        unknown = sorted(set(mark.kwargs) - set(wished))
        if mark.args or unknown:
            raise pytest.UsageError(
                f"{node.nodeid}: the marker {MARKER} takes {', '.join(wished)}, each by its name"
            )
        wished |= mark.kwargs
    for name in ("gentle", "limits"):
        if not isinstance(wished[name], bool):
            raise pytest.UsageError(f"{node.nodeid}: {MARKER}({name}=...) is true or false")
    if wished["contract"] not in CONTRACTS:
        raise pytest.UsageError(
            f"{node.nodeid}: {MARKER}(contract=...) is one of {', '.join(CONTRACTS)}"
        )
    if wished["world"] is not None:
        wished["world"] = node.path.parent / wished["world"]
    return Wishes(**wished)


def _dress(emulator: Emulator, wishes: Wishes) -> None:
    levers = emulator.levers
    levers.reset()
    habits = GENTLE if wishes.gentle else NOT_GENTLE
    if wishes.gentle is not emulator.stage.gentle:
        levers.habits(**habits)
    if wishes.limits is not emulator.stage.limits_enforced:
        levers.limits(enforced=wishes.limits)
    if wishes.contract != "off":
        if not emulator.stage.models.models:
            raise pytest.UsageError(
                "the contract needs Amazon's models: name their folder with amazon_emulator_models "
                "in the ini file, or with AMAZON_EMULATOR_MODELS"
            )
        levers.contract(wishes.contract)
    if wishes.clock is not None:
        levers.pull("POST", "/clock", {"now": wishes.clock})
    if wishes.world is not None:
        levers.load_world(wishes.world)


def _models(config: pytest.Config) -> Any:
    """Of the ini file, else of the environment; nobody looks around, as reading takes seconds."""
    import os

    from amazon_emulator.models import find_folder

    named = str(config.getini("amazon_emulator_models"))
    given = _beside_ini(config, named) if named else None
    return find_folder(given, os.environ, [])


def _beside_ini(config: pytest.Config, name: str) -> Path:
    return (config.inipath.parent if config.inipath else config.rootpath) / name


# --- breaches of the contract ---------------------------------------------------------------------


def _gather(config: pytest.Config, emulator: Emulator) -> None:
    """Requests only: an answer of the emulator that breaks a model is not the suite's fault."""
    told = emulator.levers.pull("GET", "/contract", side="request", limit=1_000)
    for breach in told["breaches"]:
        for fault in breach["faults"]:
            line = (breach["operation"], f"{fault['where']}: {fault['what']}")
            config.stash[BREACHES][line] += 1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist hands on what it found."""
    found = session.config.stash.get(BREACHES, None)
    output = getattr(session.config, "workeroutput", None)
    if found and output is not None:
        output[TOLD_BY_WORKERS] = [[*line, times] for line, times in found.items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """xdist: a worker is done."""
    for operation, words, times in getattr(node, "workeroutput", {}).get(TOLD_BY_WORKERS, ()):
        node.config.stash[BREACHES][operation, words] += times


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    found = config.stash.get(BREACHES, None)
    if not found:
        return
    terminalreporter.section("calls that break Amazon's models")
    for (operation, words), times in sorted(found.items())[:SHOWN_AT_MOST]:
        terminalreporter.write_line(f"{operation}: {words}  ({times}x)")
    if len(found) > SHOWN_AT_MOST:
        terminalreporter.write_line(f"... and {len(found) - SHOWN_AT_MOST} more")
