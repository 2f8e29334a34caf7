"""Whether Login with Amazon takes a client secret.

Answers for: asking LWA once, really. Does not answer for: what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from evergrant import vault
from evergrant.errors import ApplicationRefused, GrantRefused
from evergrant.ports.amazon import LwaClient
from evergrant.ports.things import IntegrationCredentials
from evergrant.rotation.ground import Ground, open_secret
from evergrant.rules.applications import ROTATION_SCOPE
from evergrant.rules.lifecycle import State
from evergrant.rules.secrecy import Secret, scrub

__all__ = ["Verdict", "try_secret"]

#: LWA knows the client, and does not give it this scope or this kind of token. Which it says before
#: it looks at the secret is written nowhere, so it proves nothing by itself.
_OF_SCOPE = frozenset({"invalid_scope", "unauthorized_client"})
_FEW_GRANTS = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What LWA said; ``refusal`` None: it took the secret."""

    refusal: ApplicationRefused | None = None

    @property
    def taken(self) -> bool:
        return self.refusal is None

    @property
    def about_scope(self) -> bool:
        """It was refused, but not for the secret as far as anybody can tell."""
        return self.refusal is not None and self.refusal.error in _OF_SCOPE

    @property
    def words(self) -> str:
        said = self.refusal
        return "" if said is None else scrub(f"{said.error}: {said.reason}".strip(": "))[:200]


async def try_secret(
    ground: Ground, credentials: IntegrationCredentials, secret: Secret
) -> Verdict:
    """A grantless token; an application that gets none shows a refresh token of one of its
    accounts instead. Raises AmazonUnavailable, Throttled and UnreadableAnswer: then nothing is
    known."""
    client = ground.registry.lwa_client_with(credentials, secret)
    try:
        await ground.lwa.grantless(client, ROTATION_SCOPE)
    except ApplicationRefused as refused:
        if refused.error in _OF_SCOPE and await _refreshes(ground, client):
            return Verdict()
        return Verdict(refused)
    return Verdict()


async def _refreshes(ground: Ground, client: LwaClient) -> bool:
    async with ground.store.transaction() as tx:
        alive = await tx.authorizations.all(
            application_id=client.application_id, state=State.ACTIVE, limit=_FEW_GRANTS
        )
        tokens = [
            await open_secret(ground.vault, tx, vault.refresh_token(one.grant_id))
            for one in alive
            if one.grant_id is not None
        ]
    for token in tokens:
        if token is None:
            continue
        try:
            await ground.lwa.refresh(client, token)
        except GrantRefused:
            pass  # of this account; LWA looks at the client first, and took it
        except ApplicationRefused:
            return False
        return True
    return False
