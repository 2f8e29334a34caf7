"""Amazon's limits are spent by nobody behind our back: who may hold the SellingPartnerApi."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "evergrant"

#: Who calls a verb of the port; each draws a permit before. Another place: give it one (`Calls`
#: above the gate, `consent.ground.Permitted` below it), and a test; then name it here.
CALLERS = {
    "calls/__init__.py": {"send"},
    "consent/looks.py": {"participations", "probe_vendor"},
    "tokens/restricted.py": {"restricted_data_token"},
}
#: Who hands it on and calls nothing.
HANDS_ON = {"consent/__init__.py", "consent/ground.py", "furnishing.py", "tokens/__init__.py"}
#: What it is, what puts it into its socket, and the fakes.
MADE_IN = ("ports/", "adapters/amazon/", "testing/", "wiring.py")
VERBS = {"participations", "probe_vendor", "restricted_data_token", "send"}


#: Who says none of these neither holds the port nor calls a verb of it. Of ``send`` it is said
#: that it is the port's, as others send too.
WORDS = {"SellingPartnerApi", "selling_partner_api"} | VERBS - {"send"}


@functools.cache
def modules() -> dict[str, ast.Module]:
    """All that could be meant, read."""
    found = {path.relative_to(SOURCE).as_posix(): path for path in SOURCE.rglob("*.py")}
    texts = {name: path.read_text() for name, path in found.items()}
    return {
        name: ast.parse(text)
        for name, text in texts.items()
        if not name.startswith(MADE_IN) and any(word in text for word in WORDS)
    }


def holds(tree: ast.Module, names: set[str]) -> bool:
    """By whatever it is called: the class, an attribute, an argument, a variable."""
    for node in ast.walk(tree):
        spoken = (
            getattr(node, "id", None),
            getattr(node, "attr", None),
            getattr(node, "arg", None),
            *(alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)),
        )
        if names.intersection(one.lstrip("_") for one in spoken if isinstance(one, str)):
            return True
    return False


def verbs_called(tree: ast.Module) -> set[str]:
    return {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in VERBS - {"send"}
    } | {
        "send"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "send"
        and holds(ast.Module([ast.Expr(node.value)], []), {"selling_partner_api"})
    }


def test_nobody_else_holds_the_selling_partner_api() -> None:
    wanted = {"SellingPartnerApi", "HttpSellingPartnerApi", "selling_partner_api"}
    holders = {name for name, tree in modules().items() if holds(tree, wanted)}
    assert holders == set(CALLERS) | HANDS_ON


def test_nobody_else_calls_it() -> None:
    called = {name: verbs_called(tree) for name, tree in modules().items()}
    assert {name: verbs for name, verbs in called.items() if verbs} == CALLERS


@pytest.mark.parametrize(
    "line",
    [
        "await self._ground.selling_partner_api.participations(endpoint, token)",
        "from evergrant.ports.amazon import SellingPartnerApi",
        "def look(selling_partner_api): ...",
        "api = desk.selling_partner_api",
    ],
)
def test_a_new_place_is_seen(line: str) -> None:
    tree = ast.parse(f"async def f():\n    {line}")
    assert holds(tree, {"SellingPartnerApi", "selling_partner_api"})


def test_a_call_is_seen_by_whatever_name_the_port_goes() -> None:
    assert verbs_called(ast.parse("api.probe_vendor(endpoint, token, now)")) == {"probe_vendor"}
    assert verbs_called(ast.parse("self._selling_partner_api.send(call, token)")) == {"send"}
    assert verbs_called(ast.parse("client.send(request)")) == set()
