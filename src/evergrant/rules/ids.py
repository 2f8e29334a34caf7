"""Names of things: ours, and the shapes of Amazon's.

Answers for: making our ids out of an instant and entropy, and judging ids, names and addresses
that people type. Does not answer for: whether such a thing exists.

Sources of Amazon's shapes: the developer guide, the official samples' deployment notes, and
selling-partner-api-docs issue 3479 (an LWA client id in place of the application id is a common
cause of MD1000).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from evergrant.rules.faults import Fault
from evergrant.rules.secrecy import scrub

__all__ = [
    "LANGUAGES",
    "Kind",
    "check",
    "check_application_id",
    "check_email",
    "check_language",
    "check_lwa_client_id",
    "check_merchant_token",
    "check_name",
    "check_queue_url",
    "check_reference",
    "check_role_arn",
    "check_selling_partner_id",
    "check_vendor_code",
    "kind_of",
    "made_at",
    "make",
    "reference",
]


class Kind(StrEnum):
    """The prefix of an id says what it names."""

    APPLICATION = "app"
    INSTANCE = "ins"
    ACCOUNT = "acc"
    INVITATION = "inv"
    HANDSHAKE = "hsk"
    AUTHORIZATION = "aut"
    GRANT = "grt"
    OPERATOR = "opr"
    OPERATOR_SESSION = "ses"
    OPERATOR_INVITATION = "oin"
    API_KEY = "key"
    CONNECTION_KEY = "con"
    OUTBOX = "out"
    REPORT = "rep"
    EVENT = "evt"
    NOTICE = "ntc"
    REMINDER = "rmd"
    ROTATION = "rot"
    CHANGE = "chg"
    INTAKE = "itk"
    FEED_RUN = "run"
    AMAZON_REPORT = "arp"
    SAVED_FILTER = "flt"


# Crockford's base 32: no i, l, o, u, so nobody misreads one on the phone.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_BODY = re.compile(rf"[{_ALPHABET}]{{26}}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Languages in which letters and pages exist: each has its catalogue beside ``evergrant.letters``,
#: except the first, which is the language of the sources.
LANGUAGES = ("en", "de", "fr", "it", "es")


def make(kind: Kind, now: datetime, entropy: bytes) -> str:
    """``acc_`` and 26 characters: 48 bits of milliseconds, 80 bits of entropy (10 bytes). Ids of
    one kind sort by time."""
    if len(entropy) != 10:
        raise ValueError("an id takes exactly 10 bytes of entropy")
    if now.tzinfo is None:
        raise ValueError("an id takes an aware instant")
    milliseconds = int(now.timestamp() * 1000)
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError(f"an id cannot hold the instant {now.isoformat()}")
    number = (milliseconds << 80) | int.from_bytes(entropy)
    return f"{kind.value}_{_base32(number, 26)}"


def made_at(text: str) -> datetime:
    """The instant, to the millisecond, out of which an id of ours was made."""
    number = 0
    for digit in text.rpartition("_")[2]:
        number = number * 32 + _ALPHABET.index(digit)
    return _EPOCH + timedelta(milliseconds=number >> 80)


def check(kind: Kind, text: str) -> str:
    """``text`` if it has the shape of such an id. Raises Fault."""
    prefix, _, body = text.partition("_")
    if prefix != kind.value or not _BODY.fullmatch(body):
        other = kind_of(text)
        raise Fault(
            "not_an_id",
            f"This is not the id of {_article(kind)}.",
            hint=f"It is the id of {_article(other)}."
            if other
            else f"It begins with {kind.value}_.",
        )
    return text


def kind_of(text: str) -> Kind | None:
    """What ``text`` names by its shape, or None if it is no id of ours."""
    prefix, _, body = text.partition("_")
    known = {kind.value: kind for kind in Kind}
    return known.get(prefix) if _BODY.fullmatch(body) else None


def _article(kind: Kind) -> str:
    word = kind.name.lower().replace("_", " ")
    if kind is Kind.API_KEY:
        word = "API key"
    return f"{'an' if word[0] in 'aeioAEIO' else 'a'} {word}"


def _base32(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


# --- reference numbers ----------------------------------------------------------------------


def reference(entropy: bytes) -> str:
    """A number for people on the phone: ``EG-7F3K-92QD``. 35 random bits (of 5 bytes) and a check
    character, which finds every single wrong character."""
    if len(entropy) != 5:
        raise ValueError("a reference number takes exactly 5 bytes of entropy")
    body = _base32(int.from_bytes(entropy) & ((1 << 35) - 1), 7).upper()
    return _shown(body + _check_character(body))


def check_reference(text: str) -> str:
    """As people type it (lower case, O for 0, I or L for 1, blanks, no dashes) in our form.
    Raises Fault when it cannot be a reference number of ours."""
    plain = re.sub(r"[\s\-–—_.]", "", text.upper())
    plain = plain.removeprefix("EG")
    plain = plain.translate(str.maketrans("OIL", "011"))
    well_formed = len(plain) == 8 and all(c.lower() in _ALPHABET for c in plain)
    if not well_formed or _check_character(plain[:7]) != plain[7]:
        raise Fault(
            "not_a_reference",
            "This is not a reference number.",
            field="reference",
            hint="It looks like EG-7F3K-92QD; one character may be mistyped.",
        )
    return _shown(plain)


def _shown(plain: str) -> str:
    return f"EG-{plain[:4]}-{plain[4:]}"


def _check_character(body: str) -> str:
    # Weights are odd, so that no single wrong character leaves the sum modulo 32 as it was; they
    # differ, so that most swaps of neighbours are found, too.
    total = sum(
        weight * _ALPHABET.index(character.lower())
        for weight, character in zip((1, 3, 5, 7, 9, 11, 13), body, strict=True)
    )
    return _ALPHABET[total % 32].upper()


# --- Amazon's shapes ------------------------------------------------------------------------

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_APPLICATION_ID = re.compile(rf"amzn1\.(sellerapps\.app|sp\.solution)\.{_UUID}")
_LWA_CLIENT_ID = re.compile(r"amzn1\.application-oa2-client\.[0-9a-zA-Z]{8,128}")


def check_application_id(text: str, field: str = "application_id") -> str:
    """``amzn1.sellerapps.app.<uuid>`` or, newer, ``amzn1.sp.solution.<uuid>``."""
    if _APPLICATION_ID.fullmatch(text):
        return text
    hint = "It looks like amzn1.sp.solution.<uuid> or amzn1.sellerapps.app.<uuid>."
    if text.startswith("amzn1.application-oa2-client."):
        hint = (
            "This is the LWA client id, which belongs to the credentials. The application id "
            "stands next to the application's name in the developer console; with the wrong one "
            "Amazon shows error MD1000."
        )
    elif text.startswith("amzn1.oa2-cs."):
        hint = "This is a client secret. Rotate it if anybody else saw it."
    raise Fault("bad_application_id", "This is not an application id.", field=field, hint=hint)


def check_lwa_client_id(text: str, field: str = "lwa_client_id") -> str:
    if _LWA_CLIENT_ID.fullmatch(text):
        return text
    hint = "It looks like amzn1.application-oa2-client.<hex>, under 'LWA credentials' > View."
    if text.startswith("amzn1.oa2-cs."):
        hint = "This is a client secret: it belongs into the field of the secret."
    elif _APPLICATION_ID.fullmatch(text):
        hint = "This is the application id, not the LWA client id."
    raise Fault("bad_lwa_client_id", "This is not an LWA client id.", field=field, hint=hint)


def check_selling_partner_id(text: str, field: str = "selling_partner_id") -> str:
    """A merchant token or the code of a vendor group, as the callback names it."""
    if re.fullmatch(r"[A-Za-z0-9_.\-]{2,64}", text):
        return text
    raise Fault(
        "bad_selling_partner_id",
        "This is not the id of a selling partner.",
        field=field,
        hint="It is 2 to 64 letters and digits, as Amazon reported it.",
    )


def check_merchant_token(text: str, field: str = "merchant_token") -> str:
    """A seller's id, such as ``A2EXAMPLE7SELLER``. An identifier, not a secret."""
    if re.fullmatch(r"A[A-Z0-9]{9,19}", text):
        return text
    hint = "It begins with A and is 10 to 20 capital letters and digits (Settings > Account info)."
    if text.startswith(("Atzr|", "Atza|")):
        hint = "This is a secret of Amazon's, not the merchant token. Use 'adopt' to paste one."
    elif re.fullmatch(r"a[a-z0-9]{9,19}", text):
        hint = f"Write it in capitals: {text.upper()}."
    raise Fault("bad_merchant_token", "This is not a merchant token.", field=field, hint=hint)


