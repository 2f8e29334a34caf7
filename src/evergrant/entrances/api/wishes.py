"""What callers may send: the shape of every body.

Answers for: names, JSON types, sizes, and refusing names that nobody knows. Does not answer for:
what a value means (a country that is none, an address that is none); the rooms say that, all
flaws at once. Secrets arrive as ``SecretStr`` and are never shown again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    StrictInt,
)

from evergrant.account_fields import LONGEST_NOTES
from evergrant.accounts import NewAccount
from evergrant.people import DEFAULT_OVERLAP, LONGEST_OVERLAP, MOST_ACCOUNTS
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind
from evergrant.rules.reminders import MOST_WINDOWS
from evergrant.rules.rights import Right
from evergrant.rules.secrecy import Secret

__all__ = [
    "AccountChange",
    "AccountWish",
    "AdoptWish",
    "ApiKeyWish",
    "ApplicationChange",
    "ApplicationWish",
    "ConnectionKeyWish",
    "CredentialsWish",
    "GrantedAtWish",
    "InstanceChange",
    "InstanceWish",
    "RotationWish",
    "SignOffWish",
    "WithdrawalWish",
]


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character NUL.")
    return text


def _written_instant(value: Any) -> Any:
    # pydantic would take a bare number for seconds or for milliseconds, whichever it guesses.
    if isinstance(value, datetime) or (isinstance(value, str) and "T" in value.upper()):
        return value
    raise ValueError("must be an instant such as '2026-03-01T09:30:00Z', with its offset.")


def _storable_secret(secret: SecretStr) -> SecretStr:
    _storable(secret.get_secret_value())
    return secret


Text = Annotated[str, Field(max_length=500), AfterValidator(_storable)]
Notes = Annotated[str, Field(max_length=LONGEST_NOTES), AfterValidator(_storable)]
Url = Annotated[str, Field(max_length=2_000), AfterValidator(_storable)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written_instant)]
SecretText = Annotated[SecretStr, Field(max_length=4_096), AfterValidator(_storable_secret)]


class Wish(BaseModel):
    """Nothing unknown is let in, and no value shows in an error or in a repr."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class Change(Wish):
    """A merge patch: only the members that are named change. Defaults here mean nothing."""

    def changes(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.model_fields_set}


class FlagsWish(Wish):
    """Switches by name; those that are not named stay as they are. ``null`` is what reading
    shows for a switch that is unavailable, and changes nothing."""

    update_stock: StrictBool | None = None
    update_price: StrictBool | None = None
    ship_orders: StrictBool | None = None
    upload_invoices: StrictBool | None = None
    cancel_orders: StrictBool | None = None
    refund_orders: StrictBool | None = None

    def named(self) -> dict[str, bool]:
        return {
            name: value
            for name in self.model_fields_set
            if (value := getattr(self, name)) is not None
        }


class AccountWish(Wish):
    """One selling partner in one region."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Bergkamm Outdoor DE",
                    "partner_kind": "seller",
                    "client_email": "owner@bergkamm.example",
                    "application_id": "app_01k9z4h6q8w2e5r7t9y1a3s5d7",
                    "client_instance_id": "ins_01k9z4h6q8w2e5r7t9y1a3s5d7",
                    "region": "eu",
                    "home_marketplace": "DE",
                    "language": "de",
                }
            ]
        }
    )

    name: Text = Field(description="Unique. Letters and pages show it to the selling partner.")
    partner_kind: PartnerKind
    vendor_kind: VendorKind | None = Field(None, description="Needed for vendors, null for sellers")
    client_email: Text = Field(description="Where the consent link is mailed to")
    application_id: Text = Field(description="Evergrant's id of the application: `app_…`")
    client_instance_id: Text = Field(description="`ins_…`")
    region: Region = Field(description="One consent covers all marketplaces of a region.")
    home_marketplace: Text = Field(
        description="Country code. Chooses the host of Amazon's consent page."
    )
    merchant_token: Text = Field(
        "",
        description="Sellers: Amazon's id of the shop, if known. A consent given by another shop "
        "is then refused.",
    )
    vendor_codes: list[Text] = Field(default_factory=list, max_length=500)
    flags: FlagsWish = Field(default_factory=FlagsWish)
    language: Text = Field("en", description="Of letters and pages: `en`, `de`, `fr`, `it` or `es`")
    notes: Notes = ""

    def new(self) -> NewAccount:
        values = self.model_dump(exclude={"flags", "vendor_codes"})
        return NewAccount(**values, flags=self.flags.named(), vendor_codes=tuple(self.vendor_codes))


class AccountChange(Change):
    """Members that are left out stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"client_email": "office@bergkamm.example", "flags": {"update_price": False}},
                {"oauth_began": True},
            ]
        }
    )

    name: Text = Field(default_factory=str)
    partner_kind: PartnerKind = Field(default_factory=lambda: PartnerKind.SELLER)
    vendor_kind: VendorKind | None = None
    client_email: Text = Field(default_factory=str)
    application_id: Text = Field(default_factory=str)
    client_instance_id: Text = Field(default_factory=str)
    region: Region = Field(default_factory=lambda: Region.EU)
    home_marketplace: Text = Field(default_factory=str)
    merchant_token: Text = Field(default_factory=str)
    vendor_codes: list[Text] = Field(default_factory=list, max_length=500)
    flags: FlagsWish = Field(default_factory=FlagsWish)
    language: Text = Field(default_factory=str)
    notes: Notes = Field(default_factory=str)
    oauth_began: StrictBool = Field(
        default_factory=bool,
        description="`true` mails the consent link, as POST …/invitation does. Where it is true "
        "already, nothing happens. It is never set back.",
    )

    def changes(self) -> dict[str, object]:
        """For the account book; ``oauth_began`` is no field of it."""
        changes = super().changes()
        changes.pop("oauth_began", None)
        if "flags" in changes:
            changes["flags"] = self.flags.named()
        if "vendor_codes" in changes:
            changes["vendor_codes"] = tuple(self.vendor_codes)
        return changes

    def sends_link(self) -> bool | None:
        """What was said of ``oauth_began``, None if nothing."""
        return self.oauth_began if "oauth_began" in self.model_fields_set else None


