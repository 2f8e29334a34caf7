"""The pytest plug-in, in runs of its own."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "amazon_emulator.pytest_plugin"
STRICT = ("--strict-markers", "--strict-config", "-W", "error")

# What the suites in here share: a program that signs in and calls.
CONFTEST = """
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest


def ask(request):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


class Program:
    def __init__(self, amazon, application, refresh_token):
        self.amazon, self.application, self.refresh_token = amazon, application, refresh_token

    def access_token(self):
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token,
            "client_id": self.application["lwa_client_id"],
            "client_secret": self.application["lwa_client_secret"],
        }
        url = self.amazon.addresses["lwa"] + "/auth/o2/token"
        return ask(urllib.request.Request(url, urllib.parse.urlencode(form).encode()))[1][
            "access_token"
        ]

    def call(self, path, token, region="eu"):
        url = self.amazon.addresses[region] + path
        return ask(urllib.request.Request(url, headers={"x-amz-access-token": token}))


@pytest.fixture
def program(amazon_emulator):
    application = amazon_emulator.levers.application()
    seller = amazon_emulator.levers.partner("seller", home="DE")
    grant = amazon_emulator.levers.grant(
        seller["selling_partner_id"], application["application_id"]
    )
    return Program(amazon_emulator, application, grant["refresh_token"])
"""

EACH_AS_GOOD_AS_NEW = """
import threading

SEEN = []

def emulators():
    return [one for one in threading.enumerate() if one.name == "amazon-emulator"]

def test_nothing_runs_before_it_is_asked_for():
    assert emulators() == []

def test_first(amazon_emulator, program):
    SEEN.append(amazon_emulator)
    token = program.access_token()
    assert program.call("/sellers/v1/account", token)[0] == 200
    assert amazon_emulator.levers.count(operation="getAccount") == 1
    assert amazon_emulator.levers.pull("GET", "/habits")["gentle"] is True
    amazon_emulator.levers.fail_lwa("503")
    amazon_emulator.levers.advance(100_000)

def test_second(amazon_emulator):
    assert amazon_emulator is SEEN[0]
    levers = amazon_emulator.levers
    assert levers.pull("GET", "/world/partners")["items"] == []
    assert levers.pull("GET", "/weather")["items"] == []
    assert levers.pull("GET", "/clock")["offset_seconds"] == 0
    assert levers.count() == 0
    assert len(emulators()) == 1

def test_the_session_has_the_same(amazon_emulator_session):
    assert amazon_emulator_session is SEEN[0]
"""

DRESSED_BY_MARKERS = """
import pytest

pytestmark = pytest.mark.amazon_emulator(gentle=False, clock="2031-05-17T12:00:00Z")

def test_of_the_module(amazon_emulator):
    habits = amazon_emulator.levers.pull("GET", "/habits")
    assert (habits["gentle"], habits["login_leg"]) == (False, "alternate")
    assert amazon_emulator.levers.now().year == 2031
    assert amazon_emulator.levers.pull("GET", "/limits")["enforced"] is True

@pytest.mark.amazon_emulator(gentle=True, limits=False, world="world.json")
def test_its_own_goes_first(amazon_emulator):
    assert amazon_emulator.levers.pull("GET", "/habits")["gentle"] is True
    assert amazon_emulator.levers.now().year == 2031
    assert amazon_emulator.levers.pull("GET", "/limits")["enforced"] is False
    [vendor] = amazon_emulator.levers.pull("GET", "/world/partners")["items"]
    assert vendor["name"] == "Mill Lane Hardware"

@pytest.mark.amazon_emulator(limits=False)
def test_without_limits(program):
    token = program.access_token()
    for _ in range(40):
        assert program.call("/sellers/v1/account", token)[0] == 200

def test_with_limits(program):
    token = program.access_token()
    statuses = [program.call("/sellers/v1/account", token)[0] for _ in range(40)]
    assert 429 in statuses
"""

WRONG_WISHES = """
import pytest

@pytest.mark.amazon_emulator(gentel=False)
def test_misspelt(amazon_emulator): ...

@pytest.mark.amazon_emulator("world.json")
def test_without_a_name(amazon_emulator): ...

