"""The two Python SDKs that people use read participations with nothing but addresses changed.

The recipes are taken out of packages/emulator/README.md and run as they stand there.
"""

from __future__ import annotations

import gc
import logging
import re
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import pytest

from tests.emulator.conftest import House

README = Path(__file__).parents[2] / "packages" / "emulator" / "README.md"

pytestmark = [
    # Both leave connections open and use what their own dependencies call old.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(params=["gentle", "harsh"])
def shop(request: pytest.FixtureRequest, house: House) -> Any:
    """A house with a connected seller; once with unknown fields and odd header case."""
    house.amazon.levers.habits(gentle=request.param == "gentle")
    seller = house.seller(marketplaces=["DE", "FR", "A38D8NSA03LJTC"])
    known = SimpleNamespace(house=house, refresh_token=house.grant(seller))
    gc.freeze()  # what was there before needs no looking at
    yield known
    gc.collect()
    gc.unfreeze()


def recipe(library: str) -> CodeType:
    """The block of the README that imports this library."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    [found] = [block for block in blocks if f"from {library}" in block]
    return compile(found, f"README.md: {library}", "exec")


@pytest.mark.parametrize("library", ["spapi", "sp_api"])
def test_reads_participations(shop: Any, library: str) -> None:
    known: dict[str, Any] = {
        "addresses": shop.house.amazon.addresses,
        "refresh_token": shop.refresh_token,
        **shop.house.client,
    }
    level = logging.getLogger().level
    exec(recipe(library), known)
    logging.getLogger().setLevel(level)  # importing the official SDK turns everybody's logging up
    assert known["countries"] == ["DE", "FR", "DE"]
    levers = shop.house.amazon.levers
    assert levers.count(kind="lwa.refresh", status=200) == 1
    assert levers.count(kind="spapi.getMarketplaceParticipations", status=200) == 1
