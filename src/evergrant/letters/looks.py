"""What letters wear: the house's colour and its logo.

Answers for: what of the house's looks may stand in a mail. Does not answer for: reading or serving
them. A letter fetches nothing, except the logo of a house that has one: a mail program asks its
reader first, and shows the name of the house until then.
"""

from __future__ import annotations

from dataclasses import dataclass

from evergrant.rules.colours import OURS, Palette
from evergrant.settings import House

__all__ = ["LetterLooks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterLooks:
    """``logo_url``: empty where the name of the house has to do."""

    palette: Palette = OURS
    logo_url: str = ""

    @classmethod
    def of(cls, house: House) -> LetterLooks:
        """The logo only from an https address, which no reader's mail program warns of, and only
        as a picture that mail programs show."""
        logo = house.looks.logo
        shown = logo is not None and logo.in_letters and house.public_url.startswith("https://")
        return cls(
            palette=house.looks.palette,
            logo_url=f"{house.public_url}{house.looks.logo_path}" if shown else "",
        )
