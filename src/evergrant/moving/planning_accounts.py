"""The plan for accounts and for the refresh tokens that come with them.

Answers for: which account is which, and when a refresh token may be tried for one: never when there
is doubt whose it is. Does not answer for: what may be said of an account (``account_fields``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from evergrant.errors import Flaw
from evergrant.moving.inventory import name_elsewhere
from evergrant.moving.plans import (
    AddAccount,
    Adopt,
    CloseAccount,
    Ground,
    Planned,
    entry,
    sentences,
)
from evergrant.moving.values import Step, Thing
from evergrant.moving.wishes import AccountWish
from evergrant.ports.things import Account, Authorization
from evergrant.rules import ids
from evergrant.rules.faults import Fault
from evergrant.rules.lifecycle import State
from evergrant.rules.secrecy import Secret, digest
from evergrant.rules.terms import grant_term_ends_at

__all__ = ["AccountPlanner"]

_ONE_REGION = (
    "It brings the refresh token of line {line} ({name}) in the same region: one authorization "
    "covers all marketplaces of a region, so one account is enough."
)


class AccountPlanner:
    def __init__(
        self,
        ground: Ground,
        wishes: Sequence[AccountWish],
        flaws: Mapping[str, tuple[Flaw, ...]],
    ) -> None:
        self._ground = ground
        self._wishes = wishes
        self._flaws = flaws
        self._names: dict[str, AccountWish] = {}
        self._first_with_token: dict[str, AccountWish] = {}
        self._doubtful = _doubtful_tokens(wishes)
        self._partners: dict[tuple[str, str, str], AccountWish] = {}

    def planned(self) -> Iterable[Planned]:
        """First every account, then every refresh token."""
        served: list[tuple[AccountWish, str, str, Authorization | None]] = []
        for wish in self._wishes:
            planned, place = self._account(wish)
            yield planned
            if wish.refresh_token is None:
                continue
            if place is None:
                wish.stay()
                why = "Its account is refused."
                yield self._line(wish, Step.REFUSE, why)
            else:
                served.append((wish, *place))
        for wish, account, application, here in served:
            # What was asked and noticed stands on the line of the account.
            wish.stay()
            yield self._authorization(wish, account, application, here)

    # --- accounts -----------------------------------------------------------------------------

    def _account(
        self, wish: AccountWish
    ) -> tuple[Planned, tuple[str, str, Authorization | None] | None]:
        """Its line, and where its refresh token would go: account, application, what is there."""
        application = self._reference(wish, "application")
        instance = self._reference(wish, "instance")
        refusal = self._ground.unusable(wish) or self._why_not(wish, application, instance)
        if refusal or application is None or instance is None:
            return self._refusal(wish, refusal), None
        self._settle_selling_partner(wish)
        known = self._ground.known.get(application, application)
        for name in (wish.new.name.strip(), name_elsewhere(wish.new.name.strip(), wish.new.region)):
            found = self._ground.inventory.accounts.get(name)
            if found is not None and _is_same(wish, *found, known):
                return self._existing(wish, name, *found), (found[0].id, known, found[1])
            planned = self._names.get(name)
            if found is None and planned is None:
                return self._fresh(wish, name, application, instance)
            region = found[0].region.value if found else planned.new.region if planned else ""
            if region == wish.new.region:
                break
        return self._refusal(wish, "Another account has this name; names are unique here."), None

    def _fresh(
        self, wish: AccountWish, name: str, application: str, instance: str
    ) -> tuple[Planned, tuple[str, str, Authorization | None]]:
        self._names[name] = wish
        if name != wish.new.name.strip():
            wish.notices.append(f"Named '{name}': the other name is taken.")
        wish.new = replace(wish.new, name=name)
        act = AddAccount(wish.key, application, instance, wish.new, wish.closed)
        planned = Planned(entry(wish, Thing.ACCOUNT, name, Step.ADD), act, wish)
        return planned, (wish.key, application, None)

    def _existing(
        self, wish: AccountWish, name: str, account: Account, authorization: Authorization
    ) -> Planned:
        wish.new = replace(wish.new, name=name)
        wish.stay()
        if wish.closed and authorization.state is State.AWAITING and authorization.version == 0:
            why = "It is closed, as it was there."
            act = CloseAccount(account.id)
            return Planned(entry(wish, Thing.ACCOUNT, name, Step.COMPLETE, why), act, wish)
        differs = _differences(wish, account)
        if differs:
            wish.questions.append(f"It differs here and stays: {', '.join(differs)}.")
        return Planned(entry(wish, Thing.ACCOUNT, name, Step.LEAVE, "It exists already."))

    def _refusal(self, wish: AccountWish, why: str) -> Planned:
        return Planned(entry(wish, Thing.ACCOUNT, wish.new.name, Step.REFUSE, why))

    def _reference(self, wish: AccountWish, name: str) -> str | None:
        """What the row names; where it names nothing, the only one that there is."""
        references = getattr(self._ground, f"{name}s")
        named: str = getattr(wish, name)
        if named:
            found: str | None = references.find(named)
            return found
        only: str | None = references.only
        if only is not None:
            wish.notices.append(f"It goes to the only {_SPOKEN[name]} that there is.")
        return only

    def _why_not(self, wish: AccountWish, application: str | None, instance: str | None) -> str:
        if application is None:
            return self._ground.why_no_application(wish.application)
        if instance is None:
            return (
                "Its client instance is neither in these tables nor here."
                if wish.instance
                else "It does not say to which client instance it belongs."
            )
        refusal = sentences(self._flaws.get(wish.key, ()))
        if refusal:
            return refusal
        if wish.new.partner_kind not in self._ground.serves[application]:
            return f"Its application serves no {wish.new.partner_kind}s."
        first = self._first_of_token(wish, application)
        return (
            "" if first is None else _ONE_REGION.format(line=first.row.place, name=first.new.name)
        )

    def _first_of_token(self, wish: AccountWish, application: str) -> AccountWish | None:
        """The row before this one that brings the same refresh token for the same region."""
        if wish.refresh_token is None or self._doubt_of(wish):
            return None
        place = f"{application}/{wish.new.region}/{digest(wish.refresh_token)}"
        first = self._first_with_token.setdefault(place, wish)
        return None if first is wish else first

    def _doubt_of(self, wish: AccountWish) -> str:
        return self._doubtful.get(digest(wish.refresh_token), "") if wish.refresh_token else ""

    def _settle_selling_partner(self, wish: AccountWish) -> None:
        try:
            if wish.selling_partner_id:
                ids.check_selling_partner_id(wish.selling_partner_id)
        except Fault as fault:
            wish.questions.append(f"selling_partner_id is left out. {fault.message}")
            wish.selling_partner_id = ""

    # --- refresh tokens -----------------------------------------------------------------------

    def _authorization(
        self, wish: AccountWish, account: str, application: str, here: Authorization | None
    ) -> Planned:
        token = wish.refresh_token
        assert token is not None, "only rows with a refresh token come here"
        holder = self._ground.inventory.tokens.get(digest(token))
        if here is not None and (here.state is State.ACTIVE or holder == here.account_id):
            return self._line(wish, Step.LEAVE, "The account has an authorization already.")
        if wish.closed or (here is not None and here.state is State.CLOSED):
            return self._line(wish, Step.LEAVE, "The account is closed: left out.")
        if doubt := self._doubt_of(wish):
            return self._line(wish, Step.ASK, doubt)
        refusal = self._why_no_token(wish, token, application, holder)
        if here is not None and not refusal:
            refusal = self._why_not_again(here, token)
        if refusal:
            return self._line(wish, Step.REFUSE, refusal)
        granted_at = self._settled_date(wish, application)
        act = Adopt(account, application, token, wish.selling_partner_id, granted_at)
        why = "The refresh token is tried at Amazon, then kept."
        return Planned(entry(wish, Thing.AUTHORIZATION, wish.new.name, Step.ADD, why), act, wish)

    def _why_no_token(
        self, wish: AccountWish, token: Secret, application: str, holder: str | None
    ) -> str:
        plain = token.reveal()
        if not plain.isascii() or any(char.isspace() for char in plain):
            return "It holds characters that no refresh token has."
        if plain.startswith(("Atza|", "amzn1.")):
            return "It is no refresh token but an access token, a client id or a client secret."
        if application not in self._ground.ready:
            return "Its application has no client secret, so Amazon cannot be asked."
        if holder is not None:
            return "Another account here holds this refresh token."
        if not wish.selling_partner_id:
            return ""
        place = application, wish.new.region, wish.selling_partner_id
        if place in self._ground.inventory.partners:
            return "Another account here is connected to this selling partner."
        first = self._partners.setdefault(place, wish)
        if first is not wish:
            return f"Line {first.row.place} ({first.new.name}) is the same selling partner."
        return ""

    def _why_not_again(self, here: Authorization, token: Secret) -> str:
        at = self._ground.inventory.refused.get((here.account_id, digest(token)))
        if at is None:
            return ""
        return (
            f"Amazon refused this refresh token on {at:%Y-%m-%d}. Send a link: evergrant account "
            "invite. With --again it is tried once more."
        )

    def _settled_date(self, wish: AccountWish, application: str) -> datetime | None:
        granted_at = wish.granted_at
        if granted_at is not None and granted_at > self._ground.now + timedelta(days=1):
            wish.questions.append("The day of consent lies in the future: taken for unknown.")
            granted_at = None
        ends_at = grant_term_ends_at(granted_at, self._ground.kinds[application])
        if ends_at is not None and ends_at <= self._ground.now:
            # As with accounts that are here already: what Amazon goes on taking was renewed there.
            wish.questions.append(
                f"It is over since {ends_at:%Y-%m-%d}. If Amazon takes it nevertheless, it was "
                "renewed there, on a day that nobody noted; if not, the account waits for consent."
            )
            granted_at = None
        if granted_at is None:
            wish.questions.append(
                "On which day was consent given? Unknown, so nobody can be reminded in time: tell "
                "it when you know it (evergrant account granted)."
            )
        return granted_at

    def _line(self, wish: AccountWish, step: Step, why: str) -> Planned:
        return Planned(entry(wish, Thing.AUTHORIZATION, wish.new.name, step, why))


_SPOKEN = {"application": "application", "instance": "client instance"}


def _doubtful_tokens(wishes: Sequence[AccountWish]) -> dict[str, str]:
    """Refresh tokens that rows of different places, customers or partners bring: nobody but Amazon
    knows whose they are, and Amazon does not tell."""
    rows: dict[str, list[AccountWish]] = {}
    for wish in wishes:
        if wish.refresh_token is not None:
            rows.setdefault(digest(wish.refresh_token), []).append(wish)
    found = {}
    for key, sharing in rows.items():
        places = {
            (
                *(one.application, one.instance, one.new.region, one.new.partner_kind),
                one.new.client_email.strip().lower(),
            )
            for one in sharing
        }
        partners = {one.selling_partner_id for one in sharing} - {""}
        if len(places) > 1 or len(partners) > 1:
            lines = ", ".join(one.row.place for one in sharing[:5])
            found[key] = (
                f"Lines {lines} bring the same refresh token for different regions, applications, "
                "client instances, e-mails or selling partners, and Amazon does not tell whose it "
                "is. Leave it with the right one and import again, or send links (evergrant "
                "account invite)."
            )
    return found


def _is_same(
    wish: AccountWish, account: Account, authorization: Authorization, application_id: str
) -> bool:
    """Whether the account here is the one that the row means."""
    reported = {account.merchant_token, authorization.selling_partner_id} - {""}
    told = {wish.new.merchant_token, wish.selling_partner_id} - {""}
    return (
        account.region.value == wish.new.region
        and account.partner_kind.value == wish.new.partner_kind
        and account.application_id == application_id
        and (not reported or not told or not reported.isdisjoint(told))
    )


def _differences(wish: AccountWish, account: Account) -> list[str]:
    new = wish.new
    flags = {flag.value: on for flag, on in account.flags.items()}
    pairs = {
        "e-mail": (new.client_email, account.client_email),
        "home marketplace": (new.home_marketplace, account.home_marketplace),
        "language": (new.language, account.language),
        "merchant token": (new.merchant_token or account.merchant_token, account.merchant_token),
        "flags": ({**flags, **(new.flags or {})}, flags),
    }
    return [name for name, (wished, here) in pairs.items() if wished != here]
