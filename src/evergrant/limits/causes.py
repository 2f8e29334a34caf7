"""What went wrong with a call, as one of few words.

Answers for: keeping the words by which errors are counted few, whatever Amazon answers. Does not
answer for: what to do about an error.

Sources of Amazon's codes: the ``errors`` of its API models and its page "authorization-errors".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CAUSES", "NO_ANSWER", "THROTTLED", "cause_of"]

THROTTLED = "throttled"
NO_ANSWER = "no_answer"

_OF_CODE: Mapping[str, str] = MappingProxyType(
    {
        # Amazon's
        "accessdenied": "forbidden",
        "badrequest": "invalid_input",
        "conflict": "conflict",
        "forbidden": "forbidden",
        "gone": "not_found",
        "internalerror": "internal_failure",
        "internalfailure": "internal_failure",
        "invalidinput": "invalid_input",
        "invalidparametervalue": "invalid_input",
        "invalidsignature": "unauthorized",
        "missingauthenticationtoken": "unauthorized",
        "missingtoken": "unauthorized",
        "notfound": "not_found",
        "quotaexceeded": THROTTLED,
        "resourcenotfound": "not_found",
        "serviceunavailable": "unavailable",
        "temporarilyunavailable": "unavailable",
        "throttled": THROTTLED,
        "toomanyrequests": THROTTLED,
        "unauthorized": "unauthorized",
        "unauthorizedaccess": "unauthorized",
        "unsupportedmediatype": "unsupported_media_type",
        # ours
        "amazonunavailable": NO_ANSWER,
        "clientgone": "caller_gone",
        "callergone": "caller_gone",
        "clientdisconnected": "caller_gone",
        "cutshort": "cut_short",
        "noanswer": NO_ANSWER,
        "upstreamreset": "cut_short",
    }
)
_OF_STATUS: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_input",
        401: "unauthorized",
        403: "forbidden",
        404: "not_found",
        409: "conflict",
        413: "too_large",
        415: "unsupported_media_type",
        422: "invalid_input",
        429: THROTTLED,
        500: "internal_failure",
        502: "unavailable",
        503: "unavailable",
        504: "unavailable",
    }
)
_OTHER_4XX = "refused"
_OTHER_5XX = "unavailable"
_OTHER = "other"

#: Every word that `cause_of` knows.
CAUSES = frozenset({*_OF_CODE.values(), *_OF_STATUS.values(), _OTHER_4XX, _OTHER_5XX, _OTHER})


def cause_of(status: int | None, error: str) -> str:
    """ "" when nothing went wrong. ``status`` is that of Amazon's answer, None when none came;
    ``error`` a code of Amazon's or of ours. A 429 is a throttle, whatever its body says."""
    if status == 429:
        return THROTTLED
    if error:
        known = _OF_CODE.get("".join(c for c in error.casefold() if c.isalnum()))
        if known is not None:
            return known
    if status is None:
        return NO_ANSWER
    if status < 400:
        return _OTHER if error else ""
    return _OF_STATUS.get(status) or (_OTHER_4XX if status < 500 else _OTHER_5XX)
