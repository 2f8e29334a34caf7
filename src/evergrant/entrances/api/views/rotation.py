"""How it stands with an application's client secret."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from evergrant.entrances.api.views.pages import View
from evergrant.ports.watched import Rotation, RotationSource, RotationStep
from evergrant.rotation import Pasted, RotationState
from evergrant.rules.terms import SecretPhase

__all__ = ["PastedSecretView", "RotationStateView", "RotationView"]


class RotationView(View):
    id: str
    source: RotationSource = Field(
        description="`asked` by Evergrant, `sent` by Amazon without, `pasted` by somebody"
    )
    step: RotationStep
    asked_at: datetime | None
    received_at: datetime | None
    promoted_at: datetime | None = Field(description="When the new client secret came into force")
    ended_at: datetime | None
    secret_expires_at: datetime | None = Field(description="The end of the new client secret")
    previous_ends_at: datetime | None = Field(description="The end of the one before it")
    tries: int
    next_at: datetime | None
    last_error: str
    created_at: datetime

    @classmethod
    def of(cls, rotation: Rotation) -> RotationView:
        return cls(
            id=rotation.id,
            source=rotation.source,
            step=rotation.step,
            asked_at=rotation.asked_at,
            received_at=rotation.received_at,
            promoted_at=rotation.promoted_at,
            ended_at=rotation.ended_at,
            secret_expires_at=rotation.secret_expires_at,
            previous_ends_at=rotation.previous_ends_at,
            tries=rotation.tries,
            next_at=rotation.next_at,
            last_error=rotation.last_error,
            created_at=rotation.created_at,
        )


class RotationStateView(View):
    application_id: str
    application_name: str
    phase: SecretPhase
    secret_created_at: datetime | None
    secret_expires_at: datetime | None
    previous_secret_ends_at: datetime | None = Field(
        description="While it is in the future, the client secret before is kept"
    )
    automatic: bool = Field(description="Evergrant rotates it by itself")
    obstacle: str = Field(description="Why it cannot at the moment; empty when it can")
    next: str = Field(description="What comes next, one sentence")
    next_at: datetime | None
    trouble: str = Field(description="What a person has to know; empty when all goes its way")
    running: RotationView | None = Field(description="The rotation that is under way")

    @classmethod
    def of(cls, state: RotationState) -> RotationStateView:
        return cls(
            application_id=state.application_id,
            application_name=state.application_name,
            phase=state.phase,
            secret_created_at=state.secret_created_at,
            secret_expires_at=state.secret_expires_at,
            previous_secret_ends_at=state.previous_secret_ends_at,
            automatic=state.automatic,
            obstacle=state.obstacle,
            next=state.next,
            next_at=state.next_at,
            trouble=state.trouble,
            running=None if state.running is None else RotationView.of(state.running),
        )


class PastedSecretView(View):
    application_id: str
    changed: bool = Field(description="False: it was in force already")
    secret_expires_at: datetime | None = Field(description="null: nobody knows when it ends")
    previous_secret_ends_at: datetime | None

    @classmethod
    def of(cls, pasted: Pasted) -> PastedSecretView:
        return cls(
            application_id=pasted.application_id,
            changed=pasted.changed,
            secret_expires_at=pasted.expires_at,
            previous_secret_ends_at=pasted.previous_ends_at,
        )
