"""Client instances: installations of the house's software that hear of their accounts.

Answers for: finding, adding, showing and changing them, their signing secrets (shown once), and the
log of what they were told, with a test delivery and re-sending. Does not answer for: delivering
(`post`), or for accounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import Conflict, EvergrantError, InvalidInput, NotFound
from evergrant.ports.things import ClientInstance, OutboxItem, OutboxState
from evergrant.post import Trial
from evergrant.registry import NewInstance
from evergrant.registry.signing import OVERLAP
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Right
from evergrant.rules.secrecy import Secret
from evergrant.rules.topics import EVENTS

__all__ = ["DOORS", "Log"]

_PAGE = 50
_LOG_PAGE = 50
_ACCOUNTS_SHOWN = 20
_STRIDE = 1000
#: So many are looked through for a name.
_MOST = 10_000
_STATES = {
    OutboxState.WAITING: ("warm", "waiting"),
    OutboxState.SENT: ("good", "taken"),
    OutboxState.FAILED: ("bad", "given up"),
}
_FIELDS = ("name", "base_url", "return_url", "webhook_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    instance: ClientInstance
    accounts: int
    webhook_host: str
    undelivered: str  # what it did not take; empty: nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One page of what an instance was told. ``older``: address of the page behind it."""

    items: Sequence[OutboxItem]
    account_names: Mapping[str, str]
    state: str
    topic: str
    first: bool
    here: str
    older: str


