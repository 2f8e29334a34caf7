"""Login with Amazon: `POST /auth/o2/token`.

Answers for: the three grant types of Amazon's page 'connecting-to-the-selling-partner-api', form
and JSON bodies, and LWA's error answers. Texts of invalid_grant, invalid_client and
unsupported_grant_type are those seen in the field; those of invalid_request, invalid_scope and
unauthorized_client are not published and approximated.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amazon_emulator import answering, issuing
from amazon_emulator.history import Asked
from amazon_emulator.stage import Stage, log
from amazon_emulator.weather import Spell
from amazon_emulator.world import AccessToken, Application, Code, Grant

__all__ = [
    "Refused",
    "TokenEndpoint",
    "face",
    "from_basic",
    "from_form",
    "from_json",
    "invalid_client",
    "invalid_grant",
    "is_text",
    "missing",
    "read_body",
    "refuse_by",
    "refuse_real_credentials",
]

FORM = "application/x-www-form-urlencoded"
KINDS = {
    "authorization_code": "lwa.authorization_code",
    "refresh_token": "lwa.refresh",
    "client_credentials": "lwa.client_credentials",
}
NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
CREDENTIALS = ("client_id", "client_secret", "refresh_token", "code")


class Refused(Exception):
    """An error answer of LWA."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


def invalid_client() -> Refused:
    return Refused(401, "invalid_client", "Client authentication failed")


def invalid_grant(parameter: str) -> Refused:
    words = f"The request has an invalid grant parameter : {parameter}"
    if parameter == "refresh_token":
        words += ". User may have revoked or didn't grant the permission."
    return Refused(400, "invalid_grant", words)


def missing(parameter: str) -> Refused:
    return Refused(
        400, "invalid_request", f"The request is missing a required parameter : {parameter}"
    )


class TokenEndpoint:
    """The one endpoint."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def __call__(self, request: Request) -> Response:
        try:
            body = await answering.body_of(request)
        except answering.BodyTooLarge:
            return self.error(Refused(413, "invalid_request", "The request body is too large"))
        try:
            given = read_body(request, body)
        except Refused as refused:
            self.note(request, {}).status = refused.status
            return self.error(refused)
        asked = self.note(request, given)
        spell = self.stage.weather.meet(
            "lwa",
            partner=asked.partner,
            client_id=asked.client_id,
            grant_type=asked.grant_type,
        )
        asked.weather = spell.mode if spell else None
        answer = await answering.before_work(self.stage, "lwa", spell, request)
        if answer is None:
            answer = self.work(given, asked, spell)
        # Before anything else can happen: who counts must see finished work as finished.
        asked.status = answer.status_code
        answer = await answering.after_work(self.stage, "lwa", spell, request, answer)
        if isinstance(answer, answering.Dropped):
            asked.status = 0
        return answer

    def note(self, request: Request, given: Mapping[str, str]) -> Asked:
        grant_type = given.get("grant_type")
        kind = KINDS.get(grant_type or "", "lwa.other")
        asked = self.stage.history.note(
            self.stage.clock.now(), kind, "lwa", request.method, request.scope["path"]
        )
        asked.grant_type = grant_type if kind != "lwa.other" else None
        asked.user_agent = request.headers.get("user-agent")
        asked.scope = given.get("scope")
        application = self.stage.world.client(given.get("client_id", ""))
        if application is not None:
            asked.client_id = application.lwa_client_id
            asked.application_id = application.application_id
        grant = self.grant_named(given)
        if grant is not None:
            asked.partner = grant.partner.selling_partner_id
            asked.region = grant.region
        return asked

    def grant_named(self, given: Mapping[str, str]) -> Grant | None:
        if code := self.stage.world.codes.get(given.get("code", "")):
            return code.grant
        return self.stage.world.grants.get(given.get("refresh_token", ""))

    def work(self, given: Mapping[str, str], asked: Asked, spell: Spell | None) -> Response:
        try:
            refuse_by(spell, work_done=False)
            answer = self.tokens(given)
            asked.work_done = True
            refuse_by(spell, work_done=True)
        except Refused as refused:
            asked.error = refused.error
            return self.error(refused)
        return answer

    def tokens(self, given: Mapping[str, str]) -> Response:
        """Raises Refused with LWA's words."""
        refuse_real_credentials(given)
        grant_type = given.get("grant_type", "")
        if not grant_type:
            raise missing("grant_type")
        if grant_type not in KINDS:
            raise Refused(
                400,
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server",
            )
        application = self.client(given)
        match grant_type:
            case "authorization_code":
                return self.exchange(application, given)
            case "refresh_token":
                return self.refresh(application, given)
            case _:
                return self.grantless(application, given)

    def client(self, given: Mapping[str, str]) -> Application:
        for name in ("client_id", "client_secret"):
            if not given.get(name):
                raise missing(name)
        application = self.stage.world.client(given["client_id"])
        now = self.stage.clock.now()
        if application is None or not application.secret_is_good(given["client_secret"], now):
            raise invalid_client()
        return application

    def exchange(self, application: Application, given: Mapping[str, str]) -> Response:
        if not given.get("code"):
            raise missing("code")
        now = self.stage.clock.now()
        code: Code | None = self.stage.world.codes.get(given["code"])
        redirect_uri = given.get("redirect_uri")
        if (
            code is None
            or code.spent
            or now >= code.ends_at
            or code.grant.application is not application
            or (redirect_uri and redirect_uri != code.redirect_uri)
            or code.grant.revoked_at is not None
        ):
            raise invalid_grant("code")
        code.spent = True
        code.grant.handed_out = True
        token = self.stage.world.new_access_token(application, code.grant, None, now)
        return self.success(token, code.grant)

    def refresh(self, application: Application, given: Mapping[str, str]) -> Response:
        if not given.get("refresh_token"):
            raise missing("refresh_token")
        now = self.stage.clock.now()
        grant = self.stage.world.grants.get(given["refresh_token"])
        if grant is None or grant.application is not application or not grant.is_good(now):
            raise invalid_grant("refresh_token")
        token = self.stage.world.new_access_token(application, grant, None, now)
        return self.success(token, grant)

    def grantless(self, application: Application, given: Mapping[str, str]) -> Response:
        scope = given.get("scope", "")
        if not scope:
            raise missing("scope")
        if given.get("refresh_token"):
            raise Refused(
                400,
                "invalid_request",
                "The parameters scope and refresh_token exclude each other",
            )
        if any(wanted not in application.scopes for wanted in scope.split()):
            raise Refused(400, "invalid_scope", "An unknown scope was requested")
        now = self.stage.clock.now()
        token = self.stage.world.new_access_token(application, None, scope, now)
        return self.success(token, None)

    def success(self, token: AccessToken, grant: Grant | None) -> Response:
        left = token.ends_at - self.stage.clock.now()
        body: dict[str, object] = {
            "access_token": token.value,
            "token_type": "bearer",
            "expires_in": round(left.total_seconds()),
        }
        if grant is not None:
            body["refresh_token"] = grant.refresh_token
        if token.scope:
            body["scope"] = token.scope
        if not self.stage.habits.gentle:
            body["x_field_of_tomorrow"] = {"ignore": ["me"]}
        return answering.as_json(
            body, headers={**NO_STORE, "x-amzn-requestid": issuing.request_id()}
        )

    def error(self, refused: Refused) -> Response:
        request_id = issuing.request_id()
        body = {
            "error": refused.error,
            "error_description": refused.description,
            "error_index": f"E{len(refused.error):02d}",
            "request_id": request_id,
        }
        return answering.as_json(body, refused.status, {**NO_STORE, "x-amzn-requestid": request_id})


