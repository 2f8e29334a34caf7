"""Queue policies: whether somebody of another account may do something with a queue.

Answers for: the elements that queue policies of the field use (Effect, Principal, Action, Resource,
their wildcards, a Deny before every Allow). Of conditions only `aws:SecureTransport` is understood,
as Amazon comes over TLS; a statement with any other condition does not apply.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Literal

__all__ = ["AMAZON", "allows", "for_amazon", "is_readable", "verdict"]

AMAZON = "437568002678"  # the account that SP-API sends notifications from


def is_readable(policy: str) -> bool:
    """Whether it is a policy at all: JSON with statements."""
    try:
        given = json.loads(policy)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(given, dict)
        and "Statement" in given
        and all(
            isinstance(one, dict) and one.get("Effect") in ("Allow", "Deny")
            for one in _list(given["Statement"])
        )
    )


def for_amazon(arn: str) -> str:
    """The policy that Amazon's page on SQS destinations asks for."""
    statement = {
        "Sid": "selling-partner-api",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{AMAZON}:root"},
        "Action": ["sqs:SendMessage", "sqs:GetQueueAttributes"],
        "Resource": arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allows(policy: str, *, account_id: str, arn: str | None, action: str, resource: str) -> bool:
    """Whether a policy lets an account (and its principal ``arn``) do `sqs:<action>`."""
    said = verdict(policy, account_id=account_id, arn=arn, action=action, resource=resource)
    return said == "Allow"


def verdict(
    policy: str, *, account_id: str, arn: str | None, action: str, resource: str
) -> Literal["Allow", "Deny"] | None:
    """What a policy says to it; None: nothing."""
    if not policy or not is_readable(policy):
        return None
    who = {account_id, f"arn:aws:iam::{account_id}:root", *([arn] if arn else [])}
    effects = [
        statement["Effect"]
        for statement in _list(json.loads(policy)["Statement"])
        if _is_for(statement, who)
        and any(_fits(action, pattern) for pattern in _texts(statement.get("Action")))
        and any(_is_like(resource, pattern) for pattern in _texts(statement.get("Resource")))
        and _holds(statement.get("Condition"))
    ]
    if "Deny" in effects:
        return "Deny"
    return "Allow" if effects else None


def _is_for(statement: dict[str, Any], who: set[str]) -> bool:
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    return any(name == "*" or name in who for name in _texts(named))


def _fits(action: str, pattern: str) -> bool:
    return _is_like(f"sqs:{action}".lower(), pattern.lower())


def _is_like(text: str, pattern: str) -> bool:
    """`*` and `?` are AWS's only wildcards."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _holds(condition: Any) -> bool:
    if not condition:
        return True
    if not isinstance(condition, dict):
        return False
    return all(
        operator.lower() == "bool"
        and isinstance(tests, dict)
        and all(
            key.lower() == "aws:securetransport" and str(wanted).lower() == "true"
            for key, wanted in tests.items()
        )
        for operator, tests in condition.items()
    )


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _texts(given: Any) -> Iterator[str]:
    return (one for one in _list(given) if isinstance(one, str))
