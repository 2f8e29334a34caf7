"""Boards (being written)."""
from __future__ import annotations
from typing import Any
class PostgresBoards:
    def __init__(self, tx: Any) -> None:
        self._tx = tx
    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)
