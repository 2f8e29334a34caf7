"""The door for programs: ``/v1``, described by OpenAPI 3.1.

Answers for: parsing, calling one verb of a room, showing what it gave; problems by RFC 9457.
Does not answer for: access tokens, which have a faster door of their own (it is part of the
description nevertheless), or any decision.
"""

from evergrant.entrances.api.app import build

__all__ = ["build"]
