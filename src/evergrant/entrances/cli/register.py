"""``evergrant app`` and ``evergrant instance``: SP-API applications and client instances."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.given import asks_a_person, instant, secret_from_file, secret_of
from evergrant.entrances.cli.running import app_with, at_desk, settings
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json, table, thing
from evergrant.errors import InvalidInput, NotFound
from evergrant.rules.secrecy import Secret

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.things import Application, ClientInstance, IntegrationCredentials
    from evergrant.registry import AddedInstance
    from evergrant.rules.rights import Caller

__all__ = ["add", "applications", "changes", "given", "instances"]

applications = app_with("SP-API applications of the house and their credentials.")
instances = app_with("Client instances: installations of the house's software.")

Limit = Annotated[int, typer.Option(min=1, max=500, help="So many at most.")]
After = Annotated[str | None, typer.Option(help="Go on after the one with this id.")]
App = Annotated[str, typer.Argument(help="Id, name, or Amazon's application id.")]
Instance = Annotated[str, typer.Argument(help="Id or name of the instance.")]

_WORDS = {"yes": True, "no": False, "auto": None}


def add(app: typer.Typer) -> None:
    app.add_typer(applications, name="app", rich_help_panel="Set up")
    app.add_typer(instances, name="instance", rich_help_panel="Set up")


def given(**values: Any) -> dict[str, Any]:
    """Only the options that were given."""
    return {name: value for name, value in values.items() if value is not None}


def changes(found: Mapping[str, Any]) -> dict[str, Any]:
    if not found:
        raise InvalidInput(
            "Nothing to change was given.", hint="Name at least one option; see --help."
        )
    return dict(found)


def _days(text: str) -> list[int] | None:
    """``30,14,2,0``; ``none``: no reminders; ``usual``: those of the settings."""
    word = text.strip().lower()
    if word in ("usual", "none"):
        return None if word == "usual" else []
    parts = [part.strip() for part in word.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise InvalidInput(
            f"--reminder-days takes days, none or usual, not '{text}'.",
            hint="Write 30,14,2,0: the last one goes out on the day itself.",
        )
    return [int(part) for part in parts]


def _one_of(text: str, option: str) -> str:
    if text.lower() not in _WORDS:
        raise InvalidInput(f"--{option} is yes, no or auto, not '{text}'.")
    return text.lower()


# --- applications -----------------------------------------------------------------------------


@applications.command("add")
def add_application(
    name: Annotated[str, typer.Argument(help="A name of your choice.")],
    application_id: Annotated[
        str,
        typer.Option(
            help="Amazon's id of the application: amzn1.sp.solution... or amzn1.sellerapps.app..."
        ),
    ],
    kind: Annotated[str, typer.Option(help="public or private.")] = "public",
    partner_kind: Annotated[
        list[str] | None, typer.Option(help="seller or vendor; may be given twice.")
    ] = None,
    status: Annotated[str, typer.Option(help="draft or published.")] = "draft",
    developer_name: Annotated[str, typer.Option(help="As registered at Amazon.")] = "",
    developer_id: Annotated[str, typer.Option(help="As registered at Amazon.")] = "",
    login_uri: Annotated[
        str, typer.Option(help="As registered at Amazon; this installation's by default.")
    ] = "",
    redirect_uri: Annotated[
        str, typer.Option(help="As registered at Amazon; this installation's by default.")
    ] = "",
    beta_for_sellers: Annotated[
        str, typer.Option(help="Send version=beta: yes, no, or auto.")
    ] = "auto",
    beta_for_vendors: Annotated[
        str, typer.Option(help="Send version=beta: yes, no, or auto.")
    ] = "auto",
    reminder_days: Annotated[
        str,
        typer.Option(
            help="Days before the end on which clients are reminded, such as 30,14,2,0; none; "
            "usual: as the settings say."
        ),
    ] = "usual",
    json: Json = False,
) -> None:
    """Add an application.

    Example: evergrant app add "Northwind Connect" --application-id amzn1.sp.solution.... \
