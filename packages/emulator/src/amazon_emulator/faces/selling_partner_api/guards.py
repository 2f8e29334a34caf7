"""The guards of an endpoint, in Amazon's order: who calls, whether it may, how often, how.

Answers for: each refusal with its status and text (Amazon's page
'resolve-common-http-and-authorization-error-codes' and recorded calls), the spending of limits, and
the rate-limit header. An unknown path answers 403 like any other denial, as was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from amazon_emulator import issuing, limits, marketplaces, models
from amazon_emulator.apis import restricted
from amazon_emulator.apis.operations import Call, Denied, Operation, Said
from amazon_emulator.asking import Asking
from amazon_emulator.faces.selling_partner_api.routes import Known
from amazon_emulator.history import Asked
from amazon_emulator.limits.special import SANDBOX
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage, log
from amazon_emulator.world import AccessToken, Grant

__all__ = ["admit", "check_answer", "check_contract", "rate_limit", "spend"]

EXPIRED = "The access token you provided has expired."
INVALID = "The access token you provided is revoked, malformed or invalid."
MISSING = "Access token is missing in the request header."
SECRET_EXPIRED = "The LWA secret token you provided has expired."  # noqa: S105
WRONG_REGION = "The marketplaces you provided are not valid for region."
USER_AGENT_AT_MOST = 500
# Grantless operations that are not played, by scope and the beginning of their path.
GRANTLESS_PLACES = (("sellingpartnerapi::shipments:track", "/tracking/"),)
MARKETPLACE_PARAMETERS = frozenset(
    {
        *("marketplaceIds", "marketplaceId", "MarketplaceIds", "MarketplaceId"),
        *("marketplace_ids", "marketplace_id"),
    }
)


def admit(
    stage: Stage,
    region: Region,
    asking: Asking,
    known: Known | None,
    token: AccessToken | None,
    sandbox: bool,
) -> Call:
    """Raises Denied unless this access token may call this operation here and now."""
    offered = asking.headers.get("x-amz-access-token", "")
    _check_presence(offered)
    good = _check_life(stage, token)
    _check_user_agent(asking.headers.get("user-agent", ""))
    if known is None:
        raise Denied.access("")
    call = Call(stage, region, stage.clock.now(), good, asking)
    played = known.played
    if _by_scope(good, known.template, played):
        return call
    if sandbox:
        # Recorded: the sandbox looks at the token and at nothing else, not even at the region.
        return call
    if good.grant is None:
        raise Denied.access("")
    _check_grant(good.grant, region, known)
    _check_marketplaces(asking, region)
    opened = restricted.admit(stage, good, known.method, known.template, asking)
    call = Call(stage, region, call.now, good, asking, opened)
    if played is not None and not good.resources and played.restricted(call):
        raise Denied.access("")
    return call


def _check_presence(offered: str) -> None:
    if not offered:
        raise Denied.access(MISSING)
    if issuing.looks_real(offered):
        log.error(
            "refused a call: its access token looks like a real one of Amazon's; "
            "this is an emulator, check the endpoint's address"
        )
        raise Denied.access(
            "This is the Amazon emulator, and the access token looks like a real one. "
            "It was neither stored nor logged. Check your configuration."
        )


def _check_life(stage: Stage, token: AccessToken | None) -> AccessToken:
    now = stage.clock.now()
    if token is None or (token.grant is not None and token.grant.revoked_at is not None):
        raise Denied.access(INVALID)
    if now >= token.ends_at:
        raise Denied.access(EXPIRED)
    if all(now >= secret.ends_at for secret in token.application.secrets):
        raise Denied.access(SECRET_EXPIRED)
    return token


def _check_user_agent(words: str) -> None:
    """Amazon's developer guide: those of more than 500 characters are rejected. How is not said
    there; status and text are the emulator's."""
    if len(words) > USER_AGENT_AT_MOST:
        raise Denied.invalid(
            f"The user-agent header has more than {USER_AGENT_AT_MOST} characters."
        )


def _by_scope(token: AccessToken, template: str, played: Operation | None) -> bool:
    """Whether a grantless token opens this; raises Denied where nothing else could and it does
    not. An operation with roles besides its scope is open to either kind of token."""
    scopes = (token.scope or "").split()
    if played is None or played.scope is None:
        return token.grant is None and any(
            template.startswith(place) for scope, place in GRANTLESS_PLACES if scope in scopes
        )
    if token.grant is None and played.scope in scopes:
        return True
    if token.grant is None or not played.roles:
        raise Denied.access("")
    return False


