"""What may be consented to, and where the browser goes then. No HTML, no HTTP.

Codes and causes follow Amazon's page 'authorization-errors' and reports from the field; the order
in which they are looked for is the emulator's own.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit

from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.world import CONSENT_LASTS, Application, Grant, LoginLeg, Partner

__all__ = [
    "Asked",
    "OnPage",
    "amazon_state",
    "awaited",
    "choose_redirect_uri",
    "grant",
    "judge",
    "limit_reached",
    "raw_parameter",
    "takes_login_leg",
    "to_login_uri",
    "to_redirect_uri",
    "with_query",
]

WORDS = {
    "MD1000": "The application is not known here, or it is a draft and the address lacks "
    "version=beta. An LWA client id is not an application id.",
    "MD5100": "This application cannot be authorized by this account.",
    "MD5101": "The redirect_uri is not among those registered for the application.",
    "MD5110": "The redirect URI contains a fragment (#).",
    "MD9000": "The developer or the application is not eligible for new authorizations.",
    "MD9010": "There is no MWS developer id for this region (hybrid applications only).",
    "MD9100": "The application has no log-in URI or no redirect URI.",
    "MD9999": "Something about the application id, version=beta or the two URIs is wrong.",
    "SPDC8143": "Only the primary user of the account may authorize applications.",
    "SPSA0404": "This business entity is not supported.",
    "SPSA2043": "The vendor group lacks the role SPDS-VC-MYA.",
    "CONSENT_LIMIT_REACHED": "The application has used up its authorizations.",
    "STATE": "This authorization is not known, was finished already, or took longer than ten "
    "minutes. Begin again.",
}


class OnPage(Exception):
    """An error that Amazon shows on its own page; nothing is sent to the application."""

    def __init__(self, code: str) -> None:
        super().__init__(WORDS.get(code, "The application cannot be authorized."))
        self.code = code


@dataclass(frozen=True)
class Asked:
    """The query of a consent address. ``from_central``: begun at "Manage your apps"."""

    application_id: str
    state: str | None
    redirect_uri: str | None
    version: str | None
    from_central: bool = False


def judge(stage: Stage, asked: Asked, partner: Partner) -> Application:
    """The application, when this partner may consent to it. Raises OnPage."""
    application = stage.world.applications.get(asked.application_id)
    beta = asked.version == "beta"
    if application is None:
        raise OnPage("MD1000")
    if not asked.from_central:
        if application.status == "draft" and not beta:
            raise OnPage("MD1000")
        if application.status == "submitted" and not beta:
            raise OnPage("MD9000")
        if partner.kind == "vendor" and stage.habits.vendors_need_beta and not beta:
            raise OnPage("MD5100")
    if partner.kind not in application.partner_kinds:
        raise OnPage("MD5100")
    if not application.login_uri or not application.redirect_uris:
        raise OnPage("MD9100")
    choose_redirect_uri(application, asked.redirect_uri)
    if not partner.primary_user:
        raise OnPage("SPDC8143")
    if partner.consent_error:
        raise OnPage(partner.consent_error)
    if limit_reached(stage, application, partner):
        raise OnPage("CONSENT_LIMIT_REACHED")
    return application


def choose_redirect_uri(application: Application, wanted: str | None) -> str:
    """The wanted one when it is registered, the first registered one when none is wanted.

    Raises OnPage."""
    uri = wanted or application.redirect_uris[0]
    if "#" in uri:
        raise OnPage("MD5110")
    if uri not in application.redirect_uris:
        raise OnPage("MD5101")
    return uri


def limit_reached(stage: Stage, application: Application, partner: Partner) -> bool:
    if application.consent_limit is None:
        return False
    now = stage.clock.now()
    held = stage.world.grants_of(partner, application)
    if any(grant.is_good(now) and not grant.self_authorized for grant in held):
        return False
    taken = stage.world.authorized_partners(application, partner.kind, now)
    return taken >= application.consent_limit


def takes_login_leg(stage: Stage, application: Application, partner: Partner) -> bool:
    """Whether the browser goes to the log-in URI first. Amazon's staff (selling-partner-api-docs
    issue 693): partners that are not linked yet do; its page "website-authorization-workflow":
    always; its guide of 2021: never."""
    habits = stage.habits
    pair = (partner.selling_partner_id, application.application_id)
    wish = (
        habits.login_leg_for.get(pair)
        or habits.login_leg_for.get((pair[0], None))
        or habits.login_leg_for.get((None, pair[1]))
        or habits.login_leg
    )
    if wish == "alternate":
        stage.consents_begun += 1
        return stage.consents_begun % 2 == 1
    if wish == "unlinked":
        return not stage.world.is_linked(partner, application, stage.clock.now())
    return wish == "always"


def to_login_uri(
    stage: Stage, central: str, application: Application, partner: Partner, region: Region
) -> str:
    """The address of the log-in leg; remembers what is awaited back."""
    assert application.login_uri is not None
    path = f"/apps/authorize/confirm/{application.application_id}"
    callback_uri = path if stage.habits.callback_uri_as_path else f"{central}{path}"
    state = amazon_state(stage)
    leg = LoginLeg(partner, application, region, stage.clock.now())
    stage.world.await_login(unquote_to_bytes(state), leg)
    query = urlencode({"amazon_callback_uri": callback_uri}, safe="")
    query += f"&amazon_state={state}"
    query += "&" + urlencode({"selling_partner_id": partner.selling_partner_id})
    if application.status == "draft":
        query += "&version=beta"
    return with_query(application.login_uri, query)


def amazon_state(stage: Stage) -> str:
    """Amazon's CSRF value as it stands in the address: long, percent-encoded."""
    core = quote(base64.b64encode(secrets.token_bytes(180)).decode(), safe="")
    match stage.habits.amazon_state:
        case "utf8":
            return f"{core}%C3%A9%E2%82%AC"
        case "bytes":
            return f"{core}%E9%FF%A4"
        case _:
            return core