--partner-kind seller --partner-kind vendor
    """
    beta = (
        _WORDS[_one_of(beta_for_sellers, "beta-for-sellers")],
        _WORDS[_one_of(beta_for_vendors, "beta-for-vendors")],
    )
    days = _days(reminder_days)

    async def work(desk: Desk, by: Caller) -> Application:
        from evergrant.registry import NewApplication

        return await desk.registry.add_application(
            NewApplication(
                name=name,
                kind=kind,
                partner_kinds=partner_kind or ["seller"],
                status=status,
                application_id=application_id,
                developer_name=developer_name,
                developer_id=developer_id,
                login_uri=login_uri,
                redirect_uri=redirect_uri,
                beta_for_sellers=beta[0],
                beta_for_vendors=beta[1],
                reminder_days=days,
            ),
            by=by,
        )

    added = at_desk(work)
    thing(added, as_json=json)
    if not json:
        _register_at_amazon(added)
        remark(
            f"Next: evergrant app credentials {shlex.quote(added.name)} --lwa-client-id ... "
            "(asks for the client secret)"
        )


def _register_at_amazon(application: Application) -> None:
    if application.kind == "private":
        return
    ours = settings()
    remark("These have to stand in Amazon's developer console, letter by letter:")
    remark(f"  OAuth Login URI     {application.login_uri or ours.login_uri}")
    remark(f"  OAuth Redirect URI  {application.redirect_uri or ours.redirect_uri}")


@applications.command("list")
def list_applications(limit: Limit = 100, after: After = None, json: Json = False) -> None:
    """List applications."""

    async def look(desk: Desk, by: Caller) -> list[Application]:
        return await desk.registry.applications(by=by, after=after, limit=limit)

    rows = at_desk(look)
    table(
        rows,
        (
            *("id", "name", "kind", "status", ("partner_kinds", "for")),
            ("application_id", "at Amazon"),
        ),
        as_json=json,
        next=rows[-1].id if len(rows) == limit else None,
        empty="No application yet. Next: evergrant app add --help",
    )


@applications.command("show")
def show_application(app: App, json: Json = False) -> None:
    """Show an application and its credentials; never a secret."""

    async def look(desk: Desk, by: Caller) -> tuple[Application, IntegrationCredentials | None]:
        found = await desk.registry.find_application(app, by=by)
        try:
            return found, await desk.registry.credentials(found.id, by=by)
        except NotFound:
            return found, None

    application, credentials = at_desk(look)
    thing(application, as_json=json, extra={"credentials": plain(credentials)})
    if not json:
        _register_at_amazon(application)


@applications.command("change")
def change_application(
    app: App,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    application_id: Annotated[str | None, typer.Option(help="Amazon's id.")] = None,
    kind: Annotated[str | None, typer.Option(help="public or private.")] = None,
    partner_kind: Annotated[
        list[str] | None, typer.Option(help="seller or vendor: all that shall apply.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="draft or published.")] = None,
    developer_name: Annotated[str | None, typer.Option(help="As registered at Amazon.")] = None,
    developer_id: Annotated[str | None, typer.Option(help="As registered at Amazon.")] = None,
    login_uri: Annotated[str | None, typer.Option(help="As registered at Amazon.")] = None,
    redirect_uri: Annotated[str | None, typer.Option(help="As registered at Amazon.")] = None,
    beta_for_sellers: Annotated[str | None, typer.Option(help="yes, no or auto.")] = None,
    beta_for_vendors: Annotated[str | None, typer.Option(help="yes, no or auto.")] = None,
    reminder_days: Annotated[
        str | None, typer.Option(help="Such as 30,14,2,0; none; usual: as the settings say.")
    ] = None,
    json: Json = False,
) -> None:
    """Change an application; what is not named stays.

    Example: evergrant app change "Northwind Connect" --status published
    """
    wanted = given(
        name=name,
        application_id=application_id,
        kind=kind,
        partner_kinds=partner_kind,
        status=status,
        developer_name=developer_name,
        developer_id=developer_id,
        login_uri=login_uri,
        redirect_uri=redirect_uri,
    )
    for field, word in (
        ("beta_for_sellers", beta_for_sellers),
        ("beta_for_vendors", beta_for_vendors),
    ):
        if word is not None:
            wanted[field] = _WORDS[_one_of(word, field.replace("_", "-"))]
    if reminder_days is not None:
        wanted["reminder_days"] = _days(reminder_days)
    asked = changes(wanted)

    async def work(desk: Desk, by: Caller) -> Application:
        found = await desk.registry.find_application(app, by=by)
        return await desk.registry.change_application(found.id, asked, by=by)

    thing(at_desk(work), as_json=json)


@applications.command("credentials")
def set_credentials(
    app: App,
    lwa_client_id: Annotated[
        str | None, typer.Option(help="amzn1.application-oa2-client...; asks for the secret.")
    ] = None,
    lwa_client_secret_file: Annotated[
        Path | None, typer.Option(help="File with the client secret, - for standard input.")
    ] = None,
    keep_secret: Annotated[
        bool, typer.Option("--keep-secret", help="Do not ask for the client secret.")
    ] = False,
    secret_created: Annotated[
        str | None, typer.Option(help="Day on which Amazon made the client secret.")
    ] = None,
    secret_expires: Annotated[
        str | None, typer.Option(help="Day on which it ends, as Amazon's console shows it.")
    ] = None,
    lwa_url: Annotated[
        str | None, typer.Option(help="Another Login with Amazon; empty text for the usual one.")
    ] = None,
    role_arn: Annotated[str | None, typer.Option(help="AWS role, for rotation.")] = None,
    access_key_file: Annotated[
        Path | None, typer.Option(help="File with the AWS access key.")
    ] = None,
    secret_key_file: Annotated[
        Path | None, typer.Option(help="File with the AWS secret key.")
    ] = None,
    queue_url: Annotated[str | None, typer.Option(help="SQS queue for new secrets.")] = None,
    notifications_queue_url: Annotated[
        str | None, typer.Option(help="SQS queue for notifications of feeds, orders and reports.")
    ] = None,
    json: Json = False,
) -> None:
    """Set the credentials of an application.

    Secrets come by prompt, standard input or file, the client secret also from LWA_CLIENT_SECRET
    in the environment. What is not named stays.

    Example: evergrant app credentials "Northwind Connect" --lwa-client-id \
