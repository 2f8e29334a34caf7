"""The pages of Seller and Vendor Central: home, sign in, consent, manage your apps, errors."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from amazon_emulator import answering
from amazon_emulator.faces.central import consent
from amazon_emulator.faces.central.consent import Asked, OnPage
from amazon_emulator.faces.central.sessions import Sessions, is_own_form, safe_return
from amazon_emulator.history import Asked as Noted
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.world import Application, Grant, Kind, Session

__all__ = [
    "Central",
    "address_of",
    "asked_in",
    "face",
    "form_of",
    "path_of",
    "region_in",
    "standing",
]

TEMPLATES = Environment(
    loader=PackageLoader("amazon_emulator"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
NAMES = {"seller": "Seller Central", "vendor": "Vendor Central"}
REGION_NAMES = {"na": "North America", "eu": "Europe", "fe": "Far East"}
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
}


class Central:
    """One of the two faces; ``kind`` says whose accounts sign in there."""

    def __init__(self, stage: Stage, kind: Kind) -> None:
        self.stage = stage
        self.kind = kind
        self.sessions = Sessions(stage, kind)

    @property
    def face(self) -> str:
        return f"{self.kind}_central"

    # --- pages --------------------------------------------------------------------------------

    async def home(self, request: Request) -> Response:
        return self.page("home.html", session=self.sessions.of(request))

    async def sign_in(self, request: Request) -> Response:
        return_to = safe_return(request.query_params.get("return_to", "/"))
        return self.page("sign_in.html", return_to=return_to, email="", wrong=False)

    async def signed_in(self, request: Request) -> Response:
        form = await form_of(request)
        return_to = safe_return(form.get("return_to", "/"))
        email = form.get("email", "")
        partner = self.stage.world.signing_in(email, form.get("password", ""))
        noted = self.note(request, "consent.sign_in")
        if partner is None or partner.kind != self.kind:
            noted.status = 401
            return self.page("sign_in.html", 401, return_to=return_to, email=email, wrong=True)
        noted.partner = partner.selling_partner_id
        noted.status = 303
        answer = RedirectResponse(return_to, 303, headers=HEADERS)
        self.sessions.begin(partner, answer)
        return answer

    async def sign_out(self, request: Request) -> Response:
        form = await form_of(request)
        back = safe_return(form.get("return_to", "/"))
        answer = RedirectResponse(f"/ap/signin?return_to={quote(back, safe='')}", 303)
        self.sessions.end(request, answer)
        return answer

    async def consent(self, request: Request) -> Response:
        asked = asked_in(dict(request.query_params))
        session = self.sessions.of(request)
        if session is None:
            return self.to_sign_in(request)
        noted = self.note(request, "consent.page", asked, session)
        try:
            application = consent.judge(self.stage, asked, session.partner)
        except OnPage as error:
            return self.error(error, noted, asked.application_id)
        noted.status = 200
        return self.consent_page(request, asked, session, application)

    async def decided(self, request: Request) -> Response:
        form = await form_of(request)
        asked = asked_in(form)
        session = self.sessions.of(request)
        if session is None or not is_own_form(session, form.get("form_key", "")):
            return self.to_sign_in(request, address_of(asked))
        if form.get("decision") != "confirm":
            self.note(request, "consent.cancelled", asked, session).status = 302
            return RedirectResponse("/", 302, headers=HEADERS)
        noted = self.note(request, "consent.confirmed", asked, session)
        try:
            application = consent.judge(self.stage, asked, session.partner)
            region = region_in(form, session)
        except OnPage as error:
            return self.error(error, noted, asked.application_id)
        if not form.get("permission"):
            noted.kind, noted.status = "consent.page", 400
            return self.consent_page(request, asked, session, application, unticked=True)
        noted.status, noted.region = 302, region
        return self.redirect(self.go_on(request, asked, session, application, region))

    async def confirm(self, request: Request) -> Response:
        """The browser comes back from the log-in URI."""
        application_id = request.path_params["application_id"]
        asked = asked_in({**request.query_params, "application_id": application_id})
        session = self.sessions.of(request)
        if session is None:
            return self.to_sign_in(request)
        noted = self.note(request, "consent.login_leg_back", asked, session)
        try:
            query = request.scope["query_string"].decode("latin-1")
            leg = consent.awaited(self.stage, application_id, query, session.partner)
            if leg.application.status == "draft" and asked.version != "beta":
                raise OnPage("MD1000")
            redirect_uri = consent.choose_redirect_uri(leg.application, asked.redirect_uri)
        except OnPage as error:
            return self.error(error, noted, application_id)
        leg.spent = True
        noted.status, noted.region = 302, leg.region
        given = consent.grant(self.stage, leg.partner, leg.application, leg.region)
        return self.redirect(consent.to_redirect_uri(self.stage, given, redirect_uri, asked.state))

    async def manage(self, request: Request) -> Response:
        session = self.sessions.of(request)
        if session is None:
            return self.to_sign_in(request)
        now = self.stage.clock.now()
        rows: list[dict[str, Any]] = []
        store: list[Application] = []
        for application in self.stage.world.applications.values():
            held = self.stage.world.grants_of(session.partner, application)
            if held:
                rows.append({"application": application, **standing(held, now)})
            elif self.kind == "seller" and application.status == "published":
                store.append(application)
        return self.page("manage.html", session=session, rows=rows, store=store)

    async def disable(self, request: Request) -> Response:
        form = await form_of(request)
        session = self.sessions.of(request)
        if session is None or not is_own_form(session, form.get("form_key", "")):
            return self.to_sign_in(request, "/apps/manage")
        application = self.stage.world.applications.get(form.get("application_id", ""))
        noted = self.note(request, "consent.disabled", None, session)
        noted.status = 303
        if application is not None:
            noted.application_id = application.application_id
            self.stage.world.revoke(session.partner, self.stage.clock.now(), application)
        return RedirectResponse("/apps/manage", 303, headers=HEADERS)

    # --- parts --------------------------------------------------------------------------------

    def go_on(
        self,
        request: Request,
        asked: Asked,
        session: Session,
        application: Application,
        region: Region,
    ) -> str:
        """Where a confirmed consent sends the browser."""
        partner = session.partner
        if asked.from_central or consent.takes_login_leg(self.stage, application, partner):
            self.note(request, "consent.login_leg", asked, session).status = 302
            central = self.stage.addresses[self.face]
            return consent.to_login_uri(self.stage, central, application, partner, region)
        redirect_uri = consent.choose_redirect_uri(application, asked.redirect_uri)
        given = consent.grant(self.stage, partner, application, region)
        return consent.to_redirect_uri(self.stage, given, redirect_uri, asked.state)

    def consent_page(
        self,
        request: Request,
        asked: Asked,
        session: Session,
        application: Application,
        *,
        unticked: bool = False,
    ) -> Response:
        regions = [(region, REGION_NAMES[region]) for region in session.partner.regions]
        return self.page(
            "consent.html",
            400 if unticked else 200,
            session=session,
            application=application,
            asked=asked,
            regions=regions,
            unticked=unticked,
            here=address_of(asked),
        )

    def to_sign_in(self, request: Request, return_to: str | None = None) -> Response:
        back = return_to or path_of(request)
        return RedirectResponse(
            f"/ap/signin?return_to={quote(back, safe='')}", 302, headers=HEADERS
        )

    def redirect(self, address: str) -> Response:
        # Not RedirectResponse: that would re-encode `amazon_state`, which must stay byte-exact.
        return Response(b"", 302, headers={**HEADERS, "location": address})

    def error(self, error: OnPage, noted: Noted, application_id: str) -> Response:
        noted.kind, noted.error, noted.status = "consent.error", error.code, 400
        return self.page(
            "error.html", 400, code=error.code, words=str(error), application_id=application_id
        )

    def page(self, template: str, status: int = 200, **facts: Any) -> Response:
        html = TEMPLATES.get_template(template).render(
            central=NAMES[self.kind], kind=self.kind, **facts
        )
        return HTMLResponse(html, status, headers=HEADERS)

    def note(
        self,
        request: Request,
        kind: str,
        asked: Asked | None = None,
        session: Session | None = None,
    ) -> Noted:
        noted = self.stage.history.note(
            self.stage.clock.now(), kind, self.face, request.method, request.scope["path"]
        )
        noted.application_id = asked.application_id if asked else None
        noted.partner = session.partner.selling_partner_id if session else None
        noted.user_agent = request.headers.get("user-agent")
        return noted


def standing(held: list[Grant], now: Any) -> dict[str, Any]:
    """How the newest grant stands, for the list of authorized applications."""
    newest = held[-1]
    if newest.revoked_at is not None:
        words = "disabled"
    elif not newest.is_good(now):
        words = "expired"
    else:
        words = "authorized"
    return {"grant": newest, "standing": words}


def asked_in(given: dict[str, str]) -> Asked:
    return Asked(
        application_id=given.get("application_id", ""),
        state=given.get("state"),
        redirect_uri=given.get("redirect_uri") or None,
        version=given.get("version"),
        from_central=given.get("start") == "central",
    )


def address_of(asked: Asked) -> str:
    """The consent page that asks for this."""
    query = {
        "application_id": asked.application_id,
        "state": asked.state,
        "redirect_uri": asked.redirect_uri,
        "version": asked.version,
        "start": "central" if asked.from_central else None,
    }
    given = {name: value for name, value in query.items() if value is not None}
    return f"/apps/authorize/consent?{urlencode(given)}"


def region_in(form: dict[str, str], session: Session) -> Region:
    """The region that was chosen; a partner of one region has nothing to choose."""
    regions = session.partner.regions
    wanted = form.get("region") or regions[0]
    for region in regions:
        if region == wanted:
            return region
    raise OnPage("MD5100")


def path_of(request: Request) -> str:
    query = request.scope["query_string"].decode("latin-1")
    return f"{request.scope['path']}?{query}" if query else request.scope["path"]


async def form_of(request: Request) -> dict[str, str]:
    try:
        body = await answering.body_of(request)
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except (answering.BodyTooLarge, ValueError):
        return {}


def face(stage: Stage, kind: Kind) -> Starlette:
    central = Central(stage, kind)
    return Starlette(
        routes=[
            Route("/", central.home),
            Route("/ap/signin", central.sign_in),
            Route("/ap/signin", central.signed_in, methods=["POST"]),
            Route("/ap/signout", central.sign_out, methods=["POST"]),
            Route("/apps/authorize/consent", central.consent),
            Route("/apps/authorize/consent", central.decided, methods=["POST"]),
            Route("/apps/authorize/confirm/{application_id}", central.confirm),
            Route("/apps/manage", central.manage),
            Route("/apps/manage/disable", central.disable, methods=["POST"]),
        ]
    )
