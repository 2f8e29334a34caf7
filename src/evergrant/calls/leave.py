"""Which of Amazon's tokens a call is made with.

Answers for: an access token for most calls, a restricted data token where personal data needs one,
the application's own where the operation speaks for no selling partner. Does not answer for: who
may make the call (`refusals`), or for how any of them is got (the mint).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import MappingProxyType

from evergrant.calls.lines import Line
from evergrant.calls.values import Asked
from evergrant.errors import Conflict
from evergrant.ports.amazon import Hears
from evergrant.rules import operations
from evergrant.rules.marketplaces import Region
from evergrant.rules.operations import Group, Operation
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret
from evergrant.tokens import AccessToken, RestrictedDataToken, Tokens
from evergrant.tokens.restricted import OPERATION as RESTRICTED_DATA_TOKEN

__all__ = ["RIGHTS", "Ready", "TokensOfCalls", "operation_of_mint"]


RIGHTS = MappingProxyType({Group.READ: Right.AMAZON_READ, Group.WRITE: Right.AMAZON_WRITE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A call that lacks nothing but a permit and one of Amazon's tokens. ``secret`` is that token
    where it lies at hand."""

    operation: Operation
    application_id: str
    region: Region
    line: Line
    restricted: bool
    secret: Secret | None = None


class TokensOfCalls:
    """What the gate asks the mint for."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def at_hand(
        self, operation: Operation, asked: Asked, *, restricted: bool, by: Caller
    ) -> AccessToken | RestrictedDataToken | None:
        """If it lies in memory and may be used at once. The account is within reach then, and its
        authorization lives."""
        if restricted:
            return self._tokens.restricted_at_hand(
                asked.account_id, asked.method, asked.path, _elements(operation, asked), by=by
            )
        return self._tokens.at_hand(asked.account_id, by=by, for_call=RIGHTS[operation.group])

    async def fetch(
        self,
        ready: Ready,
        asked: Asked,
        *,
        by: Caller,
        permit: Callable[[], Awaitable[Hears]],
        instead_of: Secret | None = None,
    ) -> Secret:
        """``permit`` is awaited before Amazon is asked for a restricted data token; ``instead_of``
        is one that Amazon takes no more. Raises Conflict when the account was moved to another
        application or region since it was looked at, and as `Tokens.mint`, `Tokens.restricted` and
        `Tokens.grantless` do."""
        if ready.secret is not None and instead_of is None:
            return ready.secret
        operation = ready.operation
        right = RIGHTS[operation.group]
        if operation.scope is not None:
            grantless = await self._tokens.grantless(
                ready.application_id, operation.scope, by=by, for_call=right
            )
            return grantless.value
        if ready.restricted:
            restricted = await self._tokens.restricted(
                asked.account_id,
                asked.method,
                asked.path,
                _elements(operation, asked),
                by=by,
                permit=permit,
                instead_of=instead_of,
            )
            return _value(restricted, ready)
        minted = await self._tokens.mint(
            asked.account_id, by=by, instead_of=instead_of, for_call=right
        )
        return _value(minted, ready)


def _value(token: AccessToken | RestrictedDataToken, ready: Ready) -> Secret:
    """For the endpoint and the buckets that the call is ready for, and for no others."""
    if (token.application_id, token.region) != (ready.application_id, ready.region):
        raise Conflict("The account was changed while the call was on its way; it was not made.")
    return token.value


def _elements(operation: Operation, asked: Asked) -> frozenset[str]:
    """Data elements that are named for an operation that has none mean nothing, as at Amazon."""
    return asked.data_elements or frozenset() if operation.data_elements else frozenset()


def operation_of_mint() -> Operation:
    """Restricted data tokens have a limit of their own."""
    operation = operations.get(RESTRICTED_DATA_TOKEN)
    assert operation is not None, "Amazon's model has it"
    return operation
