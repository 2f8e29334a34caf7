"""The plan: what is done about every row, and why.

Answers for: that decision, out of wishes and the inventory, without asking anybody. What exists is
never overwritten; what it lacks is filled in. Does not answer for: doing it (``carrying``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from evergrant.errors import Flaw
from evergrant.moving.inventory import (
    Inventory,
    flaws_of_application,
    flaws_of_credentials,
    flaws_of_instance,
)
from evergrant.moving.planning_accounts import AccountPlanner
from evergrant.moving.plans import (
    AddApplication,
    AddInstance,
    Ground,
    Plan,
    Planned,
    RestoreSigningSecret,
    SetCredentials,
    entry,
    sentences,
)
from evergrant.moving.values import Step, Thing
from evergrant.moving.wishes import ApplicationWish, CredentialsWish, InstanceWish, Wishes
from evergrant.ports.things import Application, IntegrationCredentials
from evergrant.registry import Credentials
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.receivers import Receivers

__all__ = ["plan"]

_AWS = ("role_arn", "access_key", "secret_key", "queue_url")


def plan(
    wishes: Wishes,
    inventory: Inventory,
    flaws_of_accounts: Mapping[str, tuple[Flaw, ...]],
    *,
    now: datetime,
    lwa_url: str,
    receivers: Receivers,
    keep_aws: bool,
) -> Plan:
    """``flaws_of_accounts`` by the keys of the wishes; ``lwa_url``: the usual address of LWA;
    ``receivers``: where webhooks may go."""
    ground = Ground(inventory=inventory, now=now)
    registering = _Registering(
        ground, wishes, lwa_url=lwa_url, receivers=receivers, keep_aws=keep_aws
    )
    planned = [
        *registering.instances(),
        *registering.applications(),
        *registering.credentials(),
        *AccountPlanner(ground, wishes.accounts, flaws_of_accounts).planned(),
    ]
    return Plan(planned=tuple(planned), known=dict(ground.known))


@dataclass(slots=True)
class _Registering:
    ground: Ground
    wishes: Wishes
    lwa_url: str = field(kw_only=True)
    receivers: Receivers = field(kw_only=True)
    keep_aws: bool = field(kw_only=True)

    # --- client instances ---

    def instances(self) -> Iterable[Planned]:
        here = {one.name: one for one in self.ground.inventory.instances}
        for one in here.values():
            self.ground.instances.note(one.id, one.id, one.name)
            self.ground.known[one.id] = one.id
        seen: dict[str, InstanceWish] = {}
        for wish in self.wishes.instances:
            name = wish.new.name.strip()
            refusal = self.ground.unusable(wish, self.ground.instances) or sentences(
                flaws_of_instance(wish.new, self.receivers)
            )
            if refusal:
                yield Planned(entry(wish, Thing.INSTANCE, name, Step.REFUSE, refusal))
            elif name in here:
                self.ground.instances.note(here[name].id, wish.old_id, name)
                wish.stay()
                yield self._existing_instance(wish, here[name].id)
            elif name in seen:
                self.ground.instances.note(seen[name].key, wish.old_id)
                why = f"The same as in line {seen[name].row.place}."
                same = seen[name].new == wish.new
                step = Step.LEAVE if same else Step.REFUSE
                why = why if same else f"Line {seen[name].row.place} has the same name."
                yield Planned(entry(wish, Thing.INSTANCE, name, step, why))
            else:
                seen[name] = wish
                self.ground.instances.note(wish.key, wish.old_id, name)
                act = AddInstance(wish.key, wish.new, wish.signing_secret)
                yield Planned(entry(wish, Thing.INSTANCE, name, Step.ADD), act, wish)

    def _existing_instance(self, wish: InstanceWish, id: str) -> Planned:
        inventory = self.ground.inventory
        current = inventory.signed.get(id)
        if wish.signing_secret is not None and wish.signing_secret != current:
            if id not in inventory.busy:
                why = "It gets its signing secret."
                act = RestoreSigningSecret(id, wish.signing_secret)
                step = Step.COMPLETE
                return Planned(entry(wish, Thing.INSTANCE, wish.new.name, step, why), act, wish)
            wish.questions.append("Its signing secret is another one here, and stays.")
        return Planned(entry(wish, Thing.INSTANCE, wish.new.name, Step.LEAVE, "It exists already."))

    # --- applications ---

    def applications(self) -> Iterable[Planned]:
        by_amazon = {one.application_id: one for one in self.ground.inventory.applications}
        by_name = {one.name: one for one in self.ground.inventory.applications}
        for one in by_amazon.values():
            self.ground.note_application(one.id, one, one.id, one.name, one.application_id)
            self.ground.known[one.id] = one.id
        seen: dict[str, ApplicationWish] = {}
        names: dict[str, ApplicationWish] = {}
        for wish in self.wishes.applications:
            self._settle(wish)
            amazon_id, name = wish.new.application_id, wish.new.name.strip()
            refusal = self.ground.unusable(wish, self.ground.applications)
            refusal = refusal or sentences(flaws_of_application(wish.new))
            if refusal:
                self.ground.refused.note(wish.key, wish.old_id, name, amazon_id)
                yield Planned(entry(wish, Thing.APPLICATION, name, Step.REFUSE, refusal))
            elif amazon_id in by_amazon:
                found = by_amazon[amazon_id]
                self.ground.applications.note(found.id, wish.old_id, name)
                wish.stay()
                _tell_differences(wish, found)
                why = "It exists already."
                yield Planned(entry(wish, Thing.APPLICATION, name, Step.LEAVE, why))
            elif amazon_id in seen:
                first = seen[amazon_id]
                self.ground.applications.note(first.key, wish.old_id, name)
                why = f"The same application as in line {first.row.place}."
                yield Planned(entry(wish, Thing.APPLICATION, name, Step.LEAVE, why))
            elif name in by_name or name in names:
                self.ground.refused.note(wish.key, wish.old_id, amazon_id)
                why = "Another application has this name; names are unique here."
                yield Planned(entry(wish, Thing.APPLICATION, name, Step.REFUSE, why))
            else:
                seen[amazon_id] = names[name] = wish
                self.ground.note_application(wish.key, wish.new, wish.old_id, name, amazon_id)
                act = AddApplication(wish.key, wish.new)
                yield Planned(entry(wish, Thing.APPLICATION, name, Step.ADD), act, wish)

    def _settle(self, wish: ApplicationWish) -> None:
        """What the other tables tell of an application: its id at Amazon, whom it serves."""
        references = {wish.old_id, wish.new.name.strip(), wish.new.application_id} - {""}
        if not wish.new.application_id:
            for row in self.wishes.credentials:
                if row.application in references and row.application_id:
                    wish.new = replace(wish.new, application_id=row.application_id)
                    references.add(row.application_id)
                    break
        if not wish.kinds_known:
            kinds = {
                row.new.partner_kind
                for row in self.wishes.accounts
                if row.application in references and row.new.partner_kind in list(PartnerKind)
            }
            if kinds:
                wish.new = replace(wish.new, partner_kinds=tuple(sorted(kinds)))
            wish.notices.append(
                f"It serves {' and '.join(f'{kind}s' for kind in wish.new.partner_kinds)}, "
                f"{'as its accounts say' if kinds else 'as nothing else is told'}."
            )

    # --- credentials ---

    def credentials(self) -> Iterable[Planned]:
        seen: dict[str, CredentialsWish] = {}
        clients = {one.lwa_client_id: one.id for one in self.ground.inventory.credentials.values()}
        for wish in self.wishes.credentials:
            found = self.ground.applications.find
            key = found(wish.application) or found(wish.application_id)
            name = self.ground.names.get(key or "", wish.application or wish.application_id)
            client_id = wish.given.lwa_client_id or ""
            holder = clients.get(client_id)
            if key is None:
                why = self.ground.why_no_application(wish.application or wish.application_id)
                yield Planned(entry(wish, Thing.CREDENTIALS, name, Step.REFUSE, why))
            elif wish.faults:
                why = " ".join(wish.faults)
                yield Planned(entry(wish, Thing.CREDENTIALS, name, Step.REFUSE, why))
            elif key in seen:
                yield self._second(wish, seen[key], name)
            elif holder not in (None, key):
                why = (
                    f"Its LWA client belongs to {self.ground.names.get(holder or '', holder)} "
                    "already; every application has one of its own, and a refresh token works with "
                    "its own only."
                )
                yield Planned(entry(wish, Thing.CREDENTIALS, name, Step.REFUSE, why))
            else:
                seen[key] = wish
                if client_id:
                    clients[client_id] = key
                yield self._first(wish, key, name)

    def _second(self, wish: CredentialsWish, first: CredentialsWish, name: str) -> Planned:
        if wish.given.lwa_client_id == first.given.lwa_client_id and (
            wish.given.lwa_client_secret in (None, first.given.lwa_client_secret)
        ):
            why = f"The same as in line {first.row.place}."
            return Planned(entry(wish, Thing.CREDENTIALS, name, Step.LEAVE, why))
        why = (
            f"They contradict line {first.row.place}: all accounts of an application share one "
            "LWA client and one client secret."
        )
        return Planned(entry(wish, Thing.CREDENTIALS, name, Step.REFUSE, why))

    def _first(self, wish: CredentialsWish, key: str, name: str) -> Planned:
        given = self._without_aws(wish)
        here = self.ground.inventory.credentials.get(key)
        if given.lwa_client_secret is None and not (here and here.secret_set):
            given = replace(given, secret_created_at=None, secret_expires_at=None)
        flaws = flaws_of_credentials(given, self.lwa_url, self.ground.now)
        if aws := [flaw for flaw in flaws if flaw.field in _AWS]:
            wish.questions.append(f"The AWS part is left out: {sentences(aws)}")
            given = replace(given, **dict.fromkeys(_AWS))
        refusal = sentences(flaw for flaw in flaws if flaw.field not in _AWS)
        if refusal:
            return Planned(entry(wish, Thing.CREDENTIALS, name, Step.REFUSE, refusal))
        if here is not None:
            return self._existing_credentials(wish, here, given, name)
        self._ask_for_what_lacks(wish, given)
        if given.lwa_client_secret is not None:
            self.ground.ready.add(key)
        act = SetCredentials(key, given)
        return Planned(entry(wish, Thing.CREDENTIALS, name, Step.ADD), act, wish)

    def _without_aws(self, wish: CredentialsWish) -> Credentials:
        given = wish.given
        named = [name for name in _AWS[:3] if getattr(given, name) is not None]
        if not named or self.keep_aws or given.queue_url or given.notifications_queue_url:
            return given
        wish.notices.append(
            f"{', '.join(named)}: no longer needed to call SP-API since October 2023, and without "
            "a queue of no use for rotating the secret: left out (--keep-aws keeps them)."
        )
        return replace(given, **dict.fromkeys(_AWS))

    def _ask_for_what_lacks(self, wish: CredentialsWish, given: Credentials) -> None:
        if given.lwa_client_secret is None:
            wish.questions.append(
                "There is no client secret: give it (evergrant app credentials), then import again."
            )
        elif given.secret_created_at is None and given.secret_expires_at is None:
            wish.questions.append(
                "When the client secret ends is not known, so nobody is reminded: tell it "
                "(evergrant app credentials --keep-secret --secret-expires)."
            )

    def _existing_credentials(
        self, wish: CredentialsWish, here: IntegrationCredentials, given: Credentials, name: str
    ) -> Planned:
        if given.lwa_client_id != here.lwa_client_id:
            why = "The application has another LWA client here; nothing is changed."
            return Planned(entry(wish, Thing.CREDENTIALS, name, Step.REFUSE, why))
        lacking: dict[str, object] = {}
        if not here.secret_set and given.lwa_client_secret is not None:
            lacking["lwa_client_secret"] = given.lwa_client_secret
        if (not here.secret_set or here.secret_expires_at is None) and (
            here.secret_set or given.lwa_client_secret is not None
        ):
            dates = ("secret_created_at", "secret_expires_at")
            lacking |= {at: getattr(given, at) for at in dates if getattr(given, at) is not None}
        for text in ("role_arn", "queue_url", "notifications_queue_url", "lwa_url"):
            if not getattr(here, text) and getattr(given, text):
                lacking[text] = getattr(given, text)
        if not here.access_key_hint and not here.secret_key_set and given.access_key is not None:
            lacking |= {"access_key": given.access_key, "secret_key": given.secret_key}
        if here.secret_set or "lwa_client_secret" in lacking:
            self.ground.ready.add(here.id)
        if not lacking:
            wish.stay()
            why = "They are set already."
            return Planned(entry(wish, Thing.CREDENTIALS, name, Step.LEAVE, why))
        why = f"Filled in: {', '.join(sorted(lacking))}."
        act = SetCredentials(here.id, Credentials(**lacking))  # type: ignore[arg-type]
        return Planned(entry(wish, Thing.CREDENTIALS, name, Step.COMPLETE, why), act, wish)


def _tell_differences(wish: ApplicationWish, here: Application) -> None:
    differs = [
        name
        for name, value in (
            ("name", here.name),
            ("kind", ApplicationKind(here.kind).value),
            ("partner kinds", sorted(here.partner_kinds)),
        )
        if value
        != {
            "name": wish.new.name.strip(),
            "kind": wish.new.kind,
            "partner kinds": sorted(wish.new.partner_kinds),
        }[name]
    ]
    if differs:
        wish.questions.append(f"It differs here and stays: {', '.join(differs)}.")
