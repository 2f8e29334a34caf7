"""The Selling Partner API of one region: who may call what, then the operation's own module.

Answers for: access control with the texts of Amazon's page
'resolve-common-http-and-authorization-error-codes' and of recorded calls, the order of the guards
(who, what, how often, how), request ids, rate-limit headers, failing modes. It knows no operation's
answer: each API has its module with a list of `Operation`, gathered in `played`; what no module
plays is answered from Amazon's models, where the emulator was given any.

Two kinds of endpoint: the region's own, where the world is played, and its sandbox, where all but
the few operations of sandboxes alone give the canned answers of the models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from amazon_emulator import answering, issuing, limits, models
from amazon_emulator.apis.operations import Call, Denied, Said, error_answer
from amazon_emulator.apis.played import OPERATIONS, SANDBOX_OPERATIONS
from amazon_emulator.asking import Asking
from amazon_emulator.faces.selling_partner_api import guards
from amazon_emulator.faces.selling_partner_api.routes import Known, Routes
from amazon_emulator.history import Asked
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.weather import Spell
from amazon_emulator.world import AccessToken

__all__ = ["OPERATIONS", "Endpoint", "face", "known_routes", "media_of", "refuse_by"]

JSON = "application/json"
HOW_HEADER = "x-amazon-emulator-answer"


def known_routes(stage: Stage, *, sandbox: bool = False) -> Routes:
    """Everything there is: played, described by a model, or known by its usage plan alone."""
    played = SANDBOX_OPERATIONS if sandbox else OPERATIONS
    return Routes.over(played, stage.models.operations, stage.plans.known())


@dataclass(frozen=True)
class Endpoint:
    """One region's endpoint, or its sandbox."""

    stage: Stage
    region: Region
    routes: Routes
    sandbox: bool = False

    async def __call__(self, request: Request) -> Response:
        raw_path = request.scope.get("raw_path", b"").split(b"?")[0].decode("latin-1")
        found = self.routes.find(request.method, raw_path, empty=self.sandbox)
        known, values = found or (None, {})
        token = self.stage.world.access_tokens.get(request.headers.get("x-amz-access-token", ""))
        asked = self.note(request, known, token)
        spell = self.stage.weather.meet(
            "spapi",
            partner=asked.partner,
            client_id=asked.client_id,
            operation=known.name if known else None,
            template=f"{known.method} {known.template}" if known else None,
            region=self.region,
        )
        asked.weather = spell.mode if spell else None
        try:
            body = await answering.body_of(request, answering.MAX_CALL_BODY)
        except answering.BodyTooLarge:
            answer = error_answer(Denied(413, "RequestTooLarge", "The request is too large."))
        else:
            asking = Asking.of(
                request.method,
                values,
                request.scope["query_string"],
                dict(request.headers.items()),
                body,
            )
            early = await answering.before_work(self.stage, "spapi", spell, request)
            answer = early or self.work(asking, known, token, asked, spell)
        asked.status = answer.status_code
        answer = await answering.after_work(self.stage, "spapi", spell, request, answer)
        if isinstance(answer, answering.Dropped):
            asked.status = 0
        return answer

    def note(self, request: Request, known: Known | None, token: AccessToken | None) -> Asked:
        kind = "sandbox" if self.sandbox else "spapi"
        asked = self.stage.history.note(
            self.stage.clock.now(),
            f"{kind}.{known.name}" if known else f"{kind}.unknown",
            f"sandbox_{self.region}" if self.sandbox else self.region,
            request.method,
            request.scope["path"],
        )
        asked.template = known.template if known else None
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
        asking: Asking,
        known: Known | None,
        token: AccessToken | None,
        asked: Asked,
        spell: Spell | None,
    ) -> Response:
        headers = {"x-amzn-requestid": issuing.request_id(), **media_of(known)}
        try:
            refuse_by(spell, work_done=False)
            call = guards.admit(self.stage, self.region, asking, known, token, self.sandbox)
            assert known is not None
            guards.spend(call, known, self.sandbox)
            guards.check_contract(call, known, asked)
            said, how = self.answer(call, known)
            asked.work_done = True
            refuse_by(spell, work_done=True)
        except Denied as denied:
            asked.error = denied.details or denied.code
            headers |= guards.rate_limit(self.stage, token, known, denied.status, self.sandbox)
            return error_answer(denied, headers)
        except limits.Exhausted:
            # A limit of its own that an operation found in the body: one feed type, one report.
            asked.error = "QuotaExceeded"
            return error_answer(Denied.quota(), headers)
        headers |= guards.rate_limit(self.stage, token, known, said.status, self.sandbox)
        if how:
            headers[HOW_HEADER] = how
        if how != "case":  # some of Amazon's own cases break Amazon's own models
            guards.check_answer(self.stage, known, said, asked)
        return self.dress(said, headers)

    def answer(self, call: Call, known: Known) -> tuple[Said, str | None]:
        """What the operation says, and how it was found where not by playing. Raises Denied."""
        if known.played is not None:
            said = known.played.answer(call)
            return (said if isinstance(said, Said) else Said(payload=said)), None
        if known.described is None:
            raise Denied(
                501,
                "NotEmulated",
                f"{known.name} is neither played by the emulator nor described by a model.",
                "Start the emulator with --models and a folder of Amazon's models.",
            )
        canned = models.answer(
            known.described, call.asking, wanted=call.headers.get(models.CASE_HEADER)
        )
        return Said(canned.status, canned.body, canned.headers), canned.how

    def dress(self, said: Said, headers: dict[str, str]) -> Response:
        given = {**headers, **said.headers}
        if said.payload is None:
            return Response(b"", said.status, headers=given)
        payload: Any = said.payload
        if not (self.stage.habits.gentle or self.sandbox) and isinstance(payload, dict):
            payload = {**payload, "xFieldOfTomorrow": {"ignore": ["me"]}}
        if said.status >= 400:
            given.setdefault("x-amzn-errortype", "InvalidInputException")
        return answering.as_json(payload, said.status, given)


def media_of(known: Known | None) -> dict[str, str]:
    """The content type, where the model of an operation knows another than JSON (Messaging)."""
    if known is None or known.described is None or JSON in (known.described.produces or (JSON,)):
        return {}
    return {"content-type": known.described.produces[0]}


def refuse_by(spell: Spell | None, *, work_done: bool) -> None:
    """The failing modes that look like an answer of SP-API. Raises Denied."""
    failure = spell.failure if spell else None
    if failure is not None and failure.after_work is work_done:
        raise Denied(failure.status, failure.code, failure.message, failure.details)


def face(stage: Stage, region: Region, *, sandbox: bool = False) -> ASGIApp:
    """Every method and path is the endpoint's, as Amazon denies in its own words what it does not
    know."""
    endpoint = Endpoint(stage, region, known_routes(stage, sandbox=sandbox), sandbox)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await endpoint(Request(scope, receive))
        await answer(scope, receive, send)

    return app
