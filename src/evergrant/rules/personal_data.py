"""Which of Amazon's operations have to do with personal data.

Answers for: the class of each operation, and whether a query asks for personal data. Does not
answer for: who may have it (the gate), or how a restricted data token is made (the mint).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evergrant.rules.operations import Operation

__all__ = ["CLASSES", "DATA_ELEMENTS", "Personal", "asked"]


class Personal(StrEnum):
    """Whether an operation has to do with personal data of buyers, and how one gets it."""

    NEVER = "never"
    PLAIN = "plain"  # the access token is enough; the answer carries personal data
    QUERY = "query"  # as PLAIN, but only when the query asks for it (`personal_data.asked`)
    RESTRICTED = "restricted"  # always needs a restricted data token
    ELEMENTS = "elements"  # answers without personal data, unless data elements are named
    CONTENT = "content"  # some documents need a restricted data token: getReportDocument


CLASSES: Mapping[str, Personal] = {}
DATA_ELEMENTS: Mapping[str, tuple[str, ...]] = {}


def asked(operation: Operation, query: str) -> bool:
    """Whether the answer to this request may carry personal data, without any restricted data
    token. ``query`` as it was sent, encoded, without ``?``."""
    return operation.personal in (Personal.PLAIN, Personal.RESTRICTED)
