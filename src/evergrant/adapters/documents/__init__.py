"""Amazon's documents over HTTPS.

Answers for: ``ports.documents.Documents``: presigned addresses, streamed both ways, no redirects,
no access token. Does not answer for: asking for addresses, packing and unpacking.
"""

from __future__ import annotations

from evergrant.adapters.documents.http import HttpDocuments

__all__ = ["HttpDocuments"]