@pytest.mark.amazon_emulator(contract="maybe")
def test_contract(amazon_emulator): ...

@pytest.mark.amazon_emulator(limits=1)
def test_limits(amazon_emulator): ...

@pytest.mark.amazon_emulator(contract="report")
def test_no_models(amazon_emulator): ...

@pytest.mark.amazon_emulator(world="nowhere.json")
def test_no_world(amazon_emulator): ...

@pytest.mark.amazon_emulator(clock="yesterday")
def test_no_clock(amazon_emulator): ...
"""

# What it leaves behind, the next one would find.
ONE_FAILS = """
def test_fails(amazon_emulator):
    amazon_emulator.levers.fail_lwa("hang")
    raise AssertionError("on purpose")

def test_goes_on(amazon_emulator, program):
    assert program.access_token()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a suite. Only the plug-in under test is loaded, and by its module's name, so
    that it does not matter whether it is installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("AMAZON_EMULATOR_MODELS", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(CONFTEST)
    return pytester


def run(suite: pytest.Pytester, *more: str) -> pytest.RunResult:
    return suite.runpytest_subprocess(*STRICT, "-p", "no:cacheprovider", "-p", PLUGIN, *more)


def run_here(suite: pytest.Pytester) -> pytest.RunResult:
    """In this process, in which an emulator may be running already."""
    return suite.runpytest_inprocess(*STRICT, "-p", "no:cacheprovider", "-p", PLUGIN)


def test_it_is_found_by_pytest() -> None:
    [found] = entry_points(group="pytest11", name="amazon_emulator")
    assert found.value == PLUGIN


def test_suites_with_an_emulator_in_one_run(suite: pytest.Pytester) -> None:
    """Each test has one as good as new; markers dress it; wrong wishes are told; a failing test
    leaves nothing behind."""
    world = {
        "amazon_emulator": 1,
        "applications": [{"name": "Mine"}],
        "partners": [{"kind": "vendor", "name": "Mill Lane Hardware"}],
    }
    (suite.path / "world.json").write_text(json.dumps(world))
    suite.makepyfile(
        test_1=EACH_AS_GOOD_AS_NEW,
        test_2=DRESSED_BY_MARKERS,
        test_3=WRONG_WISHES,
        test_4=ONE_FAILS,
    )
    result = run(suite, "-v")
    result.assert_outcomes(passed=9, failed=1, errors=7)
    result.stdout.fnmatch_lines(
        ["test_4.py::test_fails FAILED*", "test_4.py::test_goes_on PASSED*"]
    )
    result.stdout.fnmatch_lines_random(
        [
            "*test_misspelt: the marker amazon_emulator takes gentle, limits, contract, world, *",
            "*test_without_a_name: the marker amazon_emulator takes gentle, *",
            "*test_contract: amazon_emulator(contract=...) is one of off, report, refuse*",
            "*test_limits: amazon_emulator(limits=...) is true or false*",
            "*the contract needs Amazon's models: name their folder with amazon_emulator_models*",
            "*nowhere.json: *No such file*",
            "*'yesterday' is not an ISO 8601 instant*",
        ]
    )


def test_who_does_not_use_it_pays_nothing(suite: pytest.Pytester) -> None:
    suite.makeconftest("")
    suite.makepyfile(
        """
        import sys
        import threading

        def test_nothing_is_there():
            assert [one.name for one in threading.enumerate()] == ["MainThread"]
            heavy = {"starlette", "uvicorn", "jinja2", "asyncio", "amazon_emulator.server"}
            assert not heavy & set(sys.modules)
        """
    )
    run(suite).assert_outcomes(passed=1)


def test_the_ini_file_dresses_all(suite: pytest.Pytester) -> None:
    (suite.path / "worlds").mkdir()
    world = {"amazon_emulator": 1, "partners": [{"kind": "seller", "name": "Blue Heron Books"}]}
    (suite.path / "worlds" / "mine.json").write_text(json.dumps(world))
    suite.makeini(
        """
        [pytest]
        amazon_emulator_gentle = false
        amazon_emulator_limits = false
        amazon_emulator_world = worlds/mine.json
        """
    )
    suite.makepyfile(
        """
        import pytest

        def test_as_the_ini_says(amazon_emulator):
            assert amazon_emulator.levers.pull("GET", "/habits")["gentle"] is False
            assert amazon_emulator.levers.pull("GET", "/limits")["enforced"] is False
            [seller] = amazon_emulator.levers.pull("GET", "/world/partners")["items"]
            assert seller["name"] == "Blue Heron Books"

        @pytest.mark.amazon_emulator(gentle=True, limits=True, world=None)
        def test_the_marker_goes_first(amazon_emulator):
            assert amazon_emulator.levers.pull("GET", "/habits")["login_leg"] == "unlinked"
            assert amazon_emulator.levers.pull("GET", "/limits")["enforced"] is True
            assert amazon_emulator.levers.pull("GET", "/world/partners")["items"] == []
        """
    )
    run_here(suite).assert_outcomes(passed=2)


def test_a_wrong_ini_file_is_told(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\namazon_emulator_contract = maybe\n")
    result = run_here(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*amazon_emulator_contract must be one of off, report, refuse*"])


# --- with Amazon's models -------------------------------------------------------------------------

# Of our own, in the form of Amazon's: one operation of the Sellers API whose model is strict.
MODEL = {
    "swagger": "2.0",
    "info": {"title": "Ours", "version": "v1"},
    "host": "sellingpartnerapi-na.amazon.com",
    "paths": {
        "/sellers/v1/account": {
            "get": {
                "operationId": "getAccount",
                "parameters": [
                    {"name": "colour", "in": "query", "required": True, "type": "string"}
                ],
                "responses": {"200": {"description": "ok", "schema": {"type": "object"}}},
            }
        }
    },
}
BREAKS_IT = """
    import pytest

    def test_breaks_the_model(program):
        token = program.access_token()
        assert program.call("/sellers/v1/account", token)[0] == 200
        assert program.call("/sellers/v1/account?colour=red", token)[0] == 200

    @pytest.mark.amazon_emulator(contract="refuse")
    def test_is_refused(program):
        token = program.access_token()
        assert program.call("/sellers/v1/account", token)[0] == 400

    @pytest.mark.amazon_emulator(contract="off")
    def test_does_not_care(program):
        assert program.call("/sellers/v1/account", program.access_token())[0] == 200
    """


@pytest.fixture
def with_models(suite: pytest.Pytester) -> Path:
    folder = suite.path / "models"
    folder.mkdir()
    (folder / "ours.json").write_text(json.dumps(MODEL))
    suite.makeini(
        """
        [pytest]
        amazon_emulator_models = models
        amazon_emulator_contract = report
        """
    )
    suite.makepyfile(BREAKS_IT)
    return folder


@pytest.mark.usefixtures("with_models")
def test_breaches_are_told_at_the_end(suite: pytest.Pytester) -> None:
    result = run_here(suite)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*calls that break Amazon's models*", "getAccount: *colour*(2x)"])


@pytest.mark.usefixtures("with_models")
def test_workers_have_one_each_and_tell_together(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_more="""
        import os

        def test_more(program):
            assert os.environ["PYTEST_XDIST_WORKER"]
            token = program.access_token()
            assert program.call("/sellers/v1/account", token)[0] == 200
            assert program.amazon.levers.count(operation="getAccount") == 1
        """
    )
    result = run(suite, "-p", "xdist.plugin", "-n", "2", "--dist", "loadfile")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*calls that break Amazon's models*", "getAccount: *colour*(3x)"])


@pytest.mark.usefixtures("with_models")
def test_models_can_come_by_the_environment(
    suite: pytest.Pytester, with_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makeini("[pytest]\n")
    suite.makepyfile(
        """
        def test_models(amazon_emulator):
            assert len(amazon_emulator.stage.models.models) == 1
            assert amazon_emulator.levers.pull("GET", "/contract")["mode"] == "off"
        """
    )
    monkeypatch.setenv("AMAZON_EMULATOR_MODELS", str(with_models))
    run_here(suite).assert_outcomes(passed=1)