class ApplicationWish(Wish):
    """One SP-API application of the software house."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Northwind Connect",
                    "kind": "public",
                    "partner_kinds": ["seller", "vendor"],
                    "status": "published",
                    "application_id": "amzn1.sp.solution.0f3c1c9e-5a0b-4b3a-9d0e-2c8a1f4e7b61",
                    "login_uri": "https://connect.northwind.example/amazon/login",
                    "redirect_uri": "https://connect.northwind.example/callback",
                }
            ]
        }
    )

    name: Text = Field(description="Unique")
    kind: ApplicationKind = ApplicationKind.PUBLIC
    partner_kinds: list[PartnerKind] = Field(
        default_factory=lambda: [PartnerKind.SELLER], max_length=10
    )
    status: ApplicationStatus = ApplicationStatus.DRAFT
    application_id: Text = Field(
        description="Amazon's id: `amzn1.sp.solution.…` or `amzn1.sellerapps.app.…`"
    )
    developer_name: Text = ""
    developer_id: Text = ""
    login_uri: Url = Field("", description="As registered at Amazon; empty: this Evergrant's own")
    redirect_uri: Url = Field("", description="As registered at Amazon; empty: Evergrant's own")
    beta_for_sellers: StrictBool | None = Field(
        None, description="Overrides `version=beta` in consent links; null: decided by the status"
    )
    beta_for_vendors: StrictBool | None = None
    reminder_days: list[StrictInt] | None = Field(
        None,
        max_length=MOST_WINDOWS,
        description="Days before the end of an authorization on which its client is reminded, each "
        "from 0 to 180; empty: never; null: as EVERGRANT_REMINDER_DAYS says",
    )

    def new(self) -> NewApplication:
        return NewApplication(**self.model_dump())


class ApplicationChange(Change):
    """Members that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "published"}]})

    name: Text = Field(default_factory=str)
    kind: ApplicationKind = Field(default_factory=lambda: ApplicationKind.PUBLIC)
    partner_kinds: list[PartnerKind] = Field(default_factory=list, max_length=10)
    status: ApplicationStatus = Field(default_factory=lambda: ApplicationStatus.DRAFT)
    application_id: Text = Field(default_factory=str)
    developer_name: Text = Field(default_factory=str)
    developer_id: Text = Field(default_factory=str)
    login_uri: Url = Field(default_factory=str)
    redirect_uri: Url = Field(default_factory=str)
    beta_for_sellers: StrictBool | None = None
    beta_for_vendors: StrictBool | None = None
    reminder_days: list[StrictInt] | None = Field(None, max_length=MOST_WINDOWS)