async def listed(asked: Asked) -> Response:
    words = asked.query.get("q", "").casefold().split()
    everyone = await _everyone(asked)
    fitting = [one for one in everyone if all(word in _text_of(one) for word in words)]
    number = _number(asked.query.get("page", ""), most=max(1, -(-len(fitting) // _PAGE)))
    shown = fitting[(number - 1) * _PAGE : number * _PAGE]
    return asked.page(
        "instances/list.html",
        q=asked.query.get("q", ""),
        rows=await _rows(asked, shown),
        total=len(fitting),
        known=len(everyone),
        before=_page_address(asked, number - 1) if number > 1 else "",
        behind=_page_address(asked, number + 1) if number * _PAGE < len(fitting) else "",
    )


async def _everyone(asked: Asked) -> list[ClientInstance]:
    """By name. There are as many as the house has customers with a machine of their own."""
    found: list[ClientInstance] = []
    after: str | None = None
    while len(found) < _MOST:
        page = await asked.desk.registry.instances(by=asked.caller, after=after, limit=_STRIDE)
        found += page
        if len(page) < _STRIDE:
            break
        after = page[-1].id
    return sorted(found, key=lambda one: (one.name.casefold(), one.id))


def _text_of(one: ClientInstance) -> str:
    return f"{one.name} {one.id} {one.base_url} {one.webhook_url}".casefold()


def _number(text: str, *, most: int) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
    return min(max(number, 1), most)


def _page_address(asked: Asked, number: int) -> str:
    query = {"q": asked.query.get("q", ""), "page": str(number)}
    return f"?{urlencode({name: value for name, value in query.items() if value})}"


async def _rows(asked: Asked, shown: Sequence[ClientInstance]) -> list[InstanceRow]:
    notices = await asked.desk.notices.list(
        by=asked.caller, kind=NoticeKind.EVENTS_UNDELIVERED, limit=1000
    )
    undelivered = {one.subject: one.message for one in notices}
    async with asked.desk.store.transaction() as tx:
        counts = await tx.boards.accounts_of(instances=[one.id for one in shown])
    return [
        InstanceRow(
            instance=one,
            accounts=counts.get(one.id, 0),
            webhook_host=urlsplit(one.webhook_url).netloc,
            undelivered=undelivered.get(one.id, ""),
        )
        for one in shown
    ]


# --- one of them ----------------------------------------------------------------------------------


async def shown(asked: Asked) -> Response:
    return await _one(asked)


async def _one(
    asked: Asked,
    *,
    secret: Secret | None = None,
    trial: Trial | None = None,
    status: int = 200,
) -> Response:
    """``secret``: a signing secret just made, shown this once."""
    desk, by = asked.desk, asked.caller
    instance = await desk.registry.instance(asked.path["instance_id"], by=by)
    async with desk.store.transaction() as tx:
        accounts = await tx.accounts.all(client_instance_id=instance.id, limit=_ACCOUNTS_SHOWN)
    (row,) = await _rows(asked, [instance])
    return asked.page(
        "instances/one.html",
        status,
        instance=instance,
        undelivered=row.undelivered,
        accounts=accounts,
        total=row.accounts,
        secret=secret,
        trial=trial,
        log=await _log(asked, instance),
        states=_STATES,
        topics=EVENTS,
        overlap_hours=int(OVERLAP.total_seconds() // 3600),
    )


async def _log(asked: Asked, instance: ClientInstance) -> Log:
    """Newest first. What an address asks for and is no state or topic is not asked for."""
    state = asked.query.get("state", "")
    state = state if state in {one.value for one in OutboxState} else ""
    topic = asked.query.get("topic", "")
    topic = topic if topic in EVENTS else ""
    after = asked.query.get("after") or None
    found = await asked.desk.post.deliveries(
        instance.id,
        by=asked.caller,
        state=OutboxState(state) if state else None,
        topic=topic or None,
        after=after,
        limit=_LOG_PAGE + 1,
        newest_first=True,
    )
    items = found[:_LOG_PAGE]
    wanted = {name: value for name, value in (("state", state), ("topic", topic)) if value}
    page = f"/console/instances/{instance.id}"
    older = urlencode({**wanted, "after": items[-1].id}) if len(found) > _LOG_PAGE else ""
    return Log(
        items=items,
        account_names=await _account_names(asked, items),
        state=state,
        topic=topic,
        first=after is None,
        here=f"{page}?{urlencode(wanted)}" if wanted else page,
        older=f"{page}?{older}#log" if older else "",
    )


async def _account_names(asked: Asked, items: Sequence[OutboxItem]) -> dict[str, str]:
    wanted = sorted({item.account_id for item in items if item.account_id})
    async with asked.desk.store.transaction() as tx:
        return {one.id: one.name for one in await tx.accounts.all(id=wanted)} if wanted else {}


# --- adding and changing --------------------------------------------------------------------------


async def new_form(asked: Asked) -> Response:
    return await _form(asked, None)


async def add(asked: Asked) -> Response:
    try:
        added = await asked.desk.registry.add_instance(
            NewInstance(**_given(asked)), by=asked.caller
        )
    except (InvalidInput, Conflict) as refused:
        return await _form(asked, None, refused)
    return asked.page("instances/added.html", instance=added.instance, secret=added.signing_secret)


async def edit_form(asked: Asked) -> Response:
    return await _form(asked, await _instance(asked))


async def change(asked: Asked) -> Response:
    instance = await _instance(asked)
    try:
        await asked.desk.registry.change_instance(instance.id, _given(asked), by=asked.caller)
    except (InvalidInput, Conflict) as refused:
        return await _form(asked, instance, refused)
    return asked.back(f"/console/instances/{instance.id}", "Saved.")


async def _instance(asked: Asked) -> ClientInstance:
    return await asked.desk.registry.instance(asked.path["instance_id"], by=asked.caller)


def _given(asked: Asked) -> dict[str, str]:
    return {name: asked.form.get(name, "") for name in _FIELDS}


async def _form(
    asked: Asked, instance: ClientInstance | None, refused: EvergrantError | None = None
) -> Response:
    if refused is None:
        return asked.page("instances/edit.html", instance=instance)
    return asked.flawed("instances/edit.html", refused, instance=instance)


async def renew_secret(asked: Asked) -> Response:
    """The answer shows the secret, so there is nothing to come back to."""
    instance = await _instance(asked)
    if not asked.form.get("sure"):
        return asked.back(
            f"/console/instances/{instance.id}", "Nothing was renewed: tick the box.", "bad"
        )
    secret = await asked.desk.registry.renew_signing_secret(instance.id, by=asked.caller)
    return await _one(asked, secret=secret)


# --- what it is told ------------------------------------------------------------------------------


async def test_delivery(asked: Asked) -> Response:
    page = f"/console/instances/{asked.path['instance_id']}"
    try:
        trial = await asked.desk.post.test_delivery(asked.path["instance_id"], by=asked.caller)
    except Conflict as error:
        return asked.back(page, f"{error.message} Give it one first.", "bad")
    return await _one(asked, trial=trial)


async def resend(asked: Asked) -> Response:
    instance = await _instance(asked)
    page = f"/console/instances/{instance.id}"
    event = await asked.desk.post.event(asked.path["event_id"], by=asked.caller)
    if event.client_instance_id != instance.id:
        raise NotFound("There is no such event of this client instance.")
    try:
        item = await asked.desk.post.resend(event.id, by=asked.caller)
    except Conflict as error:
        return asked.back(page, error.message, "bad")
    return asked.back(page, f"{item.topic} is sent again.")


_ONE = "/console/instances/{instance_id}"
DOORS = (
    Door("GET", "/console/instances", listed, Right.READ),
    Door("GET", "/console/instances/new", new_form, Right.MANAGE),
    Door("POST", "/console/instances/new", add, Right.MANAGE),
    Door("GET", _ONE, shown, Right.READ),
    Door("GET", f"{_ONE}/edit", edit_form, Right.MANAGE),
    Door("POST", f"{_ONE}/edit", change, Right.MANAGE),
    Door("POST", f"{_ONE}/signing-secret", renew_secret, Right.MANAGE),
    Door("POST", f"{_ONE}/test", test_delivery, Right.WRITE),
    Door("POST", f"{_ONE}/events/{{event_id}}/resend", resend, Right.WRITE),
)
