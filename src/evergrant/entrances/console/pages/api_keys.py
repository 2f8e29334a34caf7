"""API keys: what programs of the house come in with.

Answers for: showing them, making, rotating and revoking one. Does not answer for: connection keys,
which belong to an account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import InvalidInput
from evergrant.intake import Flaws
from evergrant.people import NewApiKey
from evergrant.ports.things import ApiKey, ClientInstance
from evergrant.rules.rights import EVERYWHERE_ONLY, Right

__all__ = ["DOORS"]

_PAGE = 200
#: For people who choose; in the order in which a key usually needs them.
RIGHTS = (
    (Right.READ, "Read", "accounts, applications, reports, the journal"),
    (Right.ACCESS_TOKENS, "Access tokens", "of the accounts within reach"),
    (Right.WRITE, "Write", "add and change accounts, send links, hand in changes"),
    (Right.AMAZON_READ, "Gateway, reading", "operations of Amazon that only read"),
    (Right.AMAZON_WRITE, "Gateway, changing", "operations of Amazon that change something"),
    (Right.ORDERS, "Orders", "without what is personal in them"),
    (Right.PERSONAL_DATA, "Buyers' personal data", "together with orders or the gateway"),
    (Right.SIGN_OFF, "Sign off", "what a person has to look at before going live"),
    (Right.AUDIT, "Audit", "who may come in, and the settings in force"),
    (Right.MANAGE, "Manage", "applications, credentials, instances, operators, keys"),
    (Right.DATA_PLANE, "Data plane", "for nginx alone"),
)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as the list shows it."""

    key: ApiKey
    reach: str
    state: str  # a badge's kind
    words: str

    @property
    def works(self) -> bool:
        return self.state != "quiet"


async def keys(asked: Asked) -> Response:
    return await _list(asked)


async def _list(asked: Asked, made: NewApiKey | None = None) -> Response:
    known = await asked.desk.people.api_keys(
        by=asked.caller, after=asked.query.get("after") or None, limit=_PAGE
    )
    names = {one.id: one.name for one in await _instances(asked)}
    rows = [_row(key, names, asked.now) for key in known]
    further = known[-1].id if len(known) == _PAGE else None
    return asked.page("api_keys/list.html", rows=rows, made=made, further=further)


def _row(key: ApiKey, names: dict[str, str], now: datetime) -> KeyRow:
    if key.account_ids is not None:
        count = len(key.account_ids)
        reach = f"{count} account{'' if count == 1 else 's'}"
    elif key.client_instance_id is not None:
        reach = names.get(key.client_instance_id, key.client_instance_id)
    else:
        reach = "everything"
    if key.revoked_at is not None:
        return KeyRow(key, reach, "quiet", "revoked")
    if key.expires_at is not None and key.expires_at <= now:
        return KeyRow(key, reach, "quiet", "over")
    if key.replaced_by is not None:
        return KeyRow(key, reach, "warm", "replaced, works until its end")
    return KeyRow(key, reach, "good", "works")


async def _instances(asked: Asked) -> list[ClientInstance]:
    return await asked.desk.registry.instances(by=asked.caller, limit=1000)


async def new_key_form(asked: Asked) -> Response:
    return await _form(asked)


async def _form(asked: Asked, refused: InvalidInput | None = None) -> Response:
    facts: dict[str, Any] = {
        "rights": RIGHTS,
        "everywhere_only": EVERYWHERE_ONLY,
        "chosen": asked.form_list("rights") if refused else ["read"],
        "instances": [
            ("", "everything"),
            *((one.id, one.name) for one in await _instances(asked)),
        ],
    }
    if refused is None:
        return asked.page("api_keys/new.html", **facts)
    return asked.flawed("api_keys/new.html", refused, **facts)


async def add_key(asked: Asked) -> Response:
    try:
        made = await asked.desk.people.add_api_key(
            name=asked.form.get("name", ""),
            rights=asked.form_list("rights"),
            client_instance_id=asked.form.get("instance") or None,
            account_ids=_words(asked.form.get("accounts", "")) or None,
            expires_at=_end_of_day(asked.form.get("ends_on", "")),
            by=asked.caller,
        )
    except InvalidInput as refused:
        return await _form(asked, refused)
    return await _list(asked, made)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _end_of_day(text: str) -> datetime | None:
    """A key that ends on a day works on that day. Raises InvalidInput."""
    if not text.strip():
        return None
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 - a day
    except ValueError:
        flaws = Flaws()
        flaws.add("ends_on", "is no day.", hint="Write it as 2027-05-31.")
        flaws.refuse_if_any()
        raise
    return datetime.combine(day + timedelta(days=1), time(), UTC)


async def rotate_key(asked: Asked) -> Response:
    made = await asked.desk.people.rotate_api_key(asked.path["key_id"], by=asked.caller)
    return await _list(asked, made)


async def revoke_key_form(asked: Asked) -> Response:
    key = await asked.desk.people.api_key(asked.path["key_id"], by=asked.caller)
    return asked.page("api_keys/revoke.html", key=key)


async def revoke_key(asked: Asked) -> Response:
    key = await asked.desk.people.revoke_api_key(asked.path["key_id"], by=asked.caller)
    return asked.back("/console/api-keys", f"“{key.name}” is revoked; it opens nothing any more.")


DOORS = (
    Door("GET", "/console/api-keys", keys, Right.AUDIT),
    Door("GET", "/console/api-keys/new", new_key_form, Right.MANAGE),
    Door("POST", "/console/api-keys/new", add_key, Right.MANAGE),
    Door("POST", "/console/api-keys/{key_id}/rotate", rotate_key, Right.MANAGE),
    Door("GET", "/console/api-keys/{key_id}/revoke", revoke_key_form, Right.MANAGE),
    Door("POST", "/console/api-keys/{key_id}/revoke", revoke_key, Right.MANAGE),
)
