"""Amazon as a buyer: the parties on orders to vendors, with made-up addresses.

Answers for: one address per country that orders name and invoices have to repeat.
"""

from __future__ import annotations

__all__ = ["billing_address", "billing_party"]


def billing_party(country_code: str) -> str:
    """The partyId that pays in a country."""
    return f"{country_code}BILL"


def billing_address(country_code: str) -> dict[str, str]:
    """In the fields that retail orders and invoices share."""
    return {
        "name": f"Emulated Amazon {country_code}",
        "addressLine1": "1 Buyer Street",
        "city": "Sampleton",
        "stateOrRegion": "Emulation",
        "countryCode": country_code,
    }
