"""What changed between two reports of an account's marketplaces.

Answers for: which marketplaces were left and joined, where listings were suspended and freed, and
the words for each change. Does not answer for: believing a report, or for telling anybody.

A marketplace counts as left when Amazon no longer names it, and when it names it and says that the
seller no longer participates (``isParticipating`` of the sellers API v1 model). Marketplaces that
no table knows are marketplaces like all others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

__all__ = ["MarketplaceChanges", "MarketplaceStand", "compare", "in_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceStand:
    """How an account stands in one marketplace."""

    marketplace_id: str
    country_code: str
    participating: bool
    suspended: bool

    @property
    def label(self) -> str:
        return self.country_code or self.marketplace_id

    @property
    def words(self) -> str:
        words = "participating" if self.participating else "not participating"
        return f"{words}, suspended listings" if self.suspended else words


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceChanges:
    """``before`` is empty on the first report."""

    before: tuple[MarketplaceStand, ...]
    after: tuple[MarketplaceStand, ...]
    left: tuple[MarketplaceStand, ...]  # as they were
    joined: tuple[MarketplaceStand, ...]
    suspended: tuple[MarketplaceStand, ...]
    freed: tuple[MarketplaceStand, ...]
    sentences: tuple[str, ...]  # one each, for the journal

    @property
    def is_news(self) -> bool:
        """Something is another than it was; what is seen for the first time never was."""
        return bool(self.before and self.sentences)


def compare(
    before: Collection[MarketplaceStand], after: Collection[MarketplaceStand]
) -> MarketplaceChanges:
    was, is_now = _by_id(before), _by_id(after)
    sentences = [
        f"{one.label}: {one.words}"
        for key, one in is_now.items()
        if key not in was or was[key].words != one.words
    ]
    sentences += [
        f"{one.label}: no longer reported" for key, one in was.items() if key not in is_now
    ]

    def suspended(stands: Mapping[str, MarketplaceStand], key: str) -> bool:
        return key in stands and stands[key].suspended

    def participating(stands: Mapping[str, MarketplaceStand], key: str) -> bool:
        return key in stands and stands[key].participating

    return MarketplaceChanges(
        before=tuple(was.values()),
        after=tuple(is_now.values()),
        left=tuple(
            one for key, one in was.items() if one.participating and not participating(is_now, key)
        ),
        joined=tuple(
            one for key, one in is_now.items() if one.participating and not participating(was, key)
        ),
        suspended=tuple(
            one for key, one in is_now.items() if one.suspended and not suspended(was, key)
        ),
        freed=tuple(
            one for key, one in was.items() if one.suspended and not suspended(is_now, key)
        ),
        sentences=tuple(sentences),
    )


def in_words(stands: Collection[MarketplaceStand]) -> str:
    return ", ".join(sorted(one.label for one in stands))


def _by_id(stands: Collection[MarketplaceStand]) -> dict[str, MarketplaceStand]:
    return {one.marketplace_id: one for one in stands}
