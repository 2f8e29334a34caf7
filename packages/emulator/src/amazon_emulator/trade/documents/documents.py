"""The documents behind feeds and reports: what was uploaded, and what Amazon wrote.

Answers for: who owns a document, how long it lives, and its presigned addresses. It does not know
what stands in a document. Lifetimes are those of Amazon's pages 'feeds-api-v2021-06-30-use-case-
guide' (an upload can be used for two days) and 'feed-type-values' (results are kept 28 days).
"""

from __future__ import annotations

import base64
import gzip as gzip_format
import secrets
import string
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from amazon_emulator.clock import stamp
from amazon_emulator.marketplaces import REGIONS, Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.documents import presigning
from amazon_emulator.trade.records import Record, records

__all__ = [
    "FOLDER",
    "KEPT",
    "LARGEST_UPLOAD",
    "MAX_UPLOAD",
    "USABLE",
    "Document",
    "Documents",
    "Purpose",
]

USABLE = timedelta(days=2)
KEPT = timedelta(days=28)
MAX_UPLOAD = 256 * 1024 * 1024  # bytes; of this emulator, as it keeps all in memory
LARGEST_UPLOAD = 5 * 1024**3  # bytes; what the storage takes at once (the S3 user guide)
FOLDER = "/documents/"

Purpose = Literal["feed_upload", "feed_result", "report"]
PURPOSES: tuple[Purpose, ...] = ("feed_upload", "feed_result", "report")
Compression = Literal["GZIP"]


@dataclass
class Document:
    """One document. ``content`` is None until something was uploaded; with ``compression`` it is
    the compressed bytes. ``region`` None: known in every region."""

    document_id: str
    partner_id: str
    content_type: str
    content: bytes | None
    compression: Compression | None
    made_at: datetime
    purpose: Purpose = "feed_result"
    region: Region | None = None

    @property
    def ends_at(self) -> datetime:
        return self.made_at + KEPT


@dataclass
class Documents:
    """All documents, oldest first."""

    max_upload: int = MAX_UPLOAD  # bytes
    _by_id: dict[str, Document] = field(default_factory=dict)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def new_upload(
        self,
        stage: Stage,
        partner_id: str,
        content_type: str,
        now: datetime,
        *,
        region: Region | None = None,
    ) -> Document:
        """A document that waits for its content."""
        document = Document(
            _document_id(region), partner_id, content_type, None, None, now, "feed_upload", region
        )
        return self._keep(document, now)

    def store(
        self,
        stage: Stage,
        partner_id: str,
        content: bytes,
        content_type: str,
        *,
        gzip: bool,
        now: datetime,
        region: Region | None = None,
        purpose: Purpose = "feed_result",
    ) -> Document:
        """A document that Amazon wrote, packed when ``gzip`` is wished."""
        # Without a time inside, equal contents give equal bytes.
        packed = gzip_format.compress(content, mtime=0) if gzip else content
        document = Document(
            _document_id(region),
            partner_id,
            content_type,
            packed,
            "GZIP" if gzip else None,
            now,
            purpose,
            region,
        )
        return self._keep(document, now)

    def get(self, document_id: str) -> Document | None:
        """Whoever owns it, and even when it is over; None when there is none."""
        return self._by_id.get(document_id)

    def of(
        self,
        document_id: str,
        partner_id: str,
        region: Region,
        now: datetime,
        purposes: Sequence[Purpose],
    ) -> Document | None:
        """One that this partner can see in this region, and that is not over."""
        document = self._by_id.get(document_id)
        if (
            document is None
            or document.partner_id != partner_id
            or document.region not in (region, None)
            or document.purpose not in purposes
            or now >= document.ends_at
        ):
            return None
        return document

    def lose(self, document_id: str) -> None:
        """Forgets a document, as if it had been over."""
        self._by_id.pop(document_id, None)

    def upload_url(self, stage: Stage, document: Document, now: datetime) -> str:
        """Takes one PUT after the other for five minutes, with exactly the content type that the
        document was made with."""
        return presigning.presign(
            self._key,
            stage.addresses["documents"],
            FOLDER + document.document_id,
            "PUT",
            now,
            content_type=document.content_type,
        )

    def download_url(
        self, stage: Stage, document: Document, now: datetime, encoding_header: bool = False
    ) -> str:
        """Gives the content for five minutes. ``encoding_header``: a packed document is then
        declared as such by `Content-Encoding`, and HTTP clients unpack it by themselves."""
        more = {}
        if document.compression:
            more["response-content-encoding"] = "gzip" if encoding_header else "identity"
        return presigning.presign(
            self._key,
            stage.addresses["documents"],
            FOLDER + document.document_id,
            "GET",
            now,
            more=more,
        )

    def check(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        now: datetime,
    ) -> Document:
        """The document that a request is allowed to. Raises presigning.Refused."""
        presigning.check(self._key, method, path, query, headers, now)
        document = self._by_id.get(path.removeprefix(FOLDER))
        if document is None or (method == "GET" and document.content is None):
            key = path.removeprefix("/")
            raise presigning.Refused(
                404, "NoSuchKey", "The specified key does not exist.", {"Key": key}
            )
        return document

    def as_json(self) -> Any:
        return {
            "max_upload": self.max_upload,
            "documents": [_as_json(document) for document in self._by_id.values()],
        }

    def load(self, stage: Stage, given: Any) -> None:
        """Raises ValueError that names the place."""
        record = Record.of(given, "documents")
        max_upload = record.number("max_upload", MAX_UPLOAD, lowest=1, highest=LARGEST_UPLOAD)
        loaded = {}
        for row in records(record.raw("documents", []), "documents.documents"):
            document = _from_json(row)
            if document.document_id in loaded:
                raise ValueError(f"{row.place}: {document.document_id} stands there twice")
            loaded[document.document_id] = document
        record.done()
        self.max_upload = max_upload
        self._by_id = loaded

    def _keep(self, document: Document, now: datetime) -> Document:
        while self._by_id:
            oldest = next(iter(self._by_id.values()))
            if now < oldest.ends_at:
                break
            del self._by_id[oldest.document_id]
        self._by_id[document.document_id] = document
        return document


def _as_json(document: Document) -> dict[str, Any]:
    content = document.content
    return {
        "document_id": document.document_id,
        "selling_partner_id": document.partner_id,
        "region": document.region,
        "purpose": document.purpose,
        "content_type": document.content_type,
        "compression": document.compression,
        "made_at": stamp(document.made_at),
        "content_base64": None if content is None else base64.b64encode(content).decode(),
    }


def _from_json(row: Record) -> Document:
    document = Document(
        document_id=row.text("document_id"),
        partner_id=row.text("selling_partner_id"),
        content_type=row.text("content_type"),
        content=row.maybe_base64("content_base64"),
        compression=row.choice("compression", ("GZIP", None), None),
        made_at=row.instant("made_at"),
        purpose=row.choice("purpose", PURPOSES),
        region=row.choice("region", (*REGIONS, None), None),
    )
    row.done()
    return document


def _document_id(region: Region | None) -> str:
    tail = "".join(secrets.choice(string.digits + string.ascii_uppercase) for _ in range(14))
    return f"amzn1.tortuga.4.{region or 'na'}.{uuid.uuid4()}.{tail}"
