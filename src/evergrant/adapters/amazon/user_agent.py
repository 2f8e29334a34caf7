"""How we introduce ourselves to Amazon.

Answers for: the one header. Does not answer for: who sends it.

``AppName/Version (Language=...; Platform=...)``, with backslashes before the characters that have
a meaning in it; over 500 characters are refused. Source: developer guide, "include a User-Agent
header in all requests".
"""

from __future__ import annotations

import platform
import re

__all__ = ["user_agent"]

LONGEST = 500
_IN_NAME = re.compile(r"[\\/]")
_IN_VERSION = re.compile(r"[\\(]")
_IN_VALUE = re.compile(r"[\\=;)]")
_UNWANTED = re.compile(r"[^\x20-\x7e]")


def user_agent(name: str, version: str) -> str:
    """For one product of this name and version, on this Python and platform."""
    name = _IN_NAME.sub(_escaped, _UNWANTED.sub("", name))[:80] or "Evergrant"
    version = _IN_VERSION.sub(_escaped, _UNWANTED.sub("", version))[:40]
    language = _IN_VALUE.sub(_escaped, f"Python/{platform.python_version()}")
    system = _IN_VALUE.sub(_escaped, f"{platform.system()}/{platform.release()}")
    return f"{name}/{version} (Language={language}; Platform={system[:120]})"[:LONGEST]


def _escaped(found: re.Match[str]) -> str:
    return "\\" + found.group()
