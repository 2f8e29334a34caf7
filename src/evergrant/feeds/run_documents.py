"""The document of a feed: made of the run's changes, and brought to Amazon.

Answers for: writing it anew whenever it is needed, a change that cannot be written, the upload and
its repetition. Does not answer for: the text (``kinds``), or for createFeed (``run_feeds``).

Source: Amazon's feeds 2021-06-30 model. The address of a document is good for five minutes and is a
secret: it is written down nowhere, so a crash takes a new document.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from itertools import groupby
from typing import cast

from evergrant import logs, vault
from evergrant.errors import AmazonUnavailable, CallDenied, Misconfigured, SealBroken
from evergrant.feeds.kinds import FeedKind, FileKind, Ground
from evergrant.feeds.run_ground import AnyKind, Case, How, RunGround, post, text_in, told_by
from evergrant.feeds.run_records import BATCH, DENIED_BEFORE, Records, unusable
from evergrant.ports.traded import Change, Outcome
from evergrant.rules.feedruns import RunStep
from evergrant.rules.secrecy import Secret

__all__ = ["FeedDocuments", "is_file"]

_log = logs.logger(__name__)

_DOCUMENTS = "/feeds/2021-06-30/documents"
_SOON = timedelta(minutes=1)
#: Tries of one run, until its changes go back to wait.
_MOST_UPLOADS = 8


class FeedDocuments:
    """One per process."""

    def __init__(self, ground: RunGround, records: Records) -> None:
        self._ground = ground
        self._records = records

    async def prepare(self, case: Case, now: datetime) -> Case:
        """PLANNED (or DOCUMENT, or UPLOADED too long ago) -> DOCUMENT -> UPLOADED."""
        if case.run.step is RunStep.PLANNED:
            until = await self._records.denied_until(case, now)
            if until is not None:
                return await self._records.back(case, now, DENIED_BEFORE, at=until)
        case, content, messages = await self._document(case, now)
        if not messages:
            return await self._records.end(case, now, failed=True)
        heard = await self._ground.ask(
            case, post(_DOCUMENTS, {"contentType": case.path.content_type})
        )
        if heard.how is not How.ANSWER:
            return await self._records.unheard(case, heard)
        told = told_by(heard)
        document_id, url = text_in(told, "feedDocumentId"), text_in(told, "url")
        if not document_id or not url:
            return await self._troubled(case, heard.said or "Amazon gave no document.")
        now = self._ground.now()
        case = await self._records.move(
            case,
            now,
            step=RunStep.DOCUMENT,
            document_id=document_id,
            document_at=now,
            bytes=len(content),
            facts={**case.run.facts, "messages": messages},
        )
        try:
            await self._ground.documents.upload(Secret(url), content, case.path.content_type)
        except (AmazonUnavailable, CallDenied) as error:
            return await self._troubled(case, f"The upload failed: {error.message}")
        now = self._ground.now()
        return await self._records.move(
            case, now, step=RunStep.UPLOADED, next_at=now, last_error=""
        )

    async def _troubled(self, case: Case, why: str) -> Case:
        """No document came to lie at Amazon; another one is tried, some times."""
        now = self._ground.now()
        uploads = int(case.run.facts.get("uploads", 0)) + 1
        if uploads >= _MOST_UPLOADS:
            case = await self._records.return_all(case, "not_uploaded", why)
            return await self._records.end(case, now, failed=True, why=why)
        pause = min(_SOON * 2 ** (uploads - 1), timedelta(minutes=30))
        facts = {**case.run.facts, "uploads": uploads}
        return await self._records.move(
            case, now, facts=facts, next_at=now + pause, last_error=why[:300]
        )

    async def _document(self, case: Case, now: datetime) -> tuple[Case, bytes, int]:
        """All that is not settled yet as one document, and of how many messages. A change that
        cannot be written is refused, so that it holds up nothing else."""
        kind = self._ground.kind(case)
        ground = self._ground.ground(case, now)
        parts: list[bytes] = []
        after = 0
        while True:
            async with self._ground.store.transaction() as tx:
                page = await tx.changes.of_run(case.run.id, after=after, limit=BATCH)
            if not page:
                break
            after = page[-1].message_id or 0
            bad: list[Outcome] = []
            for _, together in groupby(page, key=lambda one: one.message_id):
                changes = list(together)
                try:
                    parts.append(await self._message(kind, ground, case, changes))
                except (SealBroken, Misconfigured):
                    raise
                except Exception as mistake:  # noqa: BLE001 - it holds up none of the others
                    _log.exception("a change cannot be written", run_id=case.run.id)
                    bad += [unusable(one, mistake) for one in changes]
            if bad:
                case = await self._records.settle(case, bad, now)
        if not parts:
            return case, b"", 0
        if is_file(kind):
            return case, parts[0], 1
        feed = cast("FeedKind", kind)
        content = b"".join(
            [
                feed.head(ground, case.run),
                feed.between().join(parts),
                feed.tail(ground, case.run),
            ]
        )
        return case, content, len(parts)

    async def _message(
        self, kind: AnyKind, ground: Ground, case: Case, changes: list[Change]
    ) -> bytes:
        if not is_file(kind):
            return cast("FeedKind", kind).message(ground, case.run, changes)
        (change,) = changes
        async with self._ground.store.transaction() as tx:
            sealed = await self._ground.vault.open(tx, vault.invoice_document(change.id))
        if sealed is None:
            raise ValueError("its document is not there any more")
        return cast("FileKind", kind).content(
            ground, case.run, change, base64.b64decode(sealed.reveal())
        )


def is_file(kind: AnyKind) -> bool:
    """One change is one document, as it is."""
    return hasattr(kind, "content")
