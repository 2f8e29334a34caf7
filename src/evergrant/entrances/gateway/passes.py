"""What programs get at the gateway in place of Amazon's tokens: passes.

Answers for: ``POST /auth/o2/token`` in the shape of Login with Amazon, with an API key as client
secret and a connection key as refresh token; grantless passes, with the application's id as client
id; and createRestrictedDataToken in Amazon's own shape. Does not answer for: what is inside of a
pass (the mint), or what one opens (``asking``, and the gate). No token of Amazon's is given here,
nor is Amazon asked for one.
"""

from __future__ import annotations

import json
from typing import Final

from starlette.types import Receive, Scope, Send

from evergrant.desk import Desk
from evergrant.entrances.gateway.asking import Program
from evergrant.entrances.lwa_shapes import (
    UNKNOWN_GRANT,
    Asked,
    Refusal,
    client_of,
    serve,
    unsupported,
)
from evergrant.entrances.renewal_links import RenewalLinks
from evergrant.errors import Flaw, InvalidInput, NotAllowed, NotFound
from evergrant.rules import ids, operations
from evergrant.rules.applications import GRANTLESS_SCOPES, ROTATION_SCOPE
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret

__all__ = ["LIFE_S", "PATH", "Passes"]

PATH: Final = "/auth/o2/token"
#: As long as Amazon's tokens; SDKs were built for that.
LIFE_S: Final = 3600
_AMAZON: Final = frozenset({Right.AMAZON_READ, Right.AMAZON_WRITE})

_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})
_MOST_RESOURCES: Final = 50
_LONGEST_PATH: Final = 2_048
_MOST_ELEMENTS: Final = 20


