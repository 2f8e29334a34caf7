"""Webhook pipes: one so far, HTTP with the Standard Webhooks signature."""

from evergrant.adapters.webhooks.sender import HttpWebhooks

__all__ = ["HttpWebhooks"]
