"""Levers of queues, AWS keys, roles, and what becomes of messages."""

from __future__ import annotations

__all__ = ["LEVERS"]

LEVERS = ()
