"""The Selling Partner API of one region: who may call what, then the operation's own module.

Answers for: access control with the texts of Amazon's page
'resolve-common-http-and-authorization-error-codes' and of recorded calls, request ids, rate-limit
headers, failing modes. It knows no operation's answer: each API has its module with a list of
`Operation`, gathered here in `OPERATIONS`.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amazon_emulator import answering, issuing
from amazon_emulator.faces.selling_partner_api import sellers, vendor_orders
from amazon_emulator.faces.selling_partner_api.operations import (
    Call,
    Denied,
    Operation,
    error_answer,
)
from amazon_emulator.history import Asked
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage, log
from amazon_emulator.weather import Spell
from amazon_emulator.world import AccessToken

__all__ = ["OPERATIONS", "Endpoint", "face", "find", "refuse_by_mode"]

OPERATIONS: tuple[Operation, ...] = (*sellers.OPERATIONS, *vendor_orders.OPERATIONS)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Endpoint:
    """One region's endpoint."""

    def __init__(self, stage: Stage, region: Region) -> None:
        self.stage = stage
        self.region = region

    async def __call__(self, request: Request) -> Response:
        operation = find(request.method, request.scope["path"])
        token = self.stage.world.access_tokens.get(request.headers.get("x-amz-access-token", ""))
        asked = self.note(request, operation, token)
        spell = self.stage.weather.meet(
            "spapi",
            partner=asked.partner,
            client_id=asked.client_id,
            operation=operation.name if operation else None,
            region=self.region,
        )
        asked.weather = spell.mode if spell else None
        try:
            body = await answering.body_of(request)
        except answering.BodyTooLarge:
            answer = error_answer(Denied(413, "RequestTooLarge", "The request is too large.", ""))
        else:
            early = await answering.before_work(self.stage, "spapi", spell, request)
            answer = early or self.work(request, body, operation, token, asked, spell)
        asked.status = answer.status_code
        answer = await answering.after_work(self.stage, "spapi", spell, request, answer)
        if isinstance(answer, answering.Dropped):
            asked.status = 0
        return answer

    def note(
        self, request: Request, operation: Operation | None, token: AccessToken | None
    ) -> Asked:
        asked = self.stage.history.note(
            self.stage.clock.now(),
            f"spapi.{operation.name}" if operation else "spapi.unknown",
            self.region,
            request.method,
            request.scope["path"],
        )
        asked.query = request.scope["query_string"].decode("latin-1") or None
        asked.region = self.region
        asked.user_agent = request.headers.get("user-agent")
        if token is not None:
            asked.client_id = token.application.lwa_client_id
            asked.application_id = token.application.application_id
            asked.scope = token.scope
            if token.grant is not None:
                asked.partner = token.grant.partner.selling_partner_id
        return asked

    def work(
        self,
        request: Request,
        body: bytes,
        operation: Operation | None,
        token: AccessToken | None,
        asked: Asked,
        spell: Spell | None,
    ) -> Response:
        mode = spell.mode if spell else ""
        headers = {"x-amzn-requestid": issuing.request_id()}
        try:
            refuse_by_mode(mode)
            known = self.admit(request, token)
            call = self.allow(request, body, operation, known)
            assert operation is not None
            payload = operation.answer(call)
            asked.work_done = True
            if mode.endswith("_after"):
                refuse_by_mode(mode.removesuffix("_after"))
        except Denied as denied:
            asked.error = denied.details or denied.code
            if denied.status in (400, 404) and operation:
                headers["x-amzn-ratelimit-limit"] = operation.rate
            return error_answer(denied, headers)
        headers["x-amzn-ratelimit-limit"] = operation.rate
        if not self.stage.habits.gentle and isinstance(payload, dict):
            payload = {**payload, "xFieldOfTomorrow": {"ignore": ["me"]}}
        return answering.as_json(payload, headers=headers)

    def admit(self, request: Request, token: AccessToken | None) -> AccessToken:
        """Raises Denied when the access token is missing, made up, revoked or expired."""
        offered = request.headers.get("x-amz-access-token", "")
        if not offered:
            raise Denied.access("Access token is missing in the request header.")
        if issuing.looks_real(offered):
            log.error(
                "refused a call: its access token looks like a real one of Amazon's; "
                "this is an emulator, check the endpoint's address"
            )
            raise Denied.access(
                "This is the Amazon emulator, and the access token looks like a real one. "
                "It was neither stored nor logged. Check your configuration."
            )
        if token is None or (token.grant is not None and token.grant.revoked_at is not None):
            raise Denied.access("The access token you provided is revoked, malformed or invalid.")
        if self.stage.clock.now() >= token.ends_at:
            raise Denied.access("The access token you provided has expired.")
        return token

    def allow(
        self, request: Request, body: bytes, operation: Operation | None, token: AccessToken
    ) -> Call:
        """Raises Denied when this token may not call this operation here: one text for all of
        unknown path, wrong region, seller/vendor mix-up, missing role, deactivated account."""
        grant = token.grant
        if (
            operation is None
            or grant is None
            or grant.region != self.region
            or grant.partner.kind not in operation.partner_kinds
            or grant.partner.deactivated
            or not set(operation.roles) & set(grant.roles)
        ):
            raise Denied.access("")
        return Call(self.stage, self.region, grant.partner, grant, request, body)


def find(method: str, path: str) -> Operation | None:
    for operation in OPERATIONS:
        if operation.method == method and operation.path == path:
            return operation
    return None


def refuse_by_mode(mode: str) -> None:
    """The failing modes that look like an answer of SP-API."""
    match mode:
        case "500":
            words = "We encountered an internal error. Please try again."
            raise Denied(500, "InternalFailure", words, "")
        case "503":
            words = "Service is temporarily unavailable. Please try again."
            raise Denied(503, "ServiceUnavailable", words, "")
        case "429":
            words = "You exceeded your quota for the requested resource."
            raise Denied(429, "QuotaExceeded", words, "")
        case "denied":
            raise Denied.access("")
        case "invalid_client":
            raise Denied.access("The LWA secret token you provided has expired.")
        case "unauthorized_client":
            raise Denied.access("The access token you provided is revoked, malformed or invalid.")


def face(stage: Stage, region: Region) -> Starlette:
    endpoint = Endpoint(stage, region)
    return Starlette(routes=[Route("/{path:path}", endpoint.__call__, methods=METHODS)])
