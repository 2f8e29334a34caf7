"""What the ``data`` of each kind of event holds: the names, which stay, and what each one means.

Answers for: the list, which the guide for integrators is written from and tests hold the rooms to.
Does not answer for: the kinds of events (``topics``), or for filling it in (the out tray).

Names are added and never changed or taken away, so that a program which reads one goes on reading
it. An instant is text, as in RFC 3339; null where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from evergrant.rules.topics import EVENTS

__all__ = ["EVERY_EVENT", "FACTS", "OF_ACCOUNT", "OF_APPLICATION", "facts_of"]

EVERY_EVENT: Mapping[str, str] = MappingProxyType(
    {
        "subject": "id of the thing: of the authorization, or of the application",
        "account_id": "null for what is about an application",
    }
)
OF_ACCOUNT: Mapping[str, str] = MappingProxyType(
    {
        "account_id": "id of the account",
        "account_name": "its name",
        "partner_kind": "`seller` or `vendor`",
        "region": "`na`, `eu` or `fe`",
        "authorization_id": "id of its authorization",
        "selling_partner_id": "Amazon's id of the seller or vendor; empty while unknown",
        "state": "`awaiting`, `active`, `lapsed`, `revoked` or `closed`, after the event",
        "granted_at": "when the grant in force was given",
        "term_ends_at": "when it ends; null where Amazon states no end",
    }
)
OF_APPLICATION: Mapping[str, str] = MappingProxyType(
    {
        "application_id": "id of the application",
        "application_name": "its name",
        "amazon_application_id": "Amazon's id of it",
    }
)
#: Nothing of the buyer is told by an event.
_OF_ORDER: Mapping[str, str] = MappingProxyType(
    {
        "order_id": "Amazon's id of the order: `GET /v1/accounts/{account_id}/orders/{order_id}`",
        "kind": "`seller`, `retail` (a vendor's purchase order) or `direct` (direct fulfillment)",
        "status": "as Amazon calls it",
        "marketplace_id": "Amazon's id of the marketplace; empty for vendors",
        "amazon_changed_at": "when it changed at Amazon; null where Amazon does not say",
    }
)
#: What each kind adds to these.
FACTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "authorization.granted": {
            "renewal": "false",
            "grant_id": "id of the grant",
            "source": "`consent` or `adopted`",
            "begun_by": "`partner`, or `operator`: one of yours, with the selling partner at the "
            "phone; empty where it was adopted",
        },
        "authorization.renewed": {
            "renewal": "true",
            "grant_id": "id of the grant in force",
            "source": "`consent`, `adopted` or `reinstated`",
            "begun_by": "`partner`, or `operator`: one of yours, with the selling partner at the "
            "phone; of a consent only",
        },
        "authorization.expiring": {"days_left": "whole days until the end; 0 on the day itself"},
        "authorization.lapsed": {"amazon_reason": "Amazon's words, where it refused; may be empty"},
        "authorization.revoked": {"amazon_reason": "Amazon's words"},
        "authorization.failed": {
            "renewal": "true when it had been authorized before",
            "begun_by": "`partner`, or `operator`: who began the consent that went wrong",
            "reference": "number of the report: `evergrant report`",
            "reason": "what went wrong, as one word",
            "blame": "who has to act: `partner`, `application`, `amazon`, `caller` or `us`",
            "happened": "what went wrong, for a person",
            "amazon_reason": "Amazon's words; of a renewal that it refused",
            "grant_id": "id of the grant in force; of a renewal that was refused",
            "refused_grant_id": "id of the grant that was refused; of a renewal",
        },
        "secret.expiring": {
            "days_left": "whole days until the end",
            "ends_at": "when the client secret ends",
        },
        "secret.rotated": {
            "rotation_id": "id of the rotation",
            "source": "`asked` (by Evergrant), `sent` (from Amazon's console) or `pasted`",
            "ends_at": "when the new client secret ends",
            "previous_ends_at": "until when the former one works",
        },
        "secret.failed": {"amazon_said": "Amazon's words", "since": "since when"},
        "secret.dead": {"amazon_said": "Amazon's words", "since": "since when"},
        "account.changed": {
            "changed": "names of what changed: `marketplaces` and `access` (Amazon's doing), "
            "fields of the account, `state`",
            "before": "what each of them was, by its name",
            "after": "what each of them is now; `access` is `allowed` or `denied`",
            "amazon_said": "Amazon's words, where it denies what it allowed before",
        },
        "order.received": _OF_ORDER,
        "order.changed": _OF_ORDER,
        "feed.settled": {
            "run_id": "id of the run",
            "path": "how it went to Amazon: `patch`, `listings_feed`, `adjustment_feed` and so on",
            "step": "`settled`, `failed` (it did not come through as a whole) or `uncertain`",
            "feed_id": "Amazon's feed id or transaction id; empty where there is none",
            "changes": "how many it held",
            "accepted": "how many Amazon took",
            "refused": "how many it refused, or were tried too often",
            "returned": "how many went back to wait",
            "uncertain": "of how many nobody knows",
        },
        "changes.refused": {
            "run_id": "id of the run",
            "path": "how it went to Amazon",
            "refused": "how many were refused",
            "changes": "the first 50 of them: `id`, `kind` and `code` of each",
        },
    }
)


def facts_of(topic: str) -> Mapping[str, str]:
    """All names that ``data`` may hold in an event of this kind. Raises KeyError."""
    base = OF_APPLICATION if topic.startswith("secret.") else OF_ACCOUNT
    return {**EVERY_EVENT, **base, **FACTS[topic]}


def _assert_complete() -> None:
    if missing := set(EVENTS) ^ set(FACTS):
        raise AssertionError(f"no facts, or no meaning, of {sorted(missing)}")


_assert_complete()
