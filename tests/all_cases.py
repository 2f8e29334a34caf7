"""Many small cases in one test, when one world does for all of them.

Answers for: every case is tried, and all that failed are told by name. Does not answer for: what
one case leaves to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import pytest

__all__ = ["AllCases"]


class AllCases:
    """``with AllCases() as cases: ... with cases.one(name): ...``; fails at its end."""

    def __init__(self) -> None:
        self._failed: list[BaseException] = []
        self._tried = 0

    def __enter__(self) -> AllCases:
        return self

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        self._tried += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - raised at the end
            error.add_note(f"The case: {name}")
            self._failed.append(error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            return
        if self._failed:
            names = ", ".join(one.__notes__[-1].partition(": ")[2] for one in self._failed)
            raise BaseExceptionGroup(f"{len(self._failed)} cases failed: {names}", self._failed)
        assert self._tried, "no case was tried"
