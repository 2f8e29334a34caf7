"""Writes the packaged table of usage plans from a table of figures that were read elsewhere.

    python packages/emulator/plans_table.py usage-plans.csv

The table given has a line per operation of Amazon's models with the columns `operationId`,
`method`, `path`, `rate`, `burst` (as the model's description prints them), `sdk_rate` and
`sdk_burst` (the file rate-limits.yml of Amazon's selling-partner-api-sdk). The model's figure
wins, the SDK's fills where the model is silent, and where both are silent the plan stays empty.
The rates per application are those of Amazon's rate-limit pages, kept here by hand.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import IO

COLUMNS = (
    "method", "path", "name", "rate", "burst", "source", "per_application", "header",
)  # fmt: skip

DESTINATION = Path(__file__).parent / "src" / "amazon_emulator" / "limits" / "plans.csv"

LISTINGS_ITEM = "/listings/2021-08-01/items/{sellerId}/{sku}"
PRODUCT_TYPES = "/definitions/2020-09-01/productTypes"

# Requests per second over all accounts of an application, from Amazon's pages
# 'listings-items-api-rate-limits', 'product-type-definitions-api-rate-limits' and
# 'listings-restrictions-api-rate-limits'.
PER_APPLICATION = {
    ("PATCH", LISTINGS_ITEM): "500",
    ("PUT", LISTINGS_ITEM): "100",
    ("DELETE", LISTINGS_ITEM): "100",
    ("GET", LISTINGS_ITEM): "100",
    ("GET", PRODUCT_TYPES): "100",
    ("GET", f"{PRODUCT_TYPES}/{{productType}}"): "100",
    ("GET", "/listings/2021-08-01/restrictions"): "100",
}


def rows(given: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """The lines of the packaged table, by path and method.

    Raises ValueError for a rate without a burst, a figure that is none, and a rate per
    application of an operation that is not in the table."""
    made: dict[tuple[str, str], dict[str, str]] = {}
    for line in given:
        key = (line["path"], line["method"].upper())
        if key in made:
            raise ValueError(f"twice: {key[1]} {key[0]}")
        rate, burst, source = figures(line)
        made[key] = {
            "method": key[1],
            "path": key[0],
            "name": line["operationId"],
            "rate": rate,
            "burst": burst,
            "source": source,
            "per_application": "",
            "header": str(float(rate)) if rate else "",
        }
    for (method, path), rate in PER_APPLICATION.items():
        if (path, method) not in made:
            raise ValueError(f"not in the table: {method} {path}")
        made[path, method]["per_application"] = rate
    return [made[key] for key in sorted(made)]


def figures(line: Mapping[str, str]) -> tuple[str, str, str]:
    """Rate, burst and where they are from; three empty texts where nobody says."""
    for source, rate, burst in (
        ("model", line["rate"], line["burst"]),
        ("sdk", line["sdk_rate"], line["sdk_burst"]),
    ):
        if bool(rate) != bool(burst):
            raise ValueError(f"half a plan: {line['operationId']}")
        if rate:
            if Fraction(rate) <= 0 or int(burst) < 1:
                raise ValueError(f"no plan: {line['operationId']}: {rate}, {burst}")
            return plain(rate), burst, source
    return "", "", ""


def plain(rate: str) -> str:
    """The same number without a bare point or a fraction of zero: `.5` is 0.5, `2.0` is 2."""
    number = float(rate)
    return str(int(number)) if number.is_integer() else str(number)


def write(made: Iterable[Mapping[str, str]], to: IO[str]) -> None:
    writer = csv.DictWriter(to, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("figures", type=Path, help="the table of figures, CSV")
    asked.add_argument("--to", type=Path, default=DESTINATION)
    given = asked.parse_args()
    with given.figures.open(encoding="utf-8", newline="") as file:
        made = rows(csv.DictReader(file))
    with given.to.open("w", encoding="utf-8", newline="") as file:
        write(made, file)
    known = sum(1 for row in made if row["rate"])
    sys.stdout.write(f"{len(made)} operations, {known} with a plan, written to {given.to}\n")


if __name__ == "__main__":
    main()
