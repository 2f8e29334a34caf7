"""Fixtures that several doors' tests share."""

from tests.doors.cli_house import (
    amazon,
    bare,
    cli,
    connected,
    house,
    stocked,
    stocks,
    with_account,
)

__all__ = ["amazon", "bare", "cli", "connected", "house", "stocked", "stocks", "with_account"]
