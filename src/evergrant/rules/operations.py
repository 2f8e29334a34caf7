"""Amazon's operations: which one a request is, and what follows from it.

Answers for: method and path -> operation; whether it reads or writes, may be repeated, carries
personal data, is grantless, and what usage plan Amazon publishes. Does not answer for: plans that
operators set (the gate), or for what an answer means.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evergrant.rules.budgets import Plan

__all__ = ["Group", "Operation", "Personal", "find"]


class Group(StrEnum):
    """What a key may be allowed to do at Amazon."""

    READ = "read"
    WRITE = "write"


class Personal(StrEnum):
    """Whether an operation has to do with personal data of buyers, and how one gets it."""

    NEVER = "never"
    PLAIN = "plain"  # the access token is enough; the answer carries personal data
    QUERY = "query"  # as PLAIN, but only when the query asks for it (`personal_data_asked`)
    RESTRICTED = "restricted"  # always needs a restricted data token
    ELEMENTS = "elements"  # answers without personal data, unless data elements are named
    CONTENT = "content"  # some documents need a restricted data token: getReportDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``name`` is unique: the path up to its version, and Amazon's operation id, with dots:
    ``orders.v0.getOrder``. An operation that nobody knows is called ``unknown.`` and has what is
    safe: it writes, is not repeated, and may carry personal data."""

    name: str
    method: str
    template: str
    group: Group
    repeatable: bool
    plan: Plan  # of a pair of account and application
    published: bool = True  # False: Amazon publishes no plan; ours is careful
    application_plan: Plan | None = None  # of an application over all its accounts
    personal: Personal = Personal.NEVER
    data_elements: tuple[str, ...] = ()  # that may be named, in Amazon's order
    scope: str | None = None  # of a grantless operation


def find(method: str, path: str) -> Operation:
    """``path`` as it was sent, encoded, without query. Never raises."""
    raise LookupError  # replaced by the table
