"""Where the console leads: its sections, in the order of a working day.

Answers for: titles, addresses and the right that each section needs. Does not answer for: what is
behind them.
"""

from __future__ import annotations

from dataclasses import dataclass

from evergrant.rules.rights import Caller, Right

__all__ = ["SECTIONS", "Section", "sections_for"]


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    path: str
    right: Right
    group: str = ""


SECTIONS = (
    Section("Overview", "/console", Right.READ, "Today"),
    Section("Accounts", "/console/accounts", Right.READ, "Today"),
    Section("Feeds", "/console/feeds", Right.READ, "Today"),
    Section("Orders", "/console/orders", Right.ORDERS, "Today"),
    Section("Checks", "/console/checks", Right.READ, "Today"),
    Section("Applications", "/console/applications", Right.READ, "House"),
    Section("Client instances", "/console/instances", Right.READ, "House"),
    Section("API keys", "/console/api-keys", Right.AUDIT, "House"),
    Section("Operators", "/console/operators", Right.AUDIT, "House"),
    Section("Journal", "/console/journal", Right.READ, "House"),
    Section("Settings", "/console/settings", Right.AUDIT, "House"),
)


def sections_for(caller: Caller) -> list[tuple[str, list[Section]]]:
    """By group, those that this caller may open."""
    grouped: dict[str, list[Section]] = {}
    for one in SECTIONS:
        if caller.may(one.right):
            grouped.setdefault(one.group, []).append(one)
    return list(grouped.items())
