"""News for tests: what the store in memory has committed, at once.

Answers for: ``ports.News`` over a ``MemoryStore``. Does not answer for: what is news, which the
store knows (``testing.store``).
"""

from __future__ import annotations

from collections.abc import Sequence

from evergrant.ports.news import LOOK_AGAIN, Hearing, Listeners, Tidings
from evergrant.ports.store import Store
from evergrant.testing.store import MemoryStore

__all__ = ["MemoryNews"]


class MemoryNews:
    """``ports.News``. ``told`` is every piece of news since it was made, in order;
    ``away = True`` is a connection that is gone, and its end says LOOK_AGAIN."""

    def __init__(self, store: Store, *, room: int = 200) -> None:
        """A real store in the place of the one in memory tells nobody here: its news goes by the
        database."""
        self.told: list[Tidings] = []
        self._listeners = Listeners(room)
        self._away = False
        if isinstance(store, MemoryStore):
            store.criers.append(self._tell)

    def listen(self) -> Hearing:
        return self._listeners.add()

    @property
    def heard(self) -> bool:
        return not self._away

    @property
    def listening(self) -> int:
        return len(self._listeners)

    @property
    def away(self) -> bool:
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        came_back = self._away and not away
        self._away = away
        if came_back:
            self._tell([LOOK_AGAIN])

    async def close(self) -> None:
        self._listeners.end()

    def _tell(self, tidings: Sequence[Tidings]) -> None:
        if not self._away:
            self.told.extend(tidings)
            self._listeners.tell(tidings)
