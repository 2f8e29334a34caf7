"""A small world to begin with: one application, one seller, one vendor."""

from __future__ import annotations

from typing import Any

from amazon_emulator import marketplaces
from amazon_emulator.faces.levers import making
from amazon_emulator.faces.levers.wishes import Wish
from amazon_emulator.stage import Stage

__all__ = ["build"]


def build(stage: Stage, login_uri: str, redirect_uri: str) -> dict[str, dict[str, Any]]:
    """Makes it and gives what was issued, secrets included, for printing."""
    application = making.add_application(
        stage,
        Wish(
            {
                "name": "Demo application",
                "login_uri": login_uri,
                "redirect_uris": [redirect_uri],
            }
        ),
    )
    seller = making.add_partner(
        stage,
        Wish(
            {
                "kind": "seller",
                "name": "Blue Heron Books",
                "home": "DE",
                "marketplaces": [
                    "DE",
                    "FR",
                    {"marketplace": "IT", "suspended": True},
                    {"marketplace": "ES", "participating": False},
                    marketplaces.ODD.id,
                ],
            }
        ),
    )
    vendor = making.add_partner(
        stage, Wish({"kind": "vendor", "name": "Mill Lane Hardware", "home": "DE"})
    )
    return {"application": application, "seller": seller, "vendor": vendor}
