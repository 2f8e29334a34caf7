"""Forms on their way in.

Answers for: reading fields and files within limits. Does not answer for: whether they may be
believed (`guard`), or for what they mean.
"""

from __future__ import annotations

import re

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from evergrant.entrances.console.asking import Upload

__all__ = ["MOST_FIELDS", "read"]

#: A page of accounts with six boxes each, and some more.
MOST_FIELDS = 5000
_MOST_FILES = 4
_LARGEST_FIELD = 256 * 1024
#: NUL, and halves of characters, which some character sets can name.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


async def read(request: Request) -> tuple[list[tuple[str, str]], dict[str, Upload]]:
    """Fields in their order, files by their names. An empty file field is no file. Raises
    HTTPException: 415 for anything but a form, 400 where it cannot be read, is too large, or holds
    what is no text: no store keeps that, and nothing can be computed of it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        raise HTTPException(415, "A form was expected.")
    fields: list[tuple[str, str]] = []
    uploads: dict[str, Upload] = {}
    async with request.form(
        max_files=_MOST_FILES, max_fields=MOST_FIELDS, max_part_size=_LARGEST_FIELD
    ) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if value.filename:
                    uploads[name] = Upload(
                        filename=value.filename,
                        media_type=value.content_type or "",
                        content=await value.read(),
                    )
            else:
                fields.append((name, value))
    if any(_NO_TEXT.search(name) or _NO_TEXT.search(value) for name, value in fields):
        raise HTTPException(400, "This form holds characters that are no text.")
    return fields, uploads
