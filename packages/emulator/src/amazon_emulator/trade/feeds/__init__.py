"""Feeds: their queue, their statuses over time, their ends and their processing reports."""

__all__: list[str] = []
