"""A report's document, straight from Amazon.

Answers for: the address (getReportDocument, with a restricted data token where the type takes one),
the download, and unpacking on the way. Does not answer for: who may (the room), or for keeping
anything: neither address nor document is written anywhere.

Source: Amazon's reports 2021-06-30 model: an address is good for five minutes;
``compressionAlgorithm`` GZIP says how the document is packed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from evergrant.amazon_reports.answers import told
from evergrant.amazon_reports.values import OpenReport
from evergrant.calls import Calls
from evergrant.errors import AmazonUnavailable, CallDenied, NotFound, UnreadableAnswer
from evergrant.ports.documents import Documents, Download
from evergrant.ports.traded import AmazonReport
from evergrant.rules import amazon_reports as rules
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import Secret
from evergrant.rules.unpacking import BadPacking, Unpacking

__all__ = ["opened"]

_DOCUMENTS = "/reports/2021-06-30/documents"
_PLAIN = "application/octet-stream"


@asynccontextmanager
async def opened(
    calls: Calls, documents: Documents, report: AmazonReport, by: Caller
) -> AsyncIterator[OpenReport]:
    """Raises NotFound (Amazon has the document no more), and as ``calls.send``,
    ``answers.told`` and ``Documents.download``."""
    address, packed = await _address(calls, report, by)
    async with documents.download(address) as download:
        said = download.content_encoding.strip().lower()
        if said not in ("", "identity", "gzip", "x-gzip"):
            raise UnreadableAnswer(f"Amazon's document is packed in an unknown way: {said[:40]}.")
        unpacking = Unpacking(packed=packed or "gzip" in said)
        yield OpenReport(
            report=report,
            content_type=_content_type(download.content_type),
            pieces=_plain(download, unpacking),
        )


async def _address(calls: Calls, report: AmazonReport, by: Caller) -> tuple[Secret, bool]:
    known = rules.facts_of(report.report_type)
    restricted = known is not None and known.restricted
    try:
        said = told(
            await calls.send(
                report.account_id,
                "GET",
                f"{_DOCUMENTS}/{quote(report.document_id, safe='')}",
                by=by,
                data_elements=frozenset() if restricted else None,
            )
        )
    except CallDenied as denied:
        if denied.status in (404, 410):
            raise NotFound(
                "Amazon has this document no more.",
                hint="Documents are kept for some weeks; ask for the report again.",
            ) from denied
        raise
    url, algorithm = said.get("url"), said.get("compressionAlgorithm")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise UnreadableAnswer("Amazon's answer names no address of the document.")
    if algorithm not in (None, "", "GZIP"):
        raise UnreadableAnswer("Amazon's document is packed in a way that is new to us.")
    return Secret(url), algorithm == "GZIP"


async def _plain(download: Download, unpacking: Unpacking) -> AsyncIterator[bytes]:
    try:
        async for piece in download.pieces:
            for plain in unpacking.feed(piece):
                yield plain
        for plain in unpacking.end():
            yield plain
    except BadPacking:
        raise AmazonUnavailable(
            "The document broke off, or is not packed as Amazon says.", facts={"sent": True}
        ) from None


def _content_type(told_type: str) -> str:
    fine = told_type.isascii() and told_type.isprintable() and "/" in told_type
    return told_type[:200] if fine else _PLAIN