def refuse_by(spell: Spell | None, *, work_done: bool) -> None:
    """The failing modes that look like an answer of LWA. Raises Refused."""
    failure = spell.failure if spell else None
    if failure is not None and failure.after_work is work_done:
        raise Refused(failure.status, failure.code, failure.message)


def refuse_real_credentials(given: Mapping[str, str]) -> None:
    """Raises Refused when something looks like Amazon's own. Nothing of it is kept or logged."""
    real = [name for name in CREDENTIALS if issuing.looks_real(given.get(name, ""))]
    if real:
        log.error(
            "refused a token request: %s looks like a real Amazon credential; "
            "this is an emulator, point it at api.amazon.com instead",
            ", ".join(real),
        )
        raise Refused(
            400,
            "invalid_request",
            f"This is the Amazon emulator, and {', '.join(real)} looks like a real Amazon "
            "credential. It was neither stored nor logged. Check your configuration.",
        )


def read_body(request: Request, body: bytes) -> dict[str, str]:
    """The parameters, from a form or from JSON; client id and secret also from Basic auth."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        given = from_json(body)
    elif kind == FORM:
        given = from_form(body)
    elif not body:
        given = {}
    else:
        # A body of another kind is not looked at: LWA then misses the grant type.
        raise Refused(
            400,
            "unsupported_grant_type",
            "The authorization grant type is not supported by the authorization server",
        )
    return {**from_basic(request.headers.get("authorization", "")), **given}


def from_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50)
        given = dict(pairs)
    except ValueError:
        raise Refused(400, "invalid_request", "The request body is not a form") from None
    if len(given) != len(pairs):
        raise Refused(400, "invalid_request", "A parameter was given more than once")
    return given


def from_json(body: bytes) -> dict[str, str]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "invalid_request", "The request body is not JSON") from None
    if not isinstance(given, dict) or not all(is_text(value) for value in given.values()):
        raise Refused(400, "invalid_request", "The request body is not a JSON object of strings")
    return given


def is_text(value: object) -> bool:
    """JSON can escape halves of characters (lone surrogates), which are no text."""
    return isinstance(value, str) and not any("\ud800" <= one <= "\udfff" for one in value)


def from_basic(header: str) -> dict[str, str]:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:  # neither base64 nor text
        raise invalid_client() from None
    if not colon:
        raise invalid_client()
    return {"client_id": unquote(user), "client_secret": unquote(password)}


def face(stage: Stage) -> Starlette:
    endpoint = TokenEndpoint(stage)
    return Starlette(routes=[Route("/auth/o2/token", endpoint.__call__, methods=["POST"])])
