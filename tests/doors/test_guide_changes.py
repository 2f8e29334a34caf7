"""What the guide to changes shows as JSON and CSV is taken as it stands there."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from evergrant.entrances.api.routes.amazon_reports import AmazonReportWish
from evergrant.entrances.api.routes.changes import ChangesWish
from evergrant.feeds.files import read_csv
from evergrant.rules.changes import ChangeKind
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region
from evergrant.rules.wishes import Refused, Wish, WishGround, read
from evergrant.rules.wishes.cancellation import REASONS as OF_CANCELLATIONS
from evergrant.rules.wishes.refund import REASONS as OF_REFUNDS

GUIDES = Path(__file__).parents[2] / "docs/guides"
GUIDE = (GUIDES / "changes.md").read_text("utf-8")
SHOP = WishGround(
    partner_kind=PartnerKind.SELLER,
    region=Region.EU,
    home_marketplace="DE",
    marketplaces=STANDARD,
    now=datetime(2026, 11, 21, 12, tzinfo=UTC),
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_its_batch_holds_a_good_line_of_each_kind() -> None:
    (batch,) = blocks("json")
    lines = ChangesWish.model_validate(json.loads(batch)).changes
    assert {read(line, SHOP).kind for line in lines} == set(ChangeKind)


def test_its_rows_are_one_refund() -> None:
    (rows,) = blocks("csv")
    (line,) = read_csv(rows.encode()).lines
    assert not isinstance(line, Refused)
    wish = read(line, SHOP)
    assert isinstance(wish, Wish)
    assert [item["principal"] for item in wish.wish["items"]] == ["16.80", "5.00"]


def test_it_names_all_reasons() -> None:
    for kind, reasons in (("cancellation", OF_CANCELLATIONS), ("refund", OF_REFUNDS)):
        (named,) = re.findall(rf"^\| {kind} \| ([A-Z][\w, ]+) \|$", GUIDE, re.MULTILINE)
        assert set(named.split(", ")) == set(reasons)


def test_its_table_of_columns_is_that_of_the_reader() -> None:
    """A file with all columns of a kind has no column that nobody knows."""
    for kind in ChangeKind:
        (row,) = re.findall(rf"^\| `{kind.value}` \| (.*`.*\|.*`.*) \|$", _csv_part(), re.MULTILINE)
        columns = ["kind", *re.findall(r"`(\w+)`", row)]
        content = ",".join(columns) + "\n" + ",".join([kind.value, *("1" for _ in columns[1:])])
        (line,) = read_csv((content + "\n").encode()).lines
        assert "unknown_field" not in _codes(line), kind


def test_the_wish_for_a_report_is_good() -> None:
    text = (GUIDES / "amazon-reports.md").read_text("utf-8")
    (wish,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert AmazonReportWish.model_validate(json.loads(wish)).marketplaces == ["DE"]


def test_the_guide_to_feeds_has_every_reason_to_wait_and_every_state() -> None:
    from evergrant.rules.changes import ChangeState
    from evergrant.rules.feedruns import Path as RunPath
    from evergrant.rules.waits import Why

    text = (GUIDES / "feeds.md").read_text("utf-8")
    first_cells = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert first_cells >= {why.value for why in Why} | {state.value for state in ChangeState}
    of_sellers = {path.value for path in RunPath if not path.value.startswith(("retail", "direct"))}
    assert of_sellers <= set(re.findall(r"`(\w+)`", text))


def _csv_part() -> str:
    return GUIDE.split("## CSV")[1].split("## The folder")[0]


def _codes(line: object) -> set[str]:
    try:
        if isinstance(line, Refused):
            raise line
        assert isinstance(line, dict)
        read(line, SHOP)
    except Refused as refused:
        return {fault.code for fault in refused.faults}
    return set()
