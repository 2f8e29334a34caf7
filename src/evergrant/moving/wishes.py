"""Rows as wishes: what each one asks for, in our words.

Answers for: making out of the cells of a row what the rooms take, guessing where there is one
sensible guess and saying so. Does not answer for: whether it is allowed, and what exists already
(``planning``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evergrant.accounts import NewAccount
from evergrant.moving import words
from evergrant.moving.columns import SECRET, Fields, fields_of
from evergrant.moving.values import Books, Row, Table
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.flags import Flag, available
from evergrant.rules.marketplaces import Marketplaces, PartnerKind, VendorKind
from evergrant.rules.secrecy import MASK, Secret, scrub
from evergrant.rules.terms import GRANT_TERM

__all__ = [
    "AccountWish",
    "ApplicationWish",
    "CredentialsWish",
    "InstanceWish",
    "Wish",
    "Wishes",
    "wishes_of",
]


@dataclass(slots=True, kw_only=True)
class Wish:
    """One row. ``key`` names it within this import, ``old_id`` in the database it comes from."""

    row: Row
    key: str
    old_id: str
    faults: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    secrets: list[Secret] = field(default_factory=list, repr=False)

    def stay(self) -> None:
        """What would have been left out or guessed matters no more."""
        self.notices, self.questions = [], []

    def clean(self, text: str) -> str:
        """``text`` without what has a secret's shape and without the secrets of this row: some are
        of no shape at all."""
        for secret in self.secrets:
            plain = secret.reveal()
            if len(plain) >= 4:
                text = text.replace(plain, MASK)
        text = scrub(text)
        return "".join(char if char.isprintable() else " " for char in text)


@dataclass(slots=True, kw_only=True)
class InstanceWish(Wish):
    new: NewInstance
    signing_secret: Secret | None = None


@dataclass(slots=True, kw_only=True)
class ApplicationWish(Wish):
    new: NewApplication
    kinds_known: bool  # the row says whom it serves


@dataclass(slots=True, kw_only=True)
class CredentialsWish(Wish):
    application: str  # old id, name or Amazon's id
    application_id: str  # Amazon's
    given: Credentials


@dataclass(slots=True, kw_only=True)
class AccountWish(Wish):
    """``new`` lacks the ids of application and client instance: they are known when they exist."""

    application: str
    instance: str
    new: NewAccount
    refresh_token: Secret | None = None
    selling_partner_id: str = ""
    granted_at: datetime | None = None
    closed: bool = False


@dataclass(slots=True, kw_only=True)
class Wishes:
    instances: list[InstanceWish] = field(default_factory=list)
    applications: list[ApplicationWish] = field(default_factory=list)
    credentials: list[CredentialsWish] = field(default_factory=list)
    accounts: list[AccountWish] = field(default_factory=list)


class _Cells:
    """The fields of one row, taken out one by one; every fault that matters is kept."""

    def __init__(self, fields: Fields) -> None:
        self._cells = fields.cells
        self._faults = dict(fields.faults)
        self.faults = [self._faults[""]] if "" in self._faults else []
        self.notices = list(fields.notices)
        self.questions: list[str] = []
        self.secrets: list[Secret] = []

    def text(self, name: str, *, dispensable: bool = False) -> str:
        if name in self._faults:
            told = f"{name} {self._faults[name]}"
            if dispensable:
                self.notices.append(f"{told}: left out.")
            else:
                self.faults.append(f"{told}.")
            return ""
        cell = self._cells.get(name)
        return cell.strip() if isinstance(cell, str) else ""

    def has(self, name: str) -> bool:
        return self._cells.get(name) not in (None, "")

    def is_empty(self, name: str) -> bool:
        """Empty, and not unknown."""
        return self._cells.get(name) == ""

    def secret(self, name: str) -> Secret | None:
        assert name in SECRET, f"{name} is not on the list of secrets"
        text = self.text(name)
        if not text:
            return None
        found = Secret(text)
        self.secrets.append(found)
        return found

    def truth(self, name: str) -> bool | None:
        cell = self._cells.get(name)
        if name not in self._faults and (cell is None or cell == "\0"):
            return None if cell is None else False
        text = self.text(name)
        if name in self._faults:
            return None
        found = words.truth(text) if text else None
        if text and found is None:
            self.faults.append(f"{name} is neither yes nor no.")
        return found

    def instant(self, name: str) -> datetime | None:
        """What cannot be read is asked for: a wrong date is worse than none."""
        try:
            return words.instant(self.text(name, dispensable=True))
        except ValueError as error:
            self.questions.append(f"{name} {error}. It is taken for unknown.")
            return None


def wishes_of(books: Books, marketplaces: Marketplaces) -> Wishes:
    found = Wishes()
    for row in books.rows:
        cells = _Cells(fields_of(row))
        if row.table is Table.INSTANCES:
            found.instances.append(_instance(row, cells, books.ours))
        elif row.table is Table.APPLICATIONS:
            found.applications.append(_application(row, cells, books.ours))
        elif row.table is Table.CREDENTIALS:
            found.credentials.append(_credentials(row, cells))
        else:
            found.accounts.append(_account(row, cells, marketplaces))
    return found


def _base(row: Row, cells: _Cells) -> dict[str, Any]:
    """Taken last, when all has been said of the row."""
    old_id = cells.text("id")
    return {
        "row": row,
        "key": f"{row.table.value}/{row.number}",
        "old_id": old_id,
        "faults": cells.faults,
        "notices": cells.notices,
        "questions": cells.questions,
        "secrets": cells.secrets,
    }


# --- the four tables --------------------------------------------------------------------------


def _instance(row: Row, cells: _Cells, ours: bool) -> InstanceWish:
    secret = cells.secret("signing_secret")
    if secret is not None and not ours:
        cells.notices.append(
            "Its webhook secret is left out: Evergrant makes one of its own, in the form of the "
            "Standard Webhooks scheme (evergrant instance change --renew-signing-secret shows one)."
        )
        secret = None
    new = NewInstance(
        name=cells.text("name"),
        base_url=cells.text("base_url"),
        return_url=cells.text("return_url"),
        webhook_url=cells.text("webhook_url"),
    )
    return InstanceWish(new=new, signing_secret=secret, **_base(row, cells))


def _application(row: Row, cells: _Cells, ours: bool) -> ApplicationWish:
    kinds = words.partner_kinds(cells.text("partner_kinds"))
    new = NewApplication(
        name=cells.text("name"),
        kind=_application_kind(cells),
        partner_kinds=kinds or (PartnerKind.SELLER,),
        status=_status(cells),
        application_id=cells.text("application_id"),
        developer_name=cells.text("developer_name"),
        developer_id=cells.text("developer_id"),
        login_uri=_address(cells, "login_uri", ours),
        redirect_uri=_address(cells, "redirect_uri", ours),
        beta_for_sellers=cells.truth("beta_for_sellers"),
        beta_for_vendors=cells.truth("beta_for_vendors"),
        reminder_days=_reminder_days(cells, ours),
    )
    return ApplicationWish(
        new=new,
        kinds_known=bool(kinds),
        **_base(row, cells),
    )


def _reminder_days(cells: _Cells, ours: bool) -> tuple[int, ...] | None:
    """None: as usual. An empty list of an export of ours means that nobody is reminded."""
    days = words.listed(cells.text("reminder_days"))
    if not days:
        return () if ours and cells.is_empty("reminder_days") else None
    if not all(day.isascii() and day.isdigit() for day in days):
        cells.faults.append("reminder_days are whole numbers of days.")
        return None
    return tuple(int(day) for day in days)


def _application_kind(cells: _Cells) -> str:
    text = cells.text("kind").lower()
    if cells.truth("private") or any(word in text for word in ("private", "internal", "self")):
        return "private"
    return "public"


def _status(cells: _Cells) -> str:
    text = cells.text("status").lower()
    if any(word in text for word in ("publish", "live", "listed")):
        return "published"
    if any(word in text for word in ("draft", "beta", "submitted", "review")):
        return "draft"
    published = cells.truth("published")
    draft = cells.text("draft").lower()
    if published or (words.truth(draft) is False and draft):
        return "published"
    if published is None and "beta" not in draft and not words.truth(draft):
        cells.questions.append(
            "Whether it is a draft or published at Amazon is not told; it is taken for a draft, "
            "whose consent carries version=beta."
        )
    return "draft"


def _address(cells: _Cells, name: str, ours: bool) -> str:
    """Where Amazon sends browsers: at the house that is left behind, unless this is our export."""
    text = cells.text(name, dispensable=True)
    if text and not ours:
        cells.questions.append(
            f"{name} is that of the former system and is left out: register this installation's "
            "at Amazon (evergrant app show names it)."
        )
        return ""
    return text


def _credentials(row: Row, cells: _Cells) -> CredentialsWish:
    given = Credentials(
        lwa_client_id=cells.text("lwa_client_id") or None,
        lwa_client_secret=cells.secret("lwa_client_secret"),
        secret_created_at=cells.instant("secret_created_at"),
        secret_expires_at=cells.instant("secret_expires_at"),
        lwa_url=cells.text("lwa_url") or None,
        role_arn=cells.text("role_arn") or None,
        access_key=cells.secret("access_key"),
        secret_key=cells.secret("secret_key"),
        queue_url=cells.text("queue_url") or None,
        notifications_queue_url=cells.text("notifications_queue_url") or None,
    )
    return CredentialsWish(
        application=cells.text("application"),
        application_id=cells.text("application_id"),
        given=given,
        **_base(row, cells),
    )


def _account(row: Row, cells: _Cells, marketplaces: Marketplaces) -> AccountWish:
    codes = tuple(code.upper() for code in words.listed(cells.text("vendor_codes")))
    kind = _partner_kind(cells, codes)
    is_vendor = kind == PartnerKind.VENDOR
    vendor_kind = _vendor_kind(cells) if is_vendor else None
    home = _home(cells, marketplaces)
    token = cells.text("merchant_token")
    selling_partner_id = cells.text("selling_partner_id") or ("" if is_vendor else token)
    new = NewAccount(
        name=cells.text("name"),
        partner_kind=kind,
        client_email=cells.text("client_email"),
        application_id="",
        client_instance_id="",
        region=_region(cells, home, marketplaces),
        home_marketplace=home,
        vendor_kind=vendor_kind,
        merchant_token="" if is_vendor else token,
        vendor_codes=codes if is_vendor else (),
        flags=_flags(cells, kind, vendor_kind),
        language=_language(cells),
        notes=_notes(cells),
    )
    refresh_token = cells.secret("refresh_token")
    granted_at = _granted_at(cells)
    if cells.truth("oauth_began") and refresh_token is None:
        cells.questions.append(
            "Consent had begun in the former system; its link is of no use here: send a new one "
            "(evergrant account invite)."
        )
    wish = AccountWish(
        application=cells.text("application"),
        instance=cells.text("instance"),
        new=new,
        refresh_token=refresh_token,
        selling_partner_id=selling_partner_id,
        granted_at=granted_at,
        closed=_closed(cells),
        **_base(row, cells),
    )
    if _deleted(cells):
        wish.faults.append("It is marked as deleted.")
    return wish


def _partner_kind(cells: _Cells, codes: Iterable[str]) -> str:
    kinds = words.partner_kinds(cells.text("partner_kind"))
    if kinds:
        return kinds[0]
    vendor, seller = cells.truth("is_vendor"), cells.truth("is_seller")
    if vendor or (vendor is None and seller is False):
        return PartnerKind.VENDOR.value
    if vendor is None and seller is None:
        by_codes = bool(list(codes)) or cells.has("vendor_kind")
        kind = PartnerKind.VENDOR if by_codes else PartnerKind.SELLER
        cells.notices.append(f"Taken for a {kind.value}: the row does not tell.")
        return kind.value
    return PartnerKind.SELLER.value


def _vendor_kind(cells: _Cells) -> str:
    text = cells.text("vendor_kind")
    if text:
        return words.vendor_kind(text)
    cells.questions.append(
        "Taken for a retail vendor. If this one ships to consumers for Amazon: "
        "evergrant account change --vendor-kind direct_fulfillment."
    )
    return VendorKind.RETAIL.value


def _home(cells: _Cells, marketplaces: Marketplaces) -> str:
    text = cells.text("home_marketplace")
    if words.marketplace(text, marketplaces) in {row.country_code for row in marketplaces.rows}:
        return words.marketplace(text, marketplaces)
    several = words.listed(text)
    if len(several) > 1:
        cells.notices.append(f"Of {len(several)} marketplaces the first is the home.")
    return words.marketplace(several[0], marketplaces) if several else ""


def _region(cells: _Cells, home: str, marketplaces: Marketplaces) -> str:
    text = cells.text("region")
    if text:
        return words.region(text)
    for row in marketplaces.rows:
        if row.country_code == home:
            cells.notices.append(f"The region {row.region.value} follows from {row.country_code}.")
            return row.region.value
    return ""


def _flags(cells: _Cells, kind: str, vendor_kind: str | None) -> dict[str, bool] | None:
    given = {flag: on for flag in Flag if (on := cells.truth(flag)) is not None}
    try:
        of, vendor = PartnerKind(kind), VendorKind(vendor_kind) if vendor_kind else None
    except ValueError:
        return None  # it will be refused for that
    gone = [flag for flag in given if not available(flag, of, vendor)]
    if any(given[flag] for flag in gone):
        names = ", ".join(flag.value for flag in gone if given[flag])
        cells.notices.append(f"Amazon has no such thing for this kind of account: {names}.")
    return {flag.value: on for flag, on in given.items() if flag not in gone} or None


def _language(cells: _Cells) -> str:
    text = cells.text("language", dispensable=True)
    found = words.language(text) if text else "en"
    if found is None:
        cells.notices.append("There are no letters in its language: English instead.")
    return found or "en"


def _notes(cells: _Cells) -> str:
    text = cells.text("notes", dispensable=True)
    if scrub(text) != text:
        cells.notices.append("The notes hold a secret and are left out.")
        return ""
    return text


def _granted_at(cells: _Cells) -> datetime | None:
    """The day of consent; where only the end of the year is known, a year before it."""
    told = cells.instant("granted_at")
    if told is not None or not cells.has("term_ends_at"):
        return told
    ends = cells.instant("term_ends_at")
    if ends is None:
        return None
    cells.notices.append("The day of consent is reckoned from the end of its 365 days.")
    return ends - GRANT_TERM


def _closed(cells: _Cells) -> bool:
    text = cells.text("state").lower()
    if text in ("closed", "inactive", "disabled", "archived"):
        return True
    return cells.truth("active") is False


def _deleted(cells: _Cells) -> bool:
    """A switch, or the instant of the deletion."""
    if cells.text("state").lower() == "deleted":
        return True
    text = cells.text("deleted", dispensable=True)
    on: Callable[[str], bool | None] = words.truth
    return bool(text) and on(text) is not False and not text.startswith("0000-00-00")
