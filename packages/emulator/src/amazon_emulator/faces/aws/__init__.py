"""The part of AWS that notifications need, at one address: queues (SQS) and assumed roles (STS).

Answers for: the way of a request: which protocol, whose signature, which operation, what answer;
failing modes of the face `aws`; the history, which holds no key and no message. Programs need
nothing but this address as their endpoint, and a key from the levers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from amazon_emulator import answering
from amazon_emulator.faces.aws import signing, speech, sqs, sts, waiting
from amazon_emulator.faces.aws.refusals import Refused, of_queue
from amazon_emulator.history import Asked
from amazon_emulator.stage import Stage
from amazon_emulator.trade.queues.access import AwsAccess, Principal
from amazon_emulator.trade.queues.manners import Manners
from amazon_emulator.trade.queues.queues import QueueRefused
from amazon_emulator.weather import Failure, Spell

__all__ = ["Endpoint", "face"]

GARBAGE = b'{"Messages": [{"Body": "\xff\xfe'  # neither UTF-8 nor JSON
OF_NO_QUEUE = ("CreateQueue", "GetQueueUrl", "ListQueues")
MAX_BODY = 4_000_000  # a batch of ten of the largest messages is refused by the queue, with words


@dataclass(frozen=True)
class Endpoint:
    """Both services."""

    stage: Stage

    async def __call__(self, request: Request) -> Response:
        protocol = "json" if "x-amz-target" in request.headers else "query"
        asked = self.stage.history.note(
            self.stage.clock.now(), "aws.unknown", "aws", request.method, request.scope["path"]
        )
        asked.user_agent = request.headers.get("user-agent")
        try:
            heard = await _heard(request)
            spoken = speech.heard_call(heard)
        except answering.BodyTooLarge:
            refused = Refused("RequestEntityTooLarge", "The request is too large.", 413)
            return self.refusal(refused, asked, protocol)
        except Refused as refused:
            return self.refusal(refused, asked, protocol)
        if spoken.action in (sts.OPERATIONS if spoken.service == "sts" else sqs.OPERATIONS):
            asked.kind = f"{spoken.service}.{spoken.action}"
        spell = self.stage.weather.meet("aws", operation=spoken.action)
        asked.weather = spell.mode if spell else None
        answer = await self.before(spell, request)
        if answer is None:
            failure = spell.failure if spell else None
            try:
                answer = await self.work(request, heard, spoken, asked, failure)
            except Refused as refused:
                answer = self.refusal(refused, asked, spoken.protocol, spoken.service)
        asked.status = answer.status_code
        answer = await answering.after_work(self.stage, "aws", spell, request, answer)
        if isinstance(answer, answering.Dropped):
            asked.status = 0
        return answer

    async def before(self, spell: Spell | None, request: Request) -> Response | None:
        """What bad weather answers without any work, but for refusals in AWS's words."""
        if spell is not None and spell.mode == "garbage":
            return Response(GARBAGE, 200, media_type="application/x-amz-json-1.0")
        return await answering.before_work(self.stage, "aws", spell, request)

    async def work(
        self,
        request: Request,
        heard: signing.Heard,
        spoken: speech.Spoken,
        asked: Asked,
        failure: Failure | None,
    ) -> Response:
        """Raises Refused."""
        if failure is not None and not failure.after_work:
            raise _refused(failure)
        now = self.stage.clock.now()
        signature = signing.signature_of(heard)
        access = self.stage.of(AwsAccess)
        checked = self.stage.of(Manners).aws_clock_checked
        who = signing.verify(heard, signature, access, spoken.service, now, clock_checked=checked)
        asked.region = signature.region
        if spoken.service == "sts":
            said: dict[str, Any] | None = sts.do(access, spoken, signature.access_key_id, who, now)
        else:
            said = await self.queue_work(request, spoken, who, signature.region, asked)
        asked.work_done = True
        if failure is not None:
            raise _refused(failure)
        return speech.answer(spoken, said)

    async def queue_work(
        self,
        request: Request,
        spoken: speech.Spoken,
        who: Principal,
        region: str,
        asked: Asked,
    ) -> dict[str, Any] | None:
        operation = sqs.OPERATIONS.get(spoken.action)
        if operation is None:
            words = f"The action {spoken.action or '(none)'} is not valid for this endpoint."
            raise Refused("InvalidAction", words, 400)

        def errand() -> sqs.Errand:
            path, now = request.scope["path"], self.stage.clock.now()
            return sqs.Errand(self.stage, spoken, who, region, path, now)

        try:
            if spoken.action not in OF_NO_QUEUE:
                asked.path = errand().queue().path
            if spoken.action != "ReceiveMessage":
                return operation(errand())
            queue = errand().queue()
            seconds = errand().number(
                "WaitTimeSeconds", queue.number("ReceiveMessageWaitTimeSeconds"), 0, 20
            )
            found = await waiting.until(
                self.stage, request, queue, seconds, lambda: operation(errand()) or None
            )
            return found or {}
        except QueueRefused as refused:
            raise of_queue(refused) from None

    def refusal(
        self, refused: Refused, asked: Asked, protocol: str, service: str = "sqs"
    ) -> Response:
        asked.status = refused.status
        asked.error = refused.code
        return speech.refusal(refused, protocol=protocol, service=service)


async def _heard(request: Request) -> signing.Heard:
    body = await answering.body_of(request, MAX_BODY)
    return signing.Heard(
        request.method,
        request.scope.get("raw_path", b"/").split(b"?")[0].decode("latin-1"),
        request.scope["query_string"].decode("latin-1"),
        tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in request.scope["headers"]
        ),
        body,
    )


def _refused(failure: Failure) -> Refused:
    return Refused(failure.code, failure.message, failure.status)


def face(stage: Stage) -> ASGIApp:
    """One address for both services."""
    endpoint = Endpoint(stage)
    return Starlette(routes=[Route("/{path:path}", endpoint.__call__, methods=["GET", "POST"])])