def awaited(stage: Stage, application_id: str, raw_query: str, partner: Partner) -> LoginLeg:
    """The log-in leg that a returning browser belongs to. Raises OnPage."""
    state = raw_parameter(raw_query, "amazon_state")
    leg = stage.world.login_legs.get(unquote_to_bytes(state.replace("+", " ")))
    if (
        leg is None
        or leg.spent
        or leg.application.application_id != application_id
        or leg.partner is not partner
        or stage.clock.now() - leg.began_at > CONSENT_LASTS
    ):
        raise OnPage("STATE")
    return leg


def raw_parameter(raw_query: str, name: str) -> str:
    """A parameter as it was sent, percent-encoding and all: it may hold bytes that are no text."""
    for pair in raw_query.split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return value
    return ""


def grant(stage: Stage, partner: Partner, application: Application, region: Region) -> Grant:
    """The consent itself. A renewal gives a new refresh token, or the same one again, and leaves
    the old one alive or not: Amazon does not say which, so habits decide."""
    now = stage.clock.now()
    earlier = [
        known
        for known in stage.world.grants_of(partner, application)
        if known.region == region and known.revoked_at is None and not known.self_authorized
    ]
    if earlier and stage.habits.renewal_refresh_token == "same":  # noqa: S105  # a habit's name
        return stage.world.renew(earlier[-1], now)
    fresh = stage.world.give(partner, application, region, now)
    if stage.habits.renewal_kills_old:
        for known in earlier:
            known.revoked_at = now
    return fresh


def to_redirect_uri(stage: Stage, given: Grant, redirect_uri: str, state: str | None) -> str:
    """The last address: the application's redirect URI with a fresh code."""
    code = stage.world.new_code(given, redirect_uri, stage.clock.now())
    query = {
        **({} if state is None else {"state": state}),
        "selling_partner_id": given.partner.selling_partner_id,
        "spapi_oauth_code": code.value,
    }
    return with_query(redirect_uri, urlencode(query))


def with_query(uri: str, query: str) -> str:
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{query}"
