"""Text that came as bytes which say little, or something wrong, about themselves.

Answers for: unpacking gzip by its first bytes, within bounds; finding the encoding by byte order
mark, by trying, and only then by what a header or a declaration claims; text that holds nothing a
database or a page stumbles over. Does not answer for: what the text means.

Amazon's result documents of feeds are known to come packed or not, with byte order marks, and in
iso-8859-1 whatever their Content-Type says (the feeds use case guide of Amazon's repository
"selling-partner-api-docs", and what sellers reported there).
"""

from __future__ import annotations

import codecs
import re
import zlib

from evergrant.rules.faults import Fault

__all__ = ["LONGEST_DOCUMENT", "printable", "text_of", "unpacked"]

#: Unpacked bytes of one document that is read as a whole.
LONGEST_DOCUMENT = 48 * 1024 * 1024

_GZIP = b"\x1f\x8b"
_MOST_PACKINGS = 2  # packed by who made it, and once more on its way
_MARKS = (
    # UTF-32's mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Without a mark: where the first characters, ASCII in all that we read, have their zeroes.
_ZEROES = (
    (re.compile(rb"[^\0]\0\0\0", re.DOTALL), "utf-32-le"),
    (re.compile(rb"\0\0\0[^\0]", re.DOTALL), "utf-32-be"),
    (re.compile(rb"[^\0]\0[^\0]\0", re.DOTALL), "utf-16-le"),
    (re.compile(rb"\0[^\0]\0[^\0]", re.DOTALL), "utf-16-be"),
)
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
#: Of all that Python knows, those in which somebody writes documents.
_CODECS = re.compile(
    r"utf-8|utf-16(-le|-be)?|utf-32(-le|-be)?|ascii|iso8859-\d+|cp125\d|cp932|shift_jis\w*"
    r"|euc_j\w+|gbk|gb18030|big5|euc_kr|koi8-r"
)
_PADDING = "\0\x1a \t\r\n\f\v\ufeff"  # what some writers leave around a document


def text_of(content: bytes, content_type: str = "") -> str:
    """The document as text, without byte order mark and padding. Raises Fault: it is packed and
    cut off or broken, or larger than `LONGEST_DOCUMENT`. Bytes are never a fault: the last resort
    is iso-8859-1, in which everything is text."""
    raw = unpacked(content)
    return _decoded(raw, content_type).strip(_PADDING)


def unpacked(content: bytes, *, at_most: int = LONGEST_DOCUMENT) -> bytes:
    """Raises Fault. What follows a whole packing and is none itself is padding: the packing's own
    checksum says that it was whole."""
    for _ in range(_MOST_PACKINGS):
        if not content.startswith(_GZIP):
            break
        content = _gunzipped(content, at_most)
    if len(content) > at_most:
        raise _too_large(at_most)
    return content


def _gunzipped(content: bytes, at_most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = content
    while rest.startswith(_GZIP):
        packing = zlib.decompressobj(wbits=31)
        try:
            parts.append(packing.decompress(rest, at_most - size + 1))
        except zlib.error:
            raise Fault(
                "broken_packing", "The document is packed with gzip, and the packing is broken."
            ) from None
        size += len(parts[-1])
        if size > at_most:
            raise _too_large(at_most)
        if not packing.eof:
            raise Fault(
                "cut_off", "The document is packed with gzip and was cut off before its end."
            )
        rest = packing.unused_data
    return b"".join(parts)


def _too_large(at_most: int) -> Fault:
    return Fault("too_large", f"The document is larger than {at_most:,} bytes.")


def _decoded(raw: bytes, content_type: str) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw.decode(encoding, errors="replace")
    for zeroes, encoding in _ZEROES:
        if zeroes.match(raw):
            return raw.decode(encoding, errors="replace")
    try:
        # Whatever is claimed: text in another encoding is hardly ever UTF-8 by accident.
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    for claimed in (_declared(raw), _charset(content_type), "cp1252"):
        try:
            return raw.decode(_codec(claimed))
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("iso-8859-1")


def _declared(raw: bytes) -> str:
    found = _DECLARED.match(raw.lstrip())
    return found[1].decode() if found else ""


def _charset(content_type: str) -> str:
    found = _CHARSET.search(content_type)
    return found[1] if found else ""


def _codec(claimed: str) -> str:
    """Raises LookupError."""
    name = codecs.lookup(claimed or "-").name
    if not _CODECS.fullmatch(name):
        raise LookupError(claimed)
    # Those who say iso-8859-1 often mean what Windows makes of it; where it differs, the former
    # has control characters.
    return "cp1252" if name == "iso8859-1" else name


def printable(text: str, longest: int = 2_000) -> str:
    """One line of it: white space is a blank, what is neither printed nor blank a replacement
    character, and no longer than that."""
    line = " ".join(text.split())
    kept = line if len(line) <= longest else f"{line[: longest - 1]}…"
    if kept.isprintable():
        return kept
    return "".join(char if char.isprintable() else "\ufffd" for char in kept)
