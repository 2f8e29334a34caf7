"""How long properties are searched for what breaks them: in the suite for a short while, with
`--hypothesis-profile search` for long.

Answers for: numbers of cases. Does not answer for: the profiles (`tests/conftest.py`).
"""

from __future__ import annotations

import hypothesis

__all__ = ["cases"]

#: So many times as many.
LONGER = 20


def cases(few: int) -> int:
    """``few`` in the suite."""
    searching = hypothesis.settings.get_current_profile_name() == "search"
    return few * LONGER if searching else few