class CredentialsWish(Wish):
    """Members that are left out or null stay as they are; an empty text removes what may be
    removed. Secrets go in and never come out again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "lwa_client_id": "amzn1.application-oa2-client.5f0c…",
                    "lwa_client_secret": "amzn1.oa2-cs.v1.…",
                    "secret_created_at": "2026-03-01T09:30:00Z",
                }
            ]
        }
    )

    lwa_client_id: Text | None = None
    lwa_client_secret: SecretText | None = None
    secret_created_at: Instant | None = Field(
        None, description="When Amazon made the client secret; it lives 180 days"
    )
    secret_expires_at: Instant | None = None
    lwa_url: Url | None = Field(None, description="Empty: Amazon's, or that of the overrides")
    role_arn: Text | None = Field(None, description="AWS role for secret rotation by queue")
    access_key: SecretText | None = Field(None, description="AWS access key id")
    secret_key: SecretText | None = Field(None, description="AWS secret key")
    queue_url: Url | None = Field(None, description="SQS queue on which Amazon sends new secrets")
    notifications_queue_url: Url | None = Field(
        None,
        description="SQS queue for Amazon's notifications of feeds, orders and reports: another "
        "one than that of new secrets",
    )

    _SECRETS: ClassVar = ("lwa_client_secret", "access_key", "secret_key")

    def given(self) -> Credentials:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for name in self._SECRETS:
            values[name] = _secret(values[name])
        return Credentials(**values)


class InstanceWish(Wish):
    """One installation of the house's software. All addresses are optional."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "ERP production",
                    "base_url": "https://erp.northwind.example",
                    "return_url": "https://erp.northwind.example/amazon/connected",
                    "webhook_url": "https://erp.northwind.example/hooks/evergrant",
                }
            ]
        }
    )

    name: Text = Field(description="Unique")
    base_url: Url = ""
    return_url: Url = Field("", description="Where the partner's browser goes after the consent")
    webhook_url: Url = Field("", description="Receives signed events (Standard Webhooks)")

    def new(self) -> NewInstance:
        return NewInstance(**self.model_dump())


class InstanceChange(Change):
    """Members that are left out stay as they are; an empty text removes an address."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"webhook_url": "https://erp.northwind.example/hooks"}]}
    )

    name: Text = Field(default_factory=str)
    base_url: Url = Field(default_factory=str)
    return_url: Url = Field(default_factory=str)
    webhook_url: Url = Field(default_factory=str)


class AdoptWish(Wish):
    """A refresh token from elsewhere: a private application's self-authorization, or a move."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": "Atzr|…"}]})

    refresh_token: SecretText
    selling_partner_id: Text = Field("", description="As Amazon shows it; optional")
    granted_at: Instant | None = Field(
        None, description="When the partner gave consent; null leaves the end of the term unknown"
    )

    def secret(self) -> Secret:
        return Secret(self.refresh_token.get_secret_value())


class GrantedAtWish(Wish):
    """When the partner gave consent, of a grant whose day Evergrant does not know."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"granted_at": "2026-03-01T00:00:00Z"}]}
    )

    granted_at: Instant = Field(description="The day will do, at its first instant")


class ConnectionKeyWish(Wish):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "stock script"}]})

    name: Text = Field("", description="For you to know it again")
    expires_at: Instant | None = Field(None, description="Opens nothing from then on")


class ApiKeyWish(Wish):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "ERP production", "rights": ["read", "write", "access_tokens"]},
                {
                    "name": "order script",
                    "rights": ["amazon_read", "personal_data"],
                    "account_ids": ["acc_01k9z4h6q8w2e5r7t9y1a3s5d7"],
                    "expires_at": "2027-03-01T00:00:00Z",
                },
            ]
        }
    )

    name: Text
    rights: list[Right] = Field(min_length=1, max_length=10)
    client_instance_id: Text | None = Field(
        None, description="Narrows the key to the accounts of one client instance"
    )
    account_ids: list[Text] | None = Field(
        None,
        min_length=1,
        max_length=MOST_ACCOUNTS,
        description="Narrows the key to these accounts: it sees nothing besides",
    )
    expires_at: Instant | None = Field(None, description="Opens nothing from then on")


class RotationWish(Wish):
    """All members may be left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_s": 86_400}]})

    overlap_s: StrictInt = Field(
        int(DEFAULT_OVERLAP.total_seconds()),
        ge=0,
        le=int(LONGEST_OVERLAP.total_seconds()),
        description="So many seconds the old key works on; 0 ends it at once",
    )
    expires_at: Instant | None = Field(
        None,
        description="End of the new key; without, it lives as long as the old one was made for",
    )

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.overlap_s)


class SignOffWish(Wish):
    """All members may be left out, but an item about one thing needs its id."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": "app_01k9z4h6q8w2e5r7t9y1a3s5d7",
                    "name": "Ada Lovelace",
                    "note": "Compared in the developer console",
                }
            ]
        }
    )

    subject: Text = Field("", description="`app_…` or `ins_…`, of what the item is about")
    name: Text = Field("", description="Who looked; without, the name of the key")
    note: Text = ""
    digest: Text | None = Field(None, description="Of what was looked at, as GET /v1/checks says")


class WithdrawalWish(Wish):
    """All members may be left out, but an item about one thing needs its id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Signed too early"}]})

    subject: Text = Field("", description="`app_…` or `ins_…`, of what the item is about")
    note: Text = ""


def _secret(given: SecretStr | None) -> Secret | None:
    return None if given is None else Secret(given.get_secret_value())


Order = Literal["newest", "oldest"]
