"""A webhook pipe for tests: keeps what it is given."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from evergrant.errors import NotDelivered
from evergrant.ports import WebhookPost

__all__ = ["MemoryWebhooks"]


class MemoryWebhooks:
    """``ports.Webhooks`` in memory. ``posts`` is what was delivered, in order."""

    def __init__(self) -> None:
        self.posts: list[WebhookPost] = []
        self._failures: list[NotDelivered] = []

    def fail_next(self, *, permanent: bool = False, times: int = 1) -> None:
        """The next ``times`` attempts are refused."""
        status = 410 if permanent else 503
        for _ in range(times):
            self._failures.append(
                NotDelivered(
                    f"The receiver answered {status}.",
                    permanent=permanent,
                    facts={"status": status},
                )
            )

    async def deliver(self, post: WebhookPost) -> None:
        parts = urlsplit(post.url)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise NotDelivered("The webhook URL is no URL.", permanent=True)
        if self._failures:
            raise self._failures.pop(0)
        self.posts.append(post)

    def events(self) -> list[dict[str, Any]]:
        """The delivered bodies, read."""
        return [json.loads(post.body) for post in self.posts]
