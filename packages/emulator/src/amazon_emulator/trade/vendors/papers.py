"""Papers that Amazon makes for vendors: labels, packing slips, customer invoices.

Answers for: small files that really are PNG, ZPL and PDF, the same for the same contents. They are
good for opening and printing, not for scanning.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from typing import Literal

__all__ = ["encoded_label", "encoded_pdf"]

WIDTH, HEIGHT = 384, 96


def encoded_label(words: list[str], kind: Literal["PNG", "ZPL"]) -> str:
    """Base64 of a label."""
    return _encoded(_zpl(words) if kind == "ZPL" else _png("|".join(words)))


def encoded_pdf(words: list[str]) -> str:
    """Base64 of one page with these lines."""
    return _encoded(_pdf(words))


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _zpl(words: list[str]) -> bytes:
    rows = [f"^FO40,{40 + 40 * row}^A0N,30^FD{_bare(text)}^FS" for row, text in enumerate(words)]
    return "\n".join(["^XA", *rows, "^XZ"]).encode()


def _bare(text: str) -> str:
    return text.replace("^", " ").replace("~", " ")


def _png(text: str) -> bytes:
    """Bars, black and white."""
    bits = hashlib.sha384(text.encode()).digest()
    row = b"\0" + bits  # one bit a pixel
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 1, 0, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(row * HEIGHT, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def _pdf(words: list[str]) -> bytes:
    shown = [
        text.encode("latin-1", "replace")
        .replace(b"\\", b"\\\\")
        .replace(b"(", b"\\(")
        .replace(b")", b"\\)")
        for text in words
    ]
    rows = b" T* ".join(b"(" + text + b") Tj" for text in shown)
    font = b"/Resources << /Font << /F1 5 0 R >> >>"
    page = b"BT /F1 12 Tf 16 TL 72 720 Td " + rows + b" ET"
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R %b >>" % font,
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = b"%PDF-1.4\n"
    places = []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(parts) + 1, table)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n" % (len(parts) + 1)
    return out + b"%d\n%%%%EOF\n" % start
