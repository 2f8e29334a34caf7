"""Connection keys of one account: what an SDK holds in place of a refresh token.

Answers for: making, rotating and ending them; a key's text is shown on the page that follows its
making, and never again. Does not answer for: API keys (their own page), or for what a key is good
for without one (nothing).
"""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked, flaws_of
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import home_of, sheet
from evergrant.errors import CallerError, Conflict, Flaw, InvalidInput, NotFound
from evergrant.people import NewConnectionKey
from evergrant.rules.rights import Right

__all__ = ["DOORS"]

_OF = "/console/accounts/{account_id}/keys"
_OVERLAPS = {"0": timedelta(), "1": timedelta(days=1), "7": timedelta(days=7)}


async def show(asked: Asked) -> Response:
    keys = await asked.desk.people.connection_keys(asked.path["account_id"], by=asked.caller)
    return await sheet(asked, "accounts/keys.html", keys=keys[::-1])


async def make(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    try:
        lives = _lives(asked)
        made = await asked.desk.people.add_connection_key(
            account_id,
            name=asked.form.get("name", ""),
            expires_at=None if lives is None else asked.now + lives,
            by=asked.caller,
        )
    except CallerError as error:
        keys = await asked.desk.people.connection_keys(account_id, by=asked.caller)
        return await sheet(
            asked,
            "accounts/keys.html",
            422,
            keys=keys[::-1],
            flaws=flaws_of(error),
            given=asked.form,
        )
    return await _shown(asked, made, "")


def _lives(asked: Asked) -> timedelta | None:
    text = asked.form.get("days", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 3650):
        flaw = Flaw("is a number of days from 1 to 3650, or empty.", field="days")
        raise InvalidInput(flaws=[flaw])
    return timedelta(days=int(text))


async def rotate(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    overlap = _OVERLAPS.get(asked.form.get("overlap", ""), timedelta(days=1))
    try:
        made = await asked.desk.people.rotate_connection_key(
            asked.path["key_id"], account_id=account_id, overlap=overlap, by=asked.caller
        )
    except Conflict as error:
        return asked.back(f"{home_of(account_id)}/keys", str(error), "bad")
    return await _shown(asked, made, asked.path["key_id"])


async def _shown(asked: Asked, made: NewConnectionKey, former: str) -> Response:
    """Not a page to come back to: loading it again would make one more key, which browsers ask
    about, so the way on leads to the list."""
    return await sheet(
        asked,
        "accounts/key_made.html",
        key=made.key,
        secret=made.secret.reveal(),
        former=former,
        token_url=f"{asked.settings.public_url}/auth/o2/token",
    )


async def end_form(asked: Asked) -> Response:
    key = await asked.desk.people.connection_key(asked.path["key_id"], by=asked.caller)
    if key.account_id != asked.path["account_id"]:
        raise NotFound("There is no such connection key.")
    return await sheet(asked, "accounts/key_end.html", key=key)


async def end(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    key = await asked.desk.people.revoke_connection_key(
        asked.path["key_id"], account_id=account_id, by=asked.caller
    )
    name = f" {key.name}" if key.name else ""
    return asked.back(
        f"{home_of(account_id)}/keys", f"The key{name} has ended; nobody takes it any more."
    )


DOORS = (
    Door("GET", _OF, show, Right.READ),
    Door("POST", _OF, make, Right.WRITE),
    Door("POST", f"{_OF}/{{key_id}}/rotate", rotate, Right.WRITE),
    Door("GET", f"{_OF}/{{key_id}}/end", end_form, Right.WRITE),
    Door("POST", f"{_OF}/{{key_id}}/end", end, Right.WRITE),
)