def _check_grant(grant: Grant, region: Region, known: Known) -> None:
    """One text for all of wrong region, deactivated account, seller/vendor mix-up, missing role,
    and what exists in sandboxes alone."""
    played = known.played
    if grant.region != region or grant.partner.deactivated:
        raise Denied.access("")
    if played is None and known.described is not None and known.described.sandbox_only:
        raise Denied.access("")
    if played is None and known.template.startswith("/vendor/") and grant.partner.kind != "vendor":
        raise Denied.access("")
    if played is not None and (
        grant.partner.kind not in played.partner_kinds or not set(played.roles) & set(grant.roles)
    ):
        raise Denied.access("")


def _check_marketplaces(asking: Asking, region: Region) -> None:
    """Those of the query, and those at the top of a body, as in createFeed and createReport."""
    named: list[Any] = []
    for name, text in asking.query:
        if name in MARKETPLACE_PARAMETERS:
            named += text.split(",")
    for name in MARKETPLACE_PARAMETERS & _fields(asking):
        value = asking.json[name]
        named += value if isinstance(value, list) else [value]
    for place in named:
        if isinstance(place, str) and marketplaces.region_of(place) not in (region, None):
            raise Denied.access(WRONG_REGION)


def _fields(asking: Asking) -> Set[str]:
    """Of a body that is a JSON object; what else a body may be is for the operation to judge."""
    if not asking.body:
        return frozenset()
    try:
        given = asking.json
    except ValueError:
        return frozenset()
    return given.keys() if isinstance(given, dict) else frozenset()


def spend(call: Call, known: Known, sandbox: bool) -> None:
    """Raises Denied, 429, when a bucket is empty."""
    buckets = call.stage.of(limits.Limits)
    if not buckets.are_enforced(call.stage):
        return
    application_id, partner_id = _spender(call.token)
    if sandbox:
        verdict = buckets.spend_sandbox(
            call.now, application_id=application_id, partner_id=partner_id, region=call.region
        )
    else:
        verdict = buckets.spend(
            call.now,
            plan=_plan(call.stage, call.token, known),
            operation=(known.method, known.template),
            application_id=application_id,
            partner_id=partner_id,
            region=call.region,
        )
    if not verdict.allowed:
        raise Denied.quota()


def rate_limit(
    stage: Stage, token: AccessToken | None, known: Known | None, status: int, sandbox: bool
) -> Mapping[str, str]:
    """The header, where Amazon sends it."""
    if known is None or token is None:
        return {}
    dice = None if stage.habits.gentle or sandbox else stage.dice
    plan = SANDBOX if sandbox else _plan(stage, token, known)
    header = limits.header_for(status, plan, known.rate_limited, dice=dice)
    return {} if header is None else {"x-amzn-ratelimit-limit": header}


def _plan(stage: Stage, token: AccessToken, known: Known) -> limits.Plan | None:
    application_id, partner_id = _spender(token)
    return stage.plans.of(
        known.method, known.template, application_id=application_id, partner_id=partner_id
    )


def _spender(token: AccessToken) -> tuple[str, str | None]:
    grant = token.grant
    partner_id = None if grant is None else grant.partner.selling_partner_id
    return token.application.application_id, partner_id


def check_contract(call: Call, known: Known, asked: Asked) -> None:
    """Tells where the request breaks the model; refuses it where that is wished."""
    contract = models.Contract.of(call.stage)
    if contract.mode == "off" or known.described is None:
        return
    faults = models.faults_of_request(known.described, call.asking)
    if not faults:
        return
    contract.tell(asked.at, known.described, asked.path, asked.user_agent, "request", faults)
    first = faults[0]  # the grave ones stand first
    if contract.mode == "refuse" and first.grave:
        raise Denied.invalid(f"{first.where}: {first.what}", "Refused by the contract mode.")


def check_answer(stage: Stage, known: Known, said: Said, asked: Asked) -> None:
    """Tells where the emulator's own answer breaks the model."""
    contract = models.Contract.of(stage)
    if contract.mode == "off" or known.described is None:
        return
    faults = models.faults_of_answer(known.described, said.status, said.headers, said.payload)
    if faults:
        contract.tell(asked.at, known.described, asked.path, asked.user_agent, "answer", faults)
