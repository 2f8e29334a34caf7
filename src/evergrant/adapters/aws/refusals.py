"""What AWS's errors mean for the queue, and which of its settings to look at.

Answers for: telling settings (QueueRefused) from weather (QueueUnavailable), in words without
secrets. Does not answer for: trying again.

Sources: "Common errors" of the SQS and STS API references, the errors of their models, and
botocore's own exceptions.
"""

from __future__ import annotations

from typing import Any

from evergrant.errors import EvergrantError, QueueRefused, QueueUnavailable
from evergrant.ports.secrets_queue import QueueAccess
from evergrant.rules.secrecy import MASK, scrub

__all__ = ["ASSUME", "DELETE", "RECEIVE", "SILENT_HINT", "is_gone", "is_over", "meaning"]

ASSUME, RECEIVE, DELETE = "sts:AssumeRole", "sqs:ReceiveMessage", "sqs:DeleteMessage"

SILENT_HINT = (
    "It is asked again by itself. When it lasts: may this machine connect to SQS and STS of the "
    "queue's region by HTTPS?"
)
_LONGEST = 200
_OVER = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_GONE = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight"})
_KEY_UNKNOWN = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "UnrecognizedClientException",
    }
)
_SECRET_WRONG = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
_CLOCK = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
)
_NO_QUEUE = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "InvalidAddress",
        "NonExistentQueue",
        "QueueDeletedRecently",
        "QueueDoesNotExist",
    }
)
_REGION_OFF = frozenset({"OptInRequired", "RegionDisabledException"})
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "InternalFailure",
        "KMS.ThrottlingException",
        "KmsThrottled",
        "LimitExceededException",
        "OverLimit",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def is_over(error: Exception) -> bool:
    """Temporary credentials that ended: assume the role again."""
    return _code(error) in _OVER


def is_gone(error: Exception) -> bool:
    """A message to delete that is not there, or not ours any more."""
    return _code(error) in _GONE


def meaning(error: Exception, access: QueueAccess, action: str) -> EvergrantError:
    """``error``: of botocore. ``action``: what was asked for."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _answered(error, access, action)
    name = type(error).__name__
    if isinstance(error, exceptions.ParamValidationError | exceptions.InvalidRegionError):
        return QueueRefused(
            f"The {_what(action)} is not one: {name}.", hint=_hint(action), facts={"error": name}
        )
    if isinstance(error, exceptions.SSLError):
        return QueueUnavailable(
            f"AWS has no certificate that we trust ({action}).",
            hint="Something on the way answers instead of AWS, or the machine's clock is wrong.",
            facts={"error": name},
        )
    return QueueUnavailable(
        f"AWS did not answer ({action}): {name}.",
        hint=SILENT_HINT,
        facts={"error": name},
    )


def _answered(error: Any, access: QueueAccess, action: str) -> EvergrantError:
    code = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    facts: dict[str, object] = {"aws_code": code, "status": status, "action": action}
    said = _words(error, access)
    told = f"{code}: {said}" if said else code
    if code in _THROTTLED or status == 429 or status >= 500:
        return QueueUnavailable(f"AWS has no answer now ({action}): {told}", facts=facts)
    if code in _SECRET_WRONG and "xpired" not in said and "not yet current" not in said:
        # What it says of the signature quotes what was signed.
        message, hint = (
            f"AWS does not accept the secret key ({action}): {code}.",
            "The secret key does not belong to the access key: set both again.",
        )
    elif code in _CLOCK or code in _SECRET_WRONG:
        message, hint = (
            f"AWS finds the time of this machine wrong ({action}): {told}",
            "Let this machine's clock be set by a time server.",
        )
    elif code in _KEY_UNKNOWN:
        message, hint = (
            f"AWS does not know the access key ({action}): {told}",
            _KEY_HINT,
        )
    elif "kms" in code.lower() or (code in _DENIED and "kms:" in said.lower()):
        message, hint = (
            f"AWS does not decrypt the queue's messages for us ({action}): {told}",
            _KMS_HINT,
        )
    elif code in _NO_QUEUE:
        message, hint = f"AWS has no such queue ({action}): {told}", _URL_HINT
    elif code in _REGION_OFF:
        message, hint = (
            f"The queue's region is not open to this AWS account ({action}): {told}",
            "Enable the region in the account settings of AWS, STS of it included.",
        )
    else:
        message, hint = f"AWS refuses {action}: {told}", _hint(action)
    return QueueRefused(message, hint=hint, facts=facts)


_KEY_HINT = (
    "Is the access key active in IAM, and of this part of AWS (China has its own)? Make a new one "
    "there, and set access key and secret key."
)
_KMS_HINT = (
    "Allow kms:Decrypt on the key of the queue (KMS console, key policy) to the role, or to the "
    "user of the access key where there is no role."
)
_URL_HINT = (
    "Compare the queue URL with the Amazon SQS console: account, region and name, upper and lower "
    "case."
)


def _hint(action: str) -> str:
    if action == ASSUME:
        return (
            "Look at the role ARN, at the role's trust policy (IAM console: it has to allow "
            "sts:AssumeRole to the user of the access key), and at that user's own policy."
        )
    return (
        "Allow sqs:ReceiveMessage and sqs:DeleteMessage on the queue: in a policy of the role "
        "(IAM console), or of the user of the access key where there is no role; and look whether "
        "the queue's access policy denies it."
    )


def _what(action: str) -> str:
    return "role ARN" if action == ASSUME else "queue URL"


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    code = str(response.get("Error", {}).get("Code") or "")
    return scrub(code)[:80] or "no code"


def _words(error: Any, access: QueueAccess) -> str:
    """The first line of what AWS says, without anything secret."""
    text = str(error.response.get("Error", {}).get("Message") or "").strip()
    text = text.partition("\n")[0]
    for secret in (access.access_key, access.secret_key):
        if secret:
            text = text.replace(secret.reveal(), MASK)
    return scrub(text)[:_LONGEST]
