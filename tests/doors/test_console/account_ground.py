"""Accounts of a public application behind a console, for the tests of their pages."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import Any

from evergrant.accounts import NewAccount
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.things import Account
from evergrant.rules.marketplaces import STANDARD, PartnerKind
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.conftest import Console, Window

#: Every mark that would end a text or an attribute, or begin a tag.
MARKUP = "<img src=x onerror=alert(1)>\"'&amp;"
NOBODY = "acc_" + "0" * 26
#: May read, and nothing more.
READERS = (Role.AUDITOR,)
WRITERS = (Role.ADMIN, Role.TEAM_LEAD, Role.SUPPORT)


async def public(console: Console) -> None:
    """Its application has a consent page at Amazon."""
    await console.desk.registry.change_application(
        console.house.application_id, {"kind": "public"}, by=SYSTEM
    )


async def shop(console: Console, **fields: Any) -> Account:
    values: dict[str, Any] = {
        "name": f"Shop {secrets.token_hex(4)}",
        "partner_kind": PartnerKind.SELLER,
        "client_email": "owner@shop.example",
        "application_id": console.house.application_id,
        "client_instance_id": console.house.instance_id,
        "region": "eu",
        "home_marketplace": "DE",
        **fields,
    }
    return await console.desk.accounts.add(NewAccount(**values), by=SYSTEM)


async def vendor(console: Console, **fields: Any) -> Account:
    return await shop(console, **{"partner_kind": "vendor", "vendor_kind": "retail", **fields})


async def connect(
    console: Console, account: Account, *, days_ago: float | None = 1, **fields: Any
) -> str:
    """As if it had been authorized so long ago, with a first look that found nothing wrong; None:
    nobody knows when. Gives the refresh token."""
    home = STANDARD.by_country(account.home_marketplace)
    console.fakes.selling_partner_api.participate(
        account.id,
        [
            ReportedParticipation(
                marketplace_id=home.marketplace_id,
                country_code=home.country_code,
                name=home.name,
                participating=True,
                **fields,
            )
        ],
    )
    refresh_token = console.fakes.lwa.grant(console.house.lwa_client_id, account.id)
    now = console.fakes.clock.now()
    await console.desk.consent.adopt(
        account.id,
        refresh_token,
        by=SYSTEM,
        selling_partner_id=account.merchant_token or f"A{secrets.token_hex(6).upper()}",
        granted_at=None if days_ago is None else now - timedelta(days=days_ago),
    )
    return refresh_token.reveal()


def regions(page: str) -> set[str]:
    """Ids of what a page puts in the place of what was there, when it is read again."""
    return set(re.findall(r'id="([a-z-]+)"[^>]*\bdata-live\b', page))


async def is_refused(window: Window, path: str, **form: str) -> None:
    answer = await window.post(path, form)
    assert answer.status_code == 403, (path, answer.status_code)
