"""What vendors wish.

Answers for: which reader reads which kind of line for which kind of vendor. Does not answer for:
sellers' lines (the files beside this one).
"""

from __future__ import annotations

from collections.abc import Mapping

from evergrant.rules.changes import ChangeKind
from evergrant.rules.marketplaces import VendorKind
from evergrant.rules.wishes.ground import Reader

__all__ = ["READERS"]

READERS: Mapping[tuple[VendorKind, ChangeKind], Reader] = {}