amzn1.application-oa2-client....
    """
    from evergrant.registry import Credentials

    if asks_a_person(lwa_client_secret_file):

        async def look(desk: Desk, by: Caller) -> Application:
            return await desk.registry.find_application(app, by=by)

        at_desk(look)
    client_secret: Secret | None = None
    if lwa_client_secret_file is not None or (lwa_client_id is not None and not keep_secret):
        client_secret = secret_of(
            "client secret", file=lwa_client_secret_file, variable="LWA_CLIENT_SECRET"
        )
    wanted = given(
        lwa_client_id=lwa_client_id,
        lwa_client_secret=client_secret,
        secret_created_at=instant(secret_created, "secret_created"),
        secret_expires_at=instant(secret_expires, "secret_expires"),
        lwa_url=lwa_url,
        role_arn=role_arn,
        access_key=access_key_file and secret_from_file("AWS access key", access_key_file),
        secret_key=secret_key_file and secret_from_file("AWS secret key", secret_key_file),
        queue_url=queue_url,
        notifications_queue_url=notifications_queue_url,
    )
    asked = changes(wanted)

    async def work(desk: Desk, by: Caller) -> IntegrationCredentials:
        found = await desk.registry.find_application(app, by=by)
        return await desk.registry.set_credentials(found.id, Credentials(**asked), by=by)

    thing(at_desk(work), as_json=json)
    if not json:
        remark("Whether Amazon takes them: evergrant check --live")


# --- client instances -------------------------------------------------------------------------


@instances.command("add")
def add_instance(
    name: Annotated[str, typer.Argument(help="A name of your choice.")],
    base_url: Annotated[str, typer.Option(help="Where the instance lives.")] = "",
    return_url: Annotated[
        str, typer.Option(help="Where partners' browsers go after the thank-you page.")
    ] = "",
    webhook_url: Annotated[str, typer.Option(help="Where events are delivered.")] = "",
    json: Json = False,
) -> None:
    """Add a client instance.

    The secret that signs its webhooks is shown once, here.

    Example: evergrant instance add "ERP production" --return-url https://erp.house.example/amazon
    """

    async def work(desk: Desk, by: Caller) -> AddedInstance:
        from evergrant.registry import NewInstance

        new = NewInstance(
            name=name, base_url=base_url, return_url=return_url, webhook_url=webhook_url
        )
        return await desk.registry.add_instance(new, by=by)

    added = at_desk(work)
    if json:
        show_json({**plain(added.instance), "signing_secret": added.signing_secret.reveal()})
        return
    thing(added.instance, as_json=False)
    remark("Its webhooks are signed with this secret. Keep it now; it is not shown again:")
    say(added.signing_secret.reveal())


@instances.command("list")
def list_instances(limit: Limit = 100, after: After = None, json: Json = False) -> None:
    """List client instances."""

    async def look(desk: Desk, by: Caller) -> list[ClientInstance]:
        return await desk.registry.instances(by=by, after=after, limit=limit)

    rows = at_desk(look)
    table(
        rows,
        ("id", "name", "base_url", "return_url", "webhook_url", ("last_seen_at", "seen")),
        as_json=json,
        next=rows[-1].id if len(rows) == limit else None,
        empty="No client instance yet. Next: evergrant instance add --help",
    )


@instances.command("show")
def show_instance(instance: Instance, json: Json = False) -> None:
    """Show a client instance."""

    async def look(desk: Desk, by: Caller) -> ClientInstance:
        return await desk.registry.find_instance(instance, by=by)

    thing(at_desk(look), as_json=json)


@instances.command("change")
def change_instance(
    instance: Instance,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Where the instance lives.")] = None,
    return_url: Annotated[str | None, typer.Option(help="After the thank-you page.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Where events are delivered.")] = None,
    renew_signing_secret: Annotated[
        bool,
        typer.Option(
            "--renew-signing-secret",
            help="Make a fresh one; for 24 hours the old one signs as well.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Change a client instance; what is not named stays.

    Empty text removes an address.
    """
    wanted = given(name=name, base_url=base_url, return_url=return_url, webhook_url=webhook_url)
    if not renew_signing_secret:
        changes(wanted)

    async def work(desk: Desk, by: Caller) -> tuple[ClientInstance, Secret | None]:
        found = await desk.registry.find_instance(instance, by=by)
        if wanted:
            found = await desk.registry.change_instance(found.id, wanted, by=by)
        fresh = None
        if renew_signing_secret:
            fresh = await desk.registry.renew_signing_secret(found.id, by=by)
        return found, fresh

    changed, fresh = at_desk(work)
    if json:
        extra = {"signing_secret": fresh.reveal()} if fresh else {}
        show_json({**plain(changed), **extra})
        return
    thing(changed, as_json=False)
    if fresh:
        remark("The fresh signing secret. Keep it now; it is not shown again:")
        say(fresh.reveal())
