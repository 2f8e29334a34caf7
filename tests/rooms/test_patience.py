"""Waiting for a database that is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from evergrant.errors import Conflict, StoreUnavailable
from evergrant.patience import patiently


def write(*ends: Exception | str) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    """A write that ends like this, one time after the other; and the times that it was tried."""
    tried: list[int] = []

    async def once() -> str:
        tried.append(len(tried))
        end = ends[tried[-1]]
        if isinstance(end, Exception):
            raise end
        return end

    return once, tried


async def test_what_is_written_at_once_is_written_once() -> None:
    once, tried = write("done", "twice")
    assert await patiently(once, (0, 0)) == "done"
    assert len(tried) == 1


async def test_a_database_that_comes_back_is_waited_for() -> None:
    once, tried = write(StoreUnavailable(), StoreUnavailable(), "done")
    assert await patiently(once, (0, 0)) == "done"
    assert len(tried) == 3


async def test_patience_has_an_end() -> None:
    once, tried = write(StoreUnavailable(), StoreUnavailable(), StoreUnavailable(), "too late")
    with pytest.raises(StoreUnavailable):
        await patiently(once, (0, 0))
    assert len(tried) == 3


async def test_no_other_error_is_tried_again() -> None:
    once, tried = write(Conflict("no"), "done")
    with pytest.raises(Conflict):
        await patiently(once, (0, 0))
    assert len(tried) == 1
