"""STS: AssumeRole and GetCallerIdentity (Amazon's STS API reference, version 2011-06-15)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.aws.refusals import Refused
from amazon_emulator.faces.aws.speech import Spoken
from amazon_emulator.trade.queues.access import AccessKey, AwsAccess, NotAllowed, Principal

__all__ = ["OPERATIONS", "do"]

OPERATIONS = ("AssumeRole", "GetCallerIdentity")

_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


def do(
    access: AwsAccess, spoken: Spoken, access_key_id: str, who: Principal, now: datetime
) -> dict[str, Any]:
    """What STS answers. Raises Refused."""
    match spoken.action:
        case "AssumeRole":
            return _assume_role(access, spoken, access.keys.get(access_key_id), who, now)
        case "GetCallerIdentity":
            return {"Arn": who.arn, "UserId": access_key_id, "Account": who.account_id}
    raise Refused("InvalidAction", f"Could not find operation {spoken.action or '(none)'}", 400)


def _assume_role(
    access: AwsAccess, spoken: Spoken, key: AccessKey | None, who: Principal, now: datetime
) -> dict[str, Any]:
    role_arn, name = spoken.fields.get("RoleArn", ""), spoken.fields.get("RoleSessionName", "")
    if not role_arn or not _SESSION_NAME.fullmatch(name):
        raise Refused(
            "ValidationError",
            "1 validation error detected: 'RoleArn' and 'RoleSessionName' must be given; the name "
            "must satisfy regular expression pattern: [\\w+=,.@-]*",
            400,
        )
    seconds = str(spoken.fields.get("DurationSeconds", "3600"))
    if not seconds.isascii() or not seconds.isdigit() or not 900 <= int(seconds[:9]) <= 43_200:
        raise Refused(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to "
            "satisfy constraint: Member must be from 900 to 43200",
            400,
        )
    if key is None:
        raise Refused(
            "AccessDenied", "The emulator lets sessions of roles assume no further role.", 403
        )
    try:
        session = access.assume(key, role_arn, name, timedelta(seconds=int(seconds)), now)
    except NotAllowed as refused:
        raise Refused("AccessDenied", str(refused), 403) from None
    return {
        "AssumedRoleUser": {
            "AssumedRoleId": f"{session.access_key_id}:{session.name}",
            "Arn": session.arn,
        },
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
            "Expiration": stamp(session.ends_at),
        },
    }
