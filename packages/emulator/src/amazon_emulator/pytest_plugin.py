"""The pytest plug-in: the fixture `amazon_emulator`.

Answers for: one emulator per test run and worker, as good as new for every test. A suite that does
not ask for the fixture pays nothing: no thread, and nothing but this module is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from amazon_emulator.server import Emulator

__all__ = ["amazon_emulator", "amazon_emulator_session"]


@pytest.fixture(scope="session")
def amazon_emulator_session() -> Iterator[Emulator]:
    """The emulator of the whole run, with whatever earlier tests left in it."""
    from amazon_emulator.server import Emulator

    with Emulator(gentle=True) as amazon:
        yield amazon


@pytest.fixture
def amazon_emulator(amazon_emulator_session: Emulator) -> Emulator:
    """Amazon in a box, as freshly started."""
    amazon_emulator_session.levers.reset()
    return amazon_emulator_session
