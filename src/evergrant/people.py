"""THE KEY RACK. Operators, API keys, connection keys: who somebody is, and what they may do.

Answers for: making, showing, revoking and recognising them. Does not answer for: what a caller
does with its rights (each room asks), or for sessions of a browser.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.ports.things import ApiKey, ConnectionKey, Operator
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import Secret

__all__ = ["NewApiKey", "NewConnectionKey", "People", "caller_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """An API key just made. ``secret`` (``egk_…``) is shown this once."""

    key: ApiKey
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnectionKey:
    """A connection key just made. ``secret`` (``egc_…``) is shown this once."""

    key: ConnectionKey
    secret: Secret


def caller_of(operator: Operator) -> Caller:
    """The operator as a caller, with the rights of the role."""
    ...


class People:
    """Verbs raise NotAllowed without the right, NotFound out of reach, InvalidInput with every
    flaw at once, Conflict when an e-mail address is taken."""

    def __init__(self, store: Store, clock: Clock) -> None: ...

    async def add_operator(
        self, *, name: str, email: str, role: str, password: Secret, by: Caller
    ) -> Operator:
        """Needs MANAGE. Journal: ``operator.added``."""
        ...

    async def operators(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[Operator]: ...

    async def find_operator(self, text: str, *, by: Caller) -> Operator:
        """By id or e-mail address."""
        ...

    async def set_password(self, operator_id: str, password: Secret, *, by: Caller) -> Operator:
        """Needs MANAGE. Journal: ``operator.password_set``."""
        ...

    async def disable_operator(self, operator_id: str, *, by: Caller) -> Operator:
        """Needs MANAGE. Journal: ``operator.disabled``."""
        ...

    async def check_password(self, email: str, password: Secret) -> Operator | None:
        """The operator, or None: unknown, disabled and wrong look and cost the same."""
        ...

    async def add_api_key(
        self,
        *,
        name: str,
        rights: Collection[str],
        client_instance_id: str | None = None,
        expires_at: datetime | None = None,
        by: Caller,
    ) -> NewApiKey:
        """Needs MANAGE; nobody gives rights that they lack. Journal: ``api_key.added``."""
        ...

    async def api_keys(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[ApiKey]:
        """Needs MANAGE. Revoked ones too."""
        ...

    async def revoke_api_key(self, id: str, *, by: Caller) -> ApiKey:
        """Needs MANAGE. No longer accepted after at most a second. Journal: ``api_key.revoked``."""
        ...

    async def authenticate(self, text: str) -> Caller:
        """The caller that an API key's text stands for. Raises NotAuthenticated. Hot: a key that
        was just verified is remembered for at most a second."""
        ...

    async def add_connection_key(
        self, account_id: str, *, name: str = "", by: Caller
    ) -> NewConnectionKey:
        """Needs WRITE. Journal: ``connection_key.added``."""
        ...

    async def connection_keys(self, account_id: str, *, by: Caller) -> list[ConnectionKey]:
        """Needs READ. Revoked ones too."""
        ...

    async def revoke_connection_key(self, id: str, *, by: Caller) -> ConnectionKey:
        """Needs WRITE. Journal: ``connection_key.revoked``."""
        ...

    async def account_of(self, connection_key: str) -> str | None:
        """The id of the account that a connection key's text stands for; None when revoked or
        unknown. Hot: remembered for at most a second."""
        ...
