"""``evergrant account``: the accounts of selling partners, from adding to closing."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.connections import add_key
from evergrant.entrances.cli.drawing import term
from evergrant.entrances.cli.finding import list_accounts
from evergrant.entrances.cli.given import asks_a_person, instant, secret_of
from evergrant.entrances.cli.portrait import Portrait, draw, sit
from evergrant.entrances.cli.running import app_with, at_desk, settings
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json
from evergrant.errors import InvalidInput
from evergrant.rules.secrecy import Secret

if TYPE_CHECKING:
    from evergrant.accounts import AccountView
    from evergrant.desk import Desk
    from evergrant.ports.things import Invitation
    from evergrant.rules.reminders import Outlook
    from evergrant.rules.rights import Caller

__all__ = ["accounts", "add", "view_of", "with_account"]

accounts = app_with("Accounts of selling partners: sellers and vendors, one region each.")

Account = Annotated[str, typer.Argument(help="Id or name of the account.")]


def add(app: typer.Typer) -> None:
    app.add_typer(accounts, name="account", rich_help_panel="Connect")


def view_of(view: AccountView, outlook: Outlook | None = None) -> dict[str, Any]:
    """An account as this door shows it: fields of the account, and what belongs to it."""
    shown = plain(view)
    if outlook is not None:
        comes = {"next_reminder_at": outlook.next_reminder_at, "outlook": outlook.words}
        shown["authorization"] |= plain(comes)
    account = {**shown["account"], "flags": shown["flags_view"]}
    return {
        **account,
        "authorization": shown["authorization"],
        "participations": shown["participations"],
    }


def with_account(
    text: str, verb: Callable[[Desk, Caller, str], Awaitable[Any]], *, as_json: bool
) -> None:
    """Finds the account, does the verb with its id, shows the account as it stands then."""

    async def work(desk: Desk, by: Caller) -> Portrait:
        found = await desk.accounts.find(text, by=by)
        await verb(desk, by, found.account.id)
        return await sit(desk, await desk.accounts.get(found.account.id, by=by))

    _show(at_desk(work), as_json=as_json)


def _show(portrait: Portrait, *, as_json: bool) -> None:
    if as_json:
        show_json(view_of(portrait.view, portrait.outlook))
    else:
        draw(portrait)


@accounts.command("add")
def add_account(
    name: Annotated[str, typer.Argument(help="A name that your people recognise.")],
    app: Annotated[str, typer.Option(help="Application: id or name.")],
    instance: Annotated[str, typer.Option(help="Client instance: id or name.")],
    region: Annotated[str, typer.Option(help="na, eu or fe.")],
    home: Annotated[
        str,
        typer.Option(
            help="Home marketplace, a country code such as DE: decides where "
            "the partner gives consent."
        ),
    ],
    email: Annotated[str, typer.Option(help="Where the partner's mails go.")],
    kind: Annotated[str, typer.Option(help="seller or vendor.")] = "seller",
    vendor_kind: Annotated[
        str | None, typer.Option(help="For vendors: retail or direct_fulfillment.")
    ] = None,
    merchant_token: Annotated[
        str, typer.Option(help="For sellers: guards against consent by another shop.")
    ] = "",
    vendor_code: Annotated[
        list[str] | None, typer.Option(help="For vendors; once per code.")
    ] = None,
    flag: Annotated[
        list[str] | None, typer.Option(help="Such as ship_orders=off; all are on by default.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="Language of mails and pages: en, de, fr, it, es.")
    ] = "en",
    notes: Annotated[str, typer.Option(help="For your own people.")] = "",
    json: Json = False,
) -> None:
    """Add an account.

    Nothing is mailed yet: see [bold]evergrant account invite[/].

    Example: evergrant account add "Blue Heron Books" --app "Northwind Connect" \
