"""One request to the console, as handlers see it.

Answers for: who asks, what was sent, and the shapes of an answer: a page, a form with what is wrong
with it, a way back with a message. Does not answer for: deciding anything; handlers call one verb
of a room.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from evergrant.entrances.console import paper
from evergrant.entrances.console.navigation import sections_for
from evergrant.entrances.console.seals import Cookies, Said, proof_of
from evergrant.errors import EvergrantError, InvalidInput
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.signed_in import OperatorSession
    from evergrant.ports.things import Operator
    from evergrant.sessions import Present
    from evergrant.settings import Settings

__all__ = ["LIVE", "Asked", "Upload", "flaws_of", "is_ours"]


#: The header by which a script says that it reads the page again by itself.
LIVE = "x-evergrant-live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file of a form, as it came."""

    filename: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``form``: the fields of a POST, the last of each name, after the proof was checked;
    ``form_list`` gives all of one name."""

    desk: Desk
    settings: Settings
    request: Request
    cookies: Cookies
    now: datetime
    present: Present | None
    visit: Secret
    has_mailbox: bool = False
    fresh: Secret | None = None
    fields: Sequence[tuple[str, str]] = ()
    files: Mapping[str, Upload] = field(default_factory=dict)

    # --- who --------------------------------------------------------------------------------------

    @property
    def caller(self) -> Caller:
        """For ``by=``. Pages that admit anybody have none."""
        assert self.present is not None, "this door admits people who are not signed in"
        return self.present.caller

    @property
    def operator(self) -> Operator:
        assert self.present is not None, "this door admits people who are not signed in"
        return self.present.operator

    @property
    def session(self) -> OperatorSession:
        assert self.present is not None, "this door admits people who are not signed in"
        return self.present.session

    @property
    def is_live(self) -> bool:
        """A script reads the page again; nobody clicked."""
        return LIVE in self.request.headers

    def may(self, right: Right) -> bool:
        return self.present is not None and self.present.caller.may(right)

    @property
    def secret(self) -> Secret:
        """That of the session, or of the visit before there is one."""
        if self.fresh is not None:
            return self.fresh
        kept = self.cookies.read_session(self.request) if self.present else None
        return self.visit if kept is None else kept

    def signed_in(self, secret: Secret) -> Asked:
        """As it goes on with a session just made: what the answer holds is made for that one."""
        return dataclasses.replace(self, fresh=secret)

    # --- what -------------------------------------------------------------------------------------

    @property
    def path(self) -> Mapping[str, str]:
        return self.request.path_params

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    @property
    def form(self) -> dict[str, str]:
        return dict(self.fields)

    def form_list(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    # --- answers ----------------------------------------------------------------------------------

    def page(
        self,
        template: str,
        status: int = 200,
        *,
        form_action: Iterable[str] = ("'self'",),
        **facts: Any,
    ) -> Response:
        # A page that reads itself again must not swallow what another window has to tell.
        said = None if self.is_live else self.cookies.read_said(self.request, self.secret)
        context: dict[str, Any] = {"flaws": {}, "given": {}, **facts}
        text = (
            paper.press()
            .get_template(template)
            .render(
                asked=self,
                now=self.now,
                house=self.settings.house,
                operator=self.present.operator if self.present else None,
                sections=sections_for(self.present.caller) if self.present else [],
                here=self.request.url.path,
                proof=proof_of(self.secret),
                said=said,
                **context,
            )
        )
        response = HTMLResponse(
            text, status, headers={"content-security-policy": paper.policy(form_action)}
        )
        if said is not None:
            self.cookies.drop(response, self.cookies.said)
        if self.present is None and self.cookies.read_visit(self.request) is None:
            self.cookies.write_visit(response, self.visit)
        return response

    def back(
        self, to: str, said: str = "", kind: str = "good", *, query: Mapping[str, str] | None = None
    ) -> Response:
        """On to a page that can be loaded again (303), which shows ``said`` once. ``to`` is a path
        of the console; anything else leads to the overview."""
        address = to if is_ours(to) else "/console"
        if query:
            address += ("&" if "?" in address else "?") + urlencode(query)
        response = RedirectResponse(address, 303)
        if said:
            self.cookies.write_said(response, self.secret, Said(said, kind))
        return response

    def flawed(
        self, template: str, error: EvergrantError, status: int = 422, **facts: Any
    ) -> Response:
        """The form again, with what is wrong beside each field; nothing that was typed is lost, but
        for secrets, which never come back (templates do not fill password fields)."""
        return self.page(template, status, flaws=flaws_of(error), given=self.form, **facts)

    def flaws_of(self, error: EvergrantError) -> dict[str, str]:
        """What is wrong, by field; what concerns the whole form has the name ""."""
        return flaws_of(error)

    def with_form(self, fields: Sequence[tuple[str, str]], files: Mapping[str, Upload]) -> Asked:
        return dataclasses.replace(self, fields=fields, files=files)


def flaws_of(error: EvergrantError) -> dict[str, str]:
    """Message by field; what concerns the whole form has the name ""."""
    if not isinstance(error, InvalidInput):
        named = error.facts.get("field")
        return {named if isinstance(named, str) else "": _with_hint(error.message, error.hint)}
    found: dict[str, str] = {}
    for flaw in error.flaws:
        # A field inside a field (vendor_codes.2) is told beside the one that people filled in.
        name = (flaw.field or "").partition(".")[0]
        words = _with_hint(_sentence(flaw.message), flaw.hint)
        found[name] = f"{found[name]} {words}" if name in found else words
    return found


def _sentence(words: str) -> str:
    """Rooms say "is needed." of a field by its name; beside the field it begins a sentence."""
    return f"This {words}" if words[:1].islower() else words


def _with_hint(message: str, hint: str | None) -> str:
    return f"{message} {hint}" if hint else message


def is_ours(path: str) -> bool:
    """A path of the console and nothing else: no other host, no scheme, no trick with slashes."""
    if not (path == "/console" or path.startswith(("/console/", "/console?"))):
        return False
    return path.isprintable() and "\\" not in path and "//" not in path.partition("?")[0]
