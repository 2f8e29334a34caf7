"""Connection keys, API keys, callers."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from evergrant.entrances.api.views.pages import View
from evergrant.people import NewApiKey, NewConnectionKey
from evergrant.ports.things import ApiKey, ConnectionKey
from evergrant.rules.rights import Caller, CallerKind, Right

__all__ = [
    "AddedApiKeyView",
    "AddedConnectionKeyView",
    "ApiKeyView",
    "CallerView",
    "ConnectionKeyView",
]


class ConnectionKeyView(View):
    id: str
    account_id: str
    name: str
    created_at: datetime
    expires_at: datetime | None = Field(description="Opens nothing from then on; null: no end")
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")
    replaced_by: str | None = Field(description="Rotated: the key that takes its place")

    @classmethod
    def of(cls, key: ConnectionKey) -> ConnectionKeyView:
        return cls(
            id=key.id,
            account_id=key.account_id,
            name=key.name,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
            replaced_by=key.replaced_by,
        )


class AddedConnectionKeyView(ConnectionKeyView):
    secret: str = Field(
        repr=False,
        description="`egc_…`: an SDK's `refresh_token` at POST /auth/o2/token. Shown this once.",
    )

    @classmethod
    def of_new(cls, new: NewConnectionKey) -> AddedConnectionKeyView:
        return cls(**ConnectionKeyView.of(new.key).model_dump(), secret=new.secret.reveal())


class ApiKeyView(View):
    id: str
    name: str
    rights: list[Right]
    client_instance_id: str | None = Field(description="null: reaches all client instances")
    account_ids: list[str] | None = Field(
        description="Reaches these accounts and nothing besides; null: all of its reach"
    )
    created_at: datetime
    expires_at: datetime | None = Field(description="Opens nothing from then on; null: no end")
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")
    replaced_by: str | None = Field(description="Rotated: the key that takes its place")

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyView:
        return cls(
            id=key.id,
            name=key.name,
            rights=sorted(key.rights),
            client_instance_id=key.client_instance_id,
            account_ids=_sorted(key.account_ids),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
            replaced_by=key.replaced_by,
        )


class AddedApiKeyView(ApiKeyView):
    secret: str = Field(repr=False, description="`egk_…`. Shown this once.")

    @classmethod
    def of_new(cls, new: NewApiKey) -> AddedApiKeyView:
        return cls(**ApiKeyView.of(new.key).model_dump(), secret=new.secret.reveal())


class CallerView(View):
    kind: CallerKind
    id: str
    name: str
    rights: list[Right]
    client_instance_id: str | None = Field(description="null: reaches all client instances")
    account_ids: list[str] | None = Field(
        description="Reaches these accounts and nothing besides; null: all of its reach"
    )

    @classmethod
    def of(cls, caller: Caller) -> CallerView:
        return cls(
            kind=caller.kind,
            id=caller.id,
            name=caller.name,
            rights=sorted(caller.rights),
            client_instance_id=caller.client_instance_id,
            account_ids=_sorted(caller.account_ids),
        )


def _sorted(account_ids: frozenset[str] | None) -> list[str] | None:
    return None if account_ids is None else sorted(account_ids)