--instance "ERP production" --kind seller --region eu --home DE --email owner@shop.example
    """
    flags = _flags(flag or [])

    async def work(desk: Desk, by: Caller) -> Portrait:
        from evergrant.accounts import NewAccount

        application = await desk.registry.find_application(app, by=by)
        client = await desk.registry.find_instance(instance, by=by)
        added = await desk.accounts.add(
            NewAccount(
                name=name,
                partner_kind=kind,
                client_email=email,
                application_id=application.id,
                client_instance_id=client.id,
                region=region,
                home_marketplace=home,
                vendor_kind=vendor_kind,
                merchant_token=merchant_token,
                vendor_codes=vendor_code or (),
                flags=flags or None,
                language=language,
                notes=notes,
            ),
            by=by,
        )
        return await sit(desk, await desk.accounts.get(added.id, by=by))

    _show(at_desk(work), as_json=json)


accounts.command("list")(list_accounts)


@accounts.command("show")
def show_account(account: Account, json: Json = False) -> None:
    """Show an account: authorization, marketplaces, flags."""

    async def look(desk: Desk, by: Caller) -> Portrait:
        return await sit(desk, await desk.accounts.find(account, by=by))

    _show(at_desk(look), as_json=json)


@accounts.command("change")
def change_account(
    account: Account,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    email: Annotated[str | None, typer.Option(help="Where the partner's mails go.")] = None,
    app: Annotated[str | None, typer.Option(help="Another application.")] = None,
    instance: Annotated[str | None, typer.Option(help="Another client instance.")] = None,
    region: Annotated[str | None, typer.Option(help="na, eu or fe.")] = None,
    home: Annotated[str | None, typer.Option(help="Home marketplace.")] = None,
    vendor_kind: Annotated[str | None, typer.Option(help="retail or direct_fulfillment.")] = None,
    merchant_token: Annotated[str | None, typer.Option(help="For sellers.")] = None,
    vendor_code: Annotated[
        list[str] | None, typer.Option(help="For vendors: all that shall apply.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="en, de, fr, it or es.")] = None,
    notes: Annotated[str | None, typer.Option(help="For your own people.")] = None,
    json: Json = False,
) -> None:
    """Change an account; what is not named stays.

    Application and region are fixed once the partner gave consent.
    """
    from evergrant.entrances.cli.register import changes, given

    wanted = given(
        name=name,
        client_email=email,
        region=region,
        home_marketplace=home,
        vendor_kind=vendor_kind,
        merchant_token=merchant_token,
        vendor_codes=vendor_code,
        language=language,
        notes=notes,
        application_id=app,
        client_instance_id=instance,
    )
    asked = changes(wanted)

    async def verb(desk: Desk, by: Caller, id: str) -> None:
        if app is not None:
            found = await desk.registry.find_application(app, by=by)
            asked["application_id"] = found.id
        if instance is not None:
            client = await desk.registry.find_instance(instance, by=by)
            asked["client_instance_id"] = client.id
        await desk.accounts.change(id, asked, by=by)

    with_account(account, verb, as_json=json)


@accounts.command("flags")
def set_flags(
    account: Account,
    flag: Annotated[
        list[str],
        typer.Argument(help="Such as update_price=off ship_orders=on."),
    ],
    json: Json = False,
) -> None:
    """Switch what Evergrant may do for an account.

    Example: evergrant account flags "Blue Heron Books" update_price=off
    """
    flags = _flags(flag)

    async def verb(desk: Desk, by: Caller, id: str) -> None:
        await desk.accounts.set_flags(id, flags, by=by)

    with_account(account, verb, as_json=json)


@accounts.command("invite")
def invite(account: Account, json: Json = False) -> None:
    """Mail the partner a link to give consent.

    Or to renew it. An older link stops working.

    Example: evergrant account invite "Blue Heron Books"
    """

    async def work(desk: Desk, by: Caller) -> tuple[Invitation, str, datetime]:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.consent.invite(found.id, by=by), found.name, desk.clock.now()

    invitation, name, now = at_desk(work)
    if json:
        show_json(invitation)
        return
    say(
        f"A mail with the link goes to {invitation.email}. The link works until "
        f"{term(invitation.expires_at, now)}; older links of {name} no longer do."
    )
    if settings().development:
        remark(f"No mail relay is set: read it at {settings().public_url}/dev/mailbox")
    remark(f"Whether it was delivered and opened: evergrant account show {shlex.quote(name)}")


@accounts.command("link")
def link(account: Account, json: Json = False) -> None:
    """Print the link of the open invitation.

    To pass it on by other means than mail. Whoever holds it can connect a shop to this account.
    """

    async def work(desk: Desk, by: Caller) -> Secret:
        found = await desk.accounts.find(account, by=by)
        return await desk.consent.link(found.account.id, by=by)

    text = at_desk(work).reveal()
    if json:
        show_json({"link": text})
    else:
        say(text)


@accounts.command("adopt")
def adopt(
    account: Account,
    refresh_token_file: Annotated[
        Path | None,
        typer.Option(help="File with it, - for standard input. Without it: a prompt."),
    ] = None,
    selling_partner_id: Annotated[
        str, typer.Option(help="Whose it is, if you know: merchant token or vendor group.")
    ] = "",
    granted: Annotated[
        str | None, typer.Option(help="Day on which consent was given, if you know.")
    ] = None,
    json: Json = False,
) -> None:
    """Take over a refresh token.

    A self-authorization of a private application, or one of an older system. It is tried at
    Amazon before anything is stored.

    Example: evergrant account adopt "Blue Heron Books" --granted 2026-03-01
    """
    if asks_a_person(refresh_token_file):

        async def look(desk: Desk, by: Caller) -> AccountView:
            return await desk.accounts.find(account, by=by)

        at_desk(look)
    refresh_token = secret_of("refresh token", file=refresh_token_file)

    async def verb(desk: Desk, by: Caller, id: str) -> None:
        await desk.consent.adopt(
            id,
            refresh_token,
            by=by,
            selling_partner_id=selling_partner_id,
            granted_at=instant(granted, "granted"),
        )

    with_account(account, verb, as_json=json)


@accounts.command("granted")
def granted(
    account: Account,
    day: Annotated[
        str, typer.Argument(help="Day on which the partner gave consent, such as 2026-03-01.")
    ],
    json: Json = False,
) -> None:
    """Note the day of a grant that came without one.

    Amazon does not tell it. The end of the term follows from it, and reminders go out in time.

    Example: evergrant account granted "Blue Heron Books" 2026-03-01
    """
    at = instant(day, "granted_at")
    assert at is not None, "it is no option"

    async def verb(desk: Desk, by: Caller, id: str) -> None:
        await desk.watch.note_granted_at(id, at, by=by)

    with_account(account, verb, as_json=json)


@accounts.command("close")
def close(account: Account, json: Json = False) -> None:
    """Close an account: no access tokens any more."""

    async def verb(desk: Desk, by: Caller, id: str) -> None:
        await desk.accounts.close(id, by=by)

    with_account(account, verb, as_json=json)


@accounts.command("reopen")
def reopen(account: Account, json: Json = False) -> None:
    """Reopen a closed account."""

    async def verb(desk: Desk, by: Caller, id: str) -> None:
        await desk.accounts.reopen(id, by=by)

    with_account(account, verb, as_json=json)


@accounts.command("key")
def connection_key(
    account: Account,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="Its end: a day (its first instant, UTC) or an instant.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a connection key for an SDK.

    It is what an SDK takes as its refresh token at Evergrant's [bold]POST /auth/o2/token[/]. It
    is shown once, here. [bold]evergrant connectionkey[/] lists, rotates and revokes them.
    """
    add_key(account, name, expires, as_json=json)


def _flags(texts: list[str]) -> dict[str, bool]:
    switches = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
    found = {}
    for text in texts:
        name, equals, word = text.partition("=")
        if not equals or word.lower() not in switches:
            raise InvalidInput(f"'{text}' is no flag.", hint="Write update_price=off.")
        found[name.strip().replace("-", "_")] = switches[word.lower()]
    return found