class Passes:
    """Gives them out."""

    def __init__(self, desk: Desk, links: RenewalLinks) -> None:
        self._links = links
        self._desk = desk
        self._people = desk.people
        self._tokens = desk.tokens
        self._calls = desk.calls
        self._store = desk.store

    # --- in place of Login with Amazon ---

    async def token(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The whole answer to a token request."""
        await serve(scope, receive, send, self._told)

    async def _told(self, asked: Asked) -> dict[str, object]:
        caller = await self._caller(asked)
        if asked.grant_type == "refresh_token":
            return await self._of_connection(asked, caller)
        if asked.grant_type == "client_credentials":
            return await self._grantless(asked, caller)
        raise unsupported(asked.grant_type)

    async def _caller(self, asked: Asked) -> Caller:
        caller = await client_of(self._desk, asked)
        if _AMAZON.isdisjoint(caller.rights):
            raise NotAllowed(
                "This key may not call Amazon: it needs the right 'amazon_read' or 'amazon_write'."
            )
        return caller

    async def _of_connection(self, asked: Asked, caller: Caller) -> dict[str, object]:
        if not asked.refresh_token:
            raise _lacks("refresh_token")
        connection = await self._people.connection_of(asked.refresh_token.reveal())
        if connection is None:
            raise Refusal(400, "invalid_grant", UNKNOWN_GRANT)
        try:
            await self._refuse_unless_served(connection.account_id, caller)
        except NotFound:
            # Somebody else's is none that we know.
            raise Refusal(400, "invalid_grant", UNKNOWN_GRANT) from None
        handed, _ = await self._tokens.hand_pass(
            connection.account_id,
            api_key_id=caller.id,
            connection_key_id=connection.id,
            life_s=LIFE_S,
        )
        return {**_shape(handed), "refresh_token": asked.refresh_token.reveal()}

    async def _grantless(self, asked: Asked, caller: Caller) -> dict[str, object]:
        """A pass for the operations of one scope. They are made in some region, and it is an
        account that says in which."""
        if not asked.scope:
            raise _lacks("scope")
        if asked.scope not in GRANTLESS_SCOPES:
            raise Refusal(400, "invalid_scope", "The scope is none of Amazon's grantless scopes.")
        if not caller.reaches(None):
            raise Refusal(
                400,
                "unauthorized_client",
                "Grantless operations concern all accounts of the application, and this key is "
                "bound to some of them.",
            )
        if asked.scope == ROTATION_SCOPE and not caller.may(Right.MANAGE):
            raise Refusal(400, "unauthorized_client", "This scope needs the right 'manage'.")
        account_id = await self._account_of(asked.client_id)
        handed, _ = await self._tokens.hand_pass(
            account_id,
            api_key_id=caller.id,
            connection_key_id="",
            scope=asked.scope,
            life_s=LIFE_S,
        )
        return _shape(handed)

    async def _account_of(self, client_id: str) -> str:
        """The account through which grantless operations are made: the one that was named, or any
        one of the application, if all of them are in one region."""
        async with self._store.transaction() as tx:
            if client_id.startswith(f"{ids.Kind.ACCOUNT.value}_"):
                account = await tx.accounts.get(client_id)
                if account is None:
                    raise Refusal(400, "unauthorized_client", "There is no such account.")
                return account.id
            if not client_id.startswith(f"{ids.Kind.APPLICATION.value}_"):
                raise Refusal(
                    400,
                    "unauthorized_client",
                    "For a grantless token the client_id has to be the application's id (app_…), "
                    "or the id of one of its accounts (acc_…).",
                )
            found = [
                account
                for region in Region
                for account in await tx.accounts.all(
                    application_id=client_id, region=region, limit=1
                )
            ]
        if len(found) == 1:
            return found[0].id
        if not found:
            why = "There is no account of this application."
        else:
            why = "The application has accounts in several regions."
        raise Refusal(
            400,
            "unauthorized_client",
            f"{why} Send as client_id the id of one of its accounts (acc_…); the calls go to the "
            "region of that account.",
        )

    async def _refuse_unless_served(self, account_id: str, by: Caller) -> None:
        await self._links.carried(self._calls.refuse_unless_served(account_id, by=by), account_id)

    # --- in place of createRestrictedDataToken ---

    async def restricted(self, program: Program, body: bytes) -> bytes:
        """The body of the answer: ``{"restrictedDataToken": "egp_…", "expiresIn": 3600}``. Needs
        the right PERSONAL_DATA. Raises InvalidInput, NotAllowed, NotFound, and whatever stands
        against the account."""
        if program.resources is not None or program.scope is not None:
            raise NotAllowed("A restricted data token is asked for with an access token's pass.")
        if not program.caller.may(Right.PERSONAL_DATA) or _AMAZON.isdisjoint(program.caller.rights):
            raise NotAllowed(
                "This key may not have personal data of buyers.",
                hint="It takes the right personal_data, and amazon_read or amazon_write.",
                facts={"right": Right.PERSONAL_DATA.value},
            )
        resources = _resources(body)
        await self._refuse_unless_served(program.account_id, program.caller)
        handed, _ = await self._tokens.hand_pass(
            program.account_id,
            api_key_id=program.caller.id,
            connection_key_id=program.connection_key_id,
            resources=resources,
            life_s=LIFE_S,
        )
        told = {"restrictedDataToken": handed.reveal(), "expiresIn": LIFE_S}
        return json.dumps(told).encode()


def _shape(handed: Secret) -> dict[str, object]:
    return {"access_token": handed.reveal(), "token_type": "bearer", "expires_in": LIFE_S}


def _lacks(field: str) -> Refusal:
    return Refusal(400, "invalid_request", f"The request is missing a required parameter : {field}")


# --- reading createRestrictedDataToken --------------------------------------------------------


def _resources(body: bytes) -> list[tuple[str, str, tuple[str, ...]]]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise InvalidInput("The body is no JSON object.")
    if told.get("targetApplication") is not None:
        raise _flaw(
            "targetApplication",
            "is not taken here: a pass is of no use to another application.",
            hint="Leave it out.",
        )
    rows = told.get("restrictedResources")
    if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_RESOURCES:
        raise _flaw("restrictedResources", f"has to hold 1 to {_MOST_RESOURCES} resources.")
    return [_resource(row, f"restrictedResources.{place}") for place, row in enumerate(rows)]


def _resource(row: object, where: str) -> tuple[str, str, tuple[str, ...]]:
    if not isinstance(row, dict):
        raise _flaw(where, "is no object with 'method' and 'path'.")
    method, path = row.get("method"), row.get("path")
    if not isinstance(method, str) or method not in _METHODS:
        raise _flaw(f"{where}.method", "is none of GET, POST, PUT and DELETE.")
    if not isinstance(path, str) or not _is_path(path):
        raise _flaw(f"{where}.path", "is no path of the API.")
    elements = row.get("dataElements")
    elements = [] if elements is None else elements
    known = operations.find(method, path).data_elements
    if not isinstance(elements, list) or len(elements) > _MOST_ELEMENTS:
        raise _flaw(f"{where}.dataElements", "is no list of data elements.")
    for element in elements:
        if not isinstance(element, str) or (known and element not in known):
            raise _flaw(
                f"{where}.dataElements",
                "names what the operation does not have.",
                hint=f"It has {', '.join(known)}." if known else None,
            )
    return method, path, tuple(elements)


def _is_path(path: str) -> bool:
    fits = path.isascii() and path.isprintable() and " " not in path
    return fits and path.startswith("/") and len(path) <= _LONGEST_PATH and "?" not in path


def _flaw(field: str, message: str, *, hint: str | None = None) -> InvalidInput:
    return InvalidInput(flaws=[Flaw(message, field=field, hint=hint)])
