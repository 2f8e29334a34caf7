"""``evergrant token`` and ``evergrant call``: use an account from the shell."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.drawing import when
from evergrant.entrances.cli.running import at_desk
from evergrant.entrances.cli.show import Json, remark, say, show_json
from evergrant.errors import Flaw, InvalidInput, OverLimit

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.amazon import Answer
    from evergrant.rules.rights import Caller
    from evergrant.tokens import AccessToken

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    app.command("token", rich_help_panel="Use")(token)
    app.command("call", rich_help_panel="Use")(call)


def token(
    account: Annotated[str, typer.Argument(help="Id or name of the account.")],
    min_ttl: Annotated[int, typer.Option(help="It lives at least so many seconds from now.")] = 60,
    json: Json = False,
) -> None:
    """Print an access token of an account.

    Example: curl -H "x-amz-access-token: $(evergrant token 'Blue Heron Books')" ...
    """

    async def work(desk: Desk, by: Caller) -> tuple[AccessToken, float]:
        found = (await desk.accounts.find(account, by=by)).account
        minted = await desk.tokens.mint(found.id, min_ttl_s=min_ttl, by=by)
        return minted, (minted.expires_at - desk.clock.now()).total_seconds()

    minted, left_s = at_desk(work)
    if json:
        show_json(
            {
                "access_token": minted.value.reveal(),
                "token_type": "bearer",
                "expires_in": int(left_s),
                "expires_at": minted.expires_at,
            }
        )
        return
    remark(f"Lives until {when(minted.expires_at)} ({int(left_s // 60)} minutes).")
    say(minted.value.reveal())


def call(
    account: Annotated[str, typer.Argument(help="Id or name of the account.")],
    method: Annotated[str, typer.Argument(help="GET, HEAD, POST, PUT, PATCH or DELETE.")],
    path: Annotated[
        str,
        typer.Argument(help="Path at the Selling Partner API, with its query if it has one."),
    ],
    header: Annotated[list[str] | None, typer.Option(help="One more header: name: value.")] = None,
    body_file: Annotated[
        Path | None, typer.Option(help="File with the body, - for standard input.")
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Seconds to wait when Amazon's limit is spent. Without it, as the setting "
            "EVERGRANT_GATEWAY_WAIT_S says.",
        ),
    ] = None,
    data_elements: Annotated[
        str | None,
        typer.Option(
            help="Personal data to ask for, with commas between: buyerInfo,shippingAddress."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Call the Selling Partner API as an account.

    Draws on the same limits as everybody else. Reading calls are repeated in bad weather. Prints
    Amazon's answer. Ends with 2 or 5 when it is an error.

    Example: evergrant call "Blue Heron Books" GET /sellers/v1/marketplaceParticipations
    """
    from urllib.parse import parse_qsl

    bare, _, query = path.partition("?")
    if not bare.startswith("/"):
        raise InvalidInput(
            flaws=[
                Flaw(
                    "has to begin with a slash.",
                    field="path",
                    hint="The host follows from the account: /sellers/v1/marketplaceParticipations",
                )
            ]
        )
    headers = dict(_header(text) for text in header or ())
    body = _body(body_file)
    named = [one.strip() for one in (data_elements or "").split(",")]
    elements = frozenset(one for one in named if one) or None

    async def work(desk: Desk, by: Caller) -> Answer:
        found = (await desk.accounts.find(account, by=by)).account
        try:
            return await desk.calls.send(
                found.id,
                method.upper(),
                bare,
                query=parse_qsl(query, keep_blank_values=True),
                headers=headers,
                body=body,
                by=by,
                ready_to_wait_s=wait,
                data_elements=elements,
            )
        except OverLimit as over:
            raise OverLimit(
                over.message,
                retry_after_s=over.retry_after_s,
                hint=f"Wait for it with --wait {math.ceil(over.retry_after_s)}; "
                "`evergrant limits` shows every bucket of the account.",
                facts=over.facts,
            ) from None

    answer = at_desk(work)
    told = _read(answer)
    if json:
        show_json({"status": answer.status, "headers": dict(answer.headers), "body": told})
    elif isinstance(told, str):
        say(told)
    else:
        show_json(told)
    if answer.status >= 400:
        remark(f"Amazon answered {answer.status}.{_doubt(method, bare)}")
        raise typer.Exit(5 if answer.status >= 500 or answer.status == 429 else 2)


def _doubt(method: str, path: str) -> str:
    """What to say of a path that is none of Amazon's, as far as is known."""
    from evergrant.rules import operations
    from evergrant.spelling import did_you_mean

    if operations.find(method, path).template:
        return ""
    known = {one.template for one in operations.ALL if one.method == method.upper()}
    meant = did_you_mean(path, sorted(known))
    return f" No operation that is known has this path.{f' {meant}' if meant else ''}"


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise InvalidInput(
            flaws=[Flaw(f"'{text}' is no header.", field="header", hint="Write name: value.")]
        )
    return name.strip(), value.strip()


def _body(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"The body {file} cannot be read: {error.strerror}.") from None


def _read(answer: Answer) -> Any:
    """JSON when it is JSON, else text."""
    import json

    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body.decode("utf-8", "replace")
