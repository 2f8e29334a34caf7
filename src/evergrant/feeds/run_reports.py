"""The report of one feed, fetched and read.

Answers for: asking for its address, fetching it, never onto a disk, and handing it to who can read
it. Does not answer for: what it means for the changes (``rules.settling``).

Source: Amazon's feeds 2021-06-30 model (the address is good for five minutes; a report may be
packed) and its guide: reports may hold what is sensitive and are not written down as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import quote

from evergrant.errors import AmazonUnavailable, CallDenied
from evergrant.feeds.kinds import ApiCall
from evergrant.feeds.kinds.answers import json_of
from evergrant.feeds.run_ground import Case, Heard, How, RunGround
from evergrant.rules.processing_reports import ProcessingReport, read
from evergrant.rules.received_text import LONGEST_DOCUMENT
from evergrant.rules.secrecy import Secret

__all__ = ["fetch_report"]


async def fetch_report(ground: RunGround, case: Case) -> ProcessingReport | Heard:
    """The report, or why there is none now (LOST: something else than a limit is in the way)."""
    document_id = quote(case.run.result_document_id, safe="")
    heard = await ground.ask(
        case, ApiCall(method="GET", path=f"/feeds/2021-06-30/documents/{document_id}")
    )
    if heard.how is not How.ANSWER:
        return heard
    told = json_of(heard.body)
    url = told.get("url") if isinstance(told, Mapping) else None
    if heard.body.status != 200 or not isinstance(url, str) or not url:
        return Heard(how=How.LOST, said=heard.said or "Amazon gave no address of the report.")
    pieces: list[bytes] = []
    size = 0
    try:
        async with ground.documents.download(Secret(url)) as download:
            async for piece in download.pieces:
                size += len(piece)
                if size > LONGEST_DOCUMENT:
                    return ProcessingReport(readable=False, reason="the report is too large.")
                pieces.append(piece)
            content_type = download.content_type
    except (AmazonUnavailable, CallDenied) as error:
        return Heard(how=How.LOST, said=f"The report could not be fetched: {error.message}")
    # A large one takes seconds to read, and the same loop serves everybody.
    return await asyncio.to_thread(read, b"".join(pieces), content_type)
