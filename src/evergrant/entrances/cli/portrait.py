"""An account as a person reads it: what it is, how its authorization stands, what to do next.

Answers for: gathering what belongs to an account and saying it in groups. Does not answer for:
JSON, which holds every field and is made in ``book``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from evergrant.entrances.cli.drawing import draw_groups, term, when
from evergrant.entrances.cli.show import remark
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.lifecycle import State
from evergrant.rules.reminders import is_undated
from evergrant.rules.rights import SYSTEM
from evergrant.rules.terms import Phase, phase

if TYPE_CHECKING:
    from evergrant.accounts import AccountView
    from evergrant.desk import Desk
    from evergrant.orders import SweepState
    from evergrant.ports.things import (
        Account,
        Application,
        ClientInstance,
        Invitation,
        OutboxItem,
        Participation,
    )
    from evergrant.rules.reminders import Outlook

__all__ = ["Portrait", "draw", "sit"]

_FLAGS = {True: "on", False: "off", None: "not available"}
_KINDS = {
    None: "",
    "retail": ", retail (Amazon buys)",
    "direct_fulfillment": ", direct fulfillment (ships to consumers)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """An account and its surroundings. ``letter`` is the mail that carries ``invitation``."""

    view: AccountView
    application: Application | None
    instance: ClientInstance | None
    invitation: Invitation | None
    letter: OutboxItem | None
    outlook: Outlook
    orders: SweepState
    now: datetime


async def sit(desk: Desk, view: AccountView) -> Portrait:
    """Gathers what a portrait needs."""
    account = view.account
    outlooks = await desk.watch.outlooks([view.authorization])
    orders = await desk.orders.state(account.id, by=SYSTEM)
    async with desk.store.transaction() as tx:
        letters = await tx.invitations.all(account_id=account.id)
        newest = letters[-1] if letters else None
        mails = await tx.outbox.all(subject=newest.id) if newest else []
        return Portrait(
            view=view,
            application=await tx.applications.get(account.application_id),
            instance=await tx.instances.get(account.client_instance_id),
            invitation=newest,
            letter=mails[-1] if mails else None,
            outlook=outlooks[view.authorization.id],
            orders=orders,
            now=desk.clock.now(),
        )


def draw(portrait: Portrait) -> None:
    """The groups on standard output; what to do next beside them."""
    view = portrait.view
    draw_groups(
        [
            (view.account.name, list(_who(portrait))),
            ("Authorization", list(_authorization(portrait))),
            ("Marketplaces", [_marketplace(one) for one in view.participations]),
            ("What Evergrant may do", _flags(view)),
            ("Orders", list(_orders(portrait))),
        ]
    )
    for line in next_steps(portrait):
        remark(line)


def next_steps(portrait: Portrait) -> Iterator[str]:
    """One or two sentences: how it stands, and the command that goes on."""
    account, own = portrait.view.account, portrait.view.authorization
    ask = _command("invite", account)
    private = portrait.application and portrait.application.kind is ApplicationKind.PRIVATE
    if own.state is State.CLOSED:
        yield f"Closed: no access tokens. To open it again: {_command('reopen', account)}"
    elif private and own.state is not State.ACTIVE:
        yield (
            "Its application is private: authorize it in Amazon's own console, then "
            f"{_command('adopt', account)}"
        )
    elif own.state is State.AWAITING:
        yield f"Awaiting consent: {_letter(portrait)}"
        yield f"{ask} {'sends a fresh one.' if portrait.invitation else 'mails the link.'}"
    elif own.state in (State.LAPSED, State.REVOKED):
        what = "The term is over" if own.state is State.LAPSED else "Amazon refuses it"
        yield f"{what}: {_letter(portrait)}"
        yield f"{ask} mails a link to renew it."
    elif own.state is State.ACTIVE and _undated(portrait):
        yield (
            "If you know the day of consent, reminders go out in time: "
            f"{_command('granted', account)} YYYY-MM-DD"
        )
    elif phase(portrait.now, own.term_ends_at) in (Phase.DUE, Phase.URGENT, Phase.OVER):
        yield f"It has to be renewed: {_letter(portrait)}"
        yield f"{ask} mails a link to renew it."


def _orders(portrait: Portrait) -> Iterator[tuple[str, str]]:
    """Of accounts that are authorized: how far they were read, and what stands against it."""
    orders = portrait.orders
    if orders.state is not State.ACTIVE:
        return
    yield "read until", when(orders.bound_at)
    if orders.why:
        yield "lacks", orders.why
    if orders.last_error:
        yield "last trouble", orders.last_error


def _undated(portrait: Portrait) -> bool:
    own, application = portrait.view.authorization, portrait.application
    return application is not None and is_undated(
        application.kind, own.granted_at, own.term_ends_at
    )


def _who(portrait: Portrait) -> Iterator[tuple[str, str]]:
    account = portrait.view.account
    yield "id", account.id
    yield "kind", account.partner_kind.value + _KINDS[account.vendor_kind]
    yield "home", f"{account.home_marketplace}, region {account.region.value}"
    yield "mails go to", f"{account.client_email} ({account.language})"
    if account.merchant_token:
        yield "merchant token", account.merchant_token
    if account.vendor_codes:
        yield "vendor codes", ", ".join(account.vendor_codes)
    application, instance = portrait.application, portrait.instance
    yield "application", _named(application.name if application else "", account.application_id)
    yield "client instance", _named(instance.name if instance else "", account.client_instance_id)
    if account.notes:
        yield "notes", account.notes
    yield "added", when(account.created_at)


def _authorization(portrait: Portrait) -> Iterator[tuple[str, str]]:
    own, now = portrait.view.authorization, portrait.now
    yield "state", own.state.value
    if own.selling_partner_id:
        yield "selling partner", own.selling_partner_id
    if own.granted_at:
        yield "given", when(own.granted_at)
    if own.term_ends_at:
        yield "lasts until", term(own.term_ends_at, now)
    elif own.grant_id:
        yield "lasts until", "no end is known"
    if portrait.outlook.words:
        yield "what comes", portrait.outlook.words
    if own.refused_at:
        yield "refused", f"{when(own.refused_at)}: {own.refused_reason}"
    if own.checked_at:
        yield "looked at", when(own.checked_at)
    if own.finding:
        yield "found", own.finding
    invitation = portrait.invitation
    if invitation and own.state is not State.ACTIVE:
        yield (
            "newest link",
            f"{invitation.state.value}, works until {term(invitation.expires_at, now)}",
        )
        yield "opened", when(invitation.opened_at) if invitation.opened_at else "not yet"


def _marketplace(one: Participation) -> tuple[str, str]:
    words = [one.domain_name or one.name]
    if one.store_name:
        words.append(f"as {one.store_name}")
    if not one.participating:
        words.append("(not participating)")
    if one.suspended:
        words.append("(listings suspended)")
    return one.country_code, " ".join(words)


def _flags(view: AccountView) -> list[tuple[str, str]]:
    shown: Mapping[str, bool | None] = {
        flag.value: state for flag, state in view.flags_view.items()
    }
    return [(name.replace("_", " "), _FLAGS[state]) for name, state in shown.items()]


def _letter(portrait: Portrait) -> str:
    """What became of the newest link, as the rest of a sentence."""
    invitation, letter, now = portrait.invitation, portrait.letter, portrait.now
    if invitation is None:
        return "no link has been mailed yet."
    if invitation.state != "open":
        return f"the newest link, of {when(invitation.created_at)}, is {invitation.state.value}."
    if invitation.expires_at <= now:
        return f"the link of {when(invitation.created_at)} is too old."
    return f"{_way_of(letter, invitation)}; {_reading_of(invitation)}."


def _way_of(letter: OutboxItem | None, invitation: Invitation) -> str:
    if letter is None:
        return f"a link was made at {when(invitation.created_at)} and not mailed"
    if letter.state == "sent":
        return f"the link was mailed at {when(letter.ended_at)} to {letter.to}"
    if letter.state == "failed":
        return f"the mail to {letter.to} could not be delivered ({letter.last_error})"
    why = f" (so far: {letter.last_error})" if letter.last_error else ""
    return f"the mail to {letter.to} waits for a worker{why}"


def _reading_of(invitation: Invitation) -> str:
    if invitation.opened_at:
        return f"it was opened at {when(invitation.opened_at)}"
    return "it has not been opened yet"


def _named(name: str, id: str) -> str:
    return f"{name} ({id})" if name else id


def _command(verb: str, account: Account) -> str:
    return f"evergrant account {verb} {shlex.quote(account.name)}"
