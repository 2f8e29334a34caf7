"""Each path has its kind, of the manner that the path has."""

from __future__ import annotations

import pytest

from evergrant.feeds.kinds.table import KINDS
from evergrant.rules.feedruns import PATHS, Manner, Path

VERBS = {
    Manner.FEED: ("head", "message", "between", "tail", "options", "marketplace_ids"),
    Manner.CALLS: ("call", "read"),
    Manner.TRANSACTION: ("submission", "transaction_id", "refused", "look", "looked"),
}
FILE = ("content", "options", "marketplace_ids")


@pytest.mark.parametrize("path", Path)
def test_every_path_has_a_kind_of_its_manner(path: Path) -> None:
    wanted = FILE if path is Path.INVOICE_FEED else VERBS[PATHS[path].manner]
    assert [verb for verb in wanted if not callable(getattr(KINDS[path], verb, None))] == []