def check_vendor_code(text: str, field: str = "vendor_codes") -> str:
    """Amazon's code of one vendor relation, mostly five characters."""
    if re.fullmatch(r"[A-Z0-9]{3,10}", text):
        return text
    raise Fault(
        "bad_vendor_code",
        f"'{text[:20]}' is not a vendor code.",
        field=field,
        hint="It is 3 to 10 capital letters and digits, such as ABC12.",
    )


def check_role_arn(text: str, field: str = "role_arn") -> str:
    if re.fullmatch(r"arn:aws[a-z\-]*:iam::\d{12}:(role|user)/[\w+=,.@/\-]{1,512}", text):
        return text
    raise Fault(
        "bad_role_arn",
        "This is not the ARN of a role or user.",
        field=field,
        hint="It looks like arn:aws:iam::123456789012:role/Name.",
    )


def check_queue_url(text: str, field: str = "queue_url") -> str:
    """An SQS queue's URL. FIFO queues are refused: Amazon delivers to standard queues only."""
    if not re.fullmatch(
        r"https?://[A-Za-z0-9.\-]+(:\d{1,5})?/\d{12}/[A-Za-z0-9_\-]{1,80}(\.fifo)?", text
    ):
        raise Fault(
            "bad_queue_url",
            "This is not the URL of an SQS queue.",
            field=field,
            hint="It looks like https://sqs.eu-west-1.amazonaws.com/123456789012/name.",
        )
    if text.endswith(".fifo"):
        raise Fault(
            "fifo_queue",
            "Amazon delivers to standard queues only.",
            field=field,
            hint="Make a queue without .fifo.",
        )
    return text


# --- what people type -----------------------------------------------------------------------


def check_email(text: str, field: str = "email") -> str:
    """The shape alone: one @, a domain with a dot or localhost, nothing that could break out of
    a mail header. Whether anybody reads it shows when the mail is sent."""
    local, at, domain = text.rpartition("@")
    fine = (
        at
        and 1 <= len(local) <= 64
        and len(text) <= 254
        and text.isprintable()
        and not re.search(r"[\s,;:<>()\[\]\\\"@]", local)
        and re.fullmatch(
            r"(localhost|(?!-)[^\W_](?:[\w\-]*[^\W_])?(\.[^\W_](?:[\w\-]*[^\W_])?)+)", domain
        )
        and "_" not in domain
    )
    if fine:
        return text
    raise Fault(
        "bad_email",
        "This is not an e-mail address.",
        field=field,
        hint="One address alone, such as anna@example.com.",
    )


def check_language(text: str, field: str = "language") -> str:
    language = text.strip().lower()
    if language in LANGUAGES:
        return language
    raise Fault(
        "unknown_language",
        f"There are no letters in '{text[:20]}'.",
        field=field,
        hint=f"Languages are: {', '.join(LANGUAGES)}.",
    )


def check_name(text: str, field: str = "name") -> str:
    """1 to 200 printable characters, without blanks at the ends."""
    name = text.strip()
    if scrub(name) != name:
        raise Fault(
            "holds_secret",
            "This holds a secret; a name is stored as it is and shown to everybody.",
            field=field,
            hint="Write a name that your people recognise.",
        )
    if 1 <= len(name) <= 200 and name.isprintable():
        return name
    problem = "is empty" if not name else "is too long" if len(name) > 200 else "cannot be printed"
    raise Fault("bad_name", f"The name {problem}.", field=field, hint="1 to 200 characters.")
