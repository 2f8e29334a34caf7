"""THE RECEPTION. Invites selling partners, receives them back from Amazon, keeps what they grant.

Answers for: invitations, handshakes, the log-in leg, the callback, adopted refresh tokens, support
reports. A grant never lands on an account that it was not given for; that is worth more here than
any convenience. Does not answer for: pages and cookies (doors), words of letters (print shop),
delivery (post room), access tokens after the first one (mint).

Verbs that serve a partner's browser need no ``by``: the link, or the cookie with the OAuth state,
is what they prove themselves with. When they refuse, they raise `errors.ConsentRefused`:

- ``reason``: a value of ``rules.invitations.Refusal``, or "application_incomplete" (no
  credentials: blame application)
- ``reference``: number of the support report; the same one when the page is loaded again; None
  where nothing failed (a stranger asks for an outcome)
- ``facts``: ``blame`` (errors.Blame value), ``language`` of the account if known, ``account_id``,
  ``handshake_id`` (only for the browser that began it: `Consent.way_back` gives its link)

Outbox, all added in one commit with their fact:

==========================  ========  ================================================  ============
topic                       kind      subject                                           to
==========================  ========  ================================================  ============
invitation, renewal         mail      invitation id                                     client mail
authorization_ending, ...   mail      invitation id (`Consent.put_renewal_letter`)      client mail
support_report              mail      report id                                         support mail
authorization_interrupted   mail      invitation id (the fresh link)                    support mail
authorization.granted       webhook   authorization id; facts = the event's ``data``    instance id
authorization.renewed       webhook   likewise; a grant after the first one             instance id
authorization.failed        webhook   likewise; with the report's ``reference``         instance id
==========================  ========  ================================================  ============

For every mail above `Consent.letter_facts` gives what the template wants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from evergrant.consent.adoption import Adoption
from evergrant.consent.arrivals import Arrivals
from evergrant.consent.correspondence import Correspondence
from evergrant.consent.grants import Grants
from evergrant.consent.ground import COMMIT_PATIENCE_S, Ground, Permitted
from evergrant.consent.handshakes import Handshakes
from evergrant.consent.invitations import Invitations
from evergrant.consent.left_behind import LeftBehind
from evergrant.consent.log_in import LogIn
from evergrant.consent.looks import AccessTokenOf, Looks
from evergrant.consent.looks_again import Ended, Looked, LooksAgain
from evergrant.consent.renewals import Renewals
from evergrant.consent.reports import Reports
from evergrant.consent.values import (
    Arrived,
    Departure,
    LetterFacts,
    NeedsProof,
    Onward,
    Opened,
    TroubleTold,
)
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import LWA, SellingPartnerApi
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Grant, Handshake, Invitation, OutboxItem, SupportReport
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import Secret

if TYPE_CHECKING:
    from evergrant.accounts import Accounts, AccountView
    from evergrant.registry import Registry
    from evergrant.settings import House
    from evergrant.vault import Vault

__all__ = [
    "Arrived",
    "Consent",
    "Departure",
    "Ended",
    "LetterFacts",
    "Looked",
    "NeedsProof",
    "Onward",
    "Opened",
    "TroubleTold",
]


class Consent:
    """The reception's counter: every verb, each one carried out by the desk behind it.

    ``login_uri`` and ``redirect_uri`` are this house's own; an application that was registered
    with others at Amazon carries its own. ``invitation_life`` is how long a mailed link works.
    ``permitted`` gives leave for each call to the Selling Partner API.
    ``commit_patience_s``: pauses between attempts to store a grant when the database is away.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        registry: Registry,
        accounts: Accounts,
        lwa: LWA,
        selling_partner_api: SellingPartnerApi,
        permitted: Permitted,
        bell: Bell,
        marketplaces: Marketplaces,
        house: House,
        login_uri: str,
        redirect_uri: str,
        invitation_life: timedelta,
        commit_patience_s: Sequence[float] = COMMIT_PATIENCE_S,
    ) -> None:
        ground = Ground(
            store=store,
            clock=clock,
            vault=vault,
            registry=registry,
            accounts=accounts,
            lwa=lwa,
            selling_partner_api=selling_partner_api,
            permitted=permitted,
            bell=bell,
            marketplaces=marketplaces,
            house=house,
            login_uri=login_uri,
            redirect_uri=redirect_uri,
            invitation_life=invitation_life,
            commit_patience_s=tuple(commit_patience_s),
        )
        self._reports = Reports(ground)
        self._invitations = Invitations(ground, self._reports)
        self._grants = Grants(ground)
        self._looks = Looks(ground)
        self._looks_again = LooksAgain(ground)
        self._adoption = Adoption(ground, self._grants, self._looks)
        self._renewals = Renewals(ground, self._invitations)
        self._correspondence = Correspondence(ground, self._invitations)
        self._handshakes = Handshakes(ground, self._reports, self._invitations)
        self._log_in = LogIn(ground, self._reports, self._invitations)
        self._arrivals = Arrivals(
            ground, self._reports, self._invitations, self._grants, self._looks
        )
        self._left_behind = LeftBehind(ground, self._reports, self._invitations)

    # --- operators and programs --------------------------------------------------------------

    async def invite(self, account_id: str, *, by: Caller) -> Invitation:
        """Mails a fresh link to the account's client e-mail and sets ``oauth_began``. An older
        link stops working. Right WRITE.

        Raises NotAllowed, NotFound, AccountClosed, ApplicationIncomplete, Conflict (a private
        application has no consent page: adopt its refresh token)."""
        return await self._invitations.invite(account_id, by=by)

    async def link(self, account_id: str, *, by: Caller) -> Secret:
        """The whole link of the open invitation, for copying; makes an invitation without a mail
        when there is none. Sets ``oauth_began``. Right WRITE; raises as `invite`."""
        return await self._invitations.link(account_id, by=by)

    async def invitations(self, account_id: str, *, by: Caller) -> list[Invitation]:
        """All letters of the account, oldest first. Right READ."""
        return await self._invitations.history(account_id, by=by)

    async def adopt(
        self,
        account_id: str,
        refresh_token: Secret,
        *,
        by: Caller,
        selling_partner_id: str = "",
        granted_at: datetime | None = None,
        look: bool = True,
    ) -> AccountView:
        """Takes over a refresh token that somebody pasted: a self-authorization of a private
        application, or one from an older system. Asks LWA for an access token first; nothing is
        stored when that fails. Amazon does not tell whose token it is, so it is compared with
        every other one that we hold for this application. A first look that Amazon's limit does
        not allow within seconds is made later; the finding says when. Right WRITE.

        ``granted_at`` unknown leaves the end of the term unknown. ``look`` False leaves the first
        look to the clock tower: for those who bring thousands.

        Raises NotAllowed, NotFound, InvalidInput, AccountClosed, Conflict (another selling partner
        than before or than the merchant token says; another account holds it), GrantRefused,
        ApplicationIncomplete, ApplicationRefused, AmazonUnavailable, Throttled,
        UnreadableAnswer."""
        return await self._adoption.adopt(
            account_id,
            refresh_token,
            by=by,
            selling_partner_id=selling_partner_id,
            granted_at=granted_at,
            look=look,
        )

    async def grants(self, account_id: str, *, by: Caller) -> list[Grant]:
        """Every grant of the account, oldest first; never a refresh token. Right READ."""
        return await self._grants.history(account_id, by=by)

    async def after_grant(self, account_id: str, access_token: Secret) -> str:
        """Looks at what the account can do: marketplaces of a seller, one probe of a vendor. Gives
        the finding, empty when all is well. Never undoes the grant, never raises for Amazon. A
        look without an answer, or without a permit, stays due (`look_where_due`)."""
        return await self._looks.after_grant(account_id, access_token)

    async def report(self, reference: str, *, by: Caller) -> SupportReport:
        """By the number that a page showed, as people type it. Right READ. Raises NotFound,
        InvalidInput (not such a number)."""
        return await self._reports.report(reference, by=by)

    async def reports(
        self,
        *,
        by: Caller,
        account_id: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> list[SupportReport]:
        """In order of their ids, which is that of their instants; ``after`` is the last id seen.
        A caller bound to one client instance sees those of its accounts. Right READ."""
        return await self._reports.reports(by=by, account_id=account_id, after=after, limit=limit)

    async def resolve(self, reference: str, *, by: Caller) -> SupportReport:
        """Somebody has seen to it. Right WRITE."""
        return await self._reports.resolve(reference, by=by)

    # --- the partner's browser ---------------------------------------------------------------

    async def open(self, link_secret: str) -> Opened:
        """GET of ``/connect/<link_secret>``. Spends nothing; notes the first time.
        Raises ConsentRefused."""
        return await self._invitations.open(link_secret)

    async def begin(
        self, link_secret: str, browser: str | None, *, by: Caller | None = None
    ) -> Departure:
        """The button. ``browser`` is the value of our cookie, if there is one. ``by``: an operator
        who presses it in their own browser, with the selling partner at the phone; journal and
        events say so to the end. Needs WRITE then. Raises ConsentRefused; with ``by`` NotAllowed
        and NotFound (out of reach) too."""
        return await self._handshakes.begin(link_secret, browser, by=by)

    async def decline(self, link_secret: str) -> str:
        """ "This is not for me": the link stops working, operators are told. Gives the
        reference. Raises ConsentRefused."""
        return await self._invitations.decline(link_secret)

    async def tell_trouble(self, link_secret: str, code: str, words: str = "") -> TroubleTold:
        """The partner says what Amazon's own page showed (it comes back to nobody otherwise): a
        code like "MD1000", or words. Raises ConsentRefused for a link that is none."""
        return await self._invitations.tell_trouble(link_secret, code, words)

    async def log_in(self, query: str, browser: str | None) -> Onward | NeedsProof:
        """The log-in URI. ``query`` is the raw query string, undecoded, because Amazon's
        ``amazon_state`` has to go back byte for byte. Raises ConsentRefused."""
        return await self._log_in.log_in(query, browser)

    async def accept(self, query: str, browser: str | None) -> Arrived:
        """The callback. ``query`` is the raw query string. The code is exchanged at most once,
        whatever the browser does; loading the callback again shows the outcome. Goes on when the
        browser hangs up. Raises ConsentRefused, StoreUnavailable."""
        return await self._arrivals.accept(query, browser)

    async def outcome(self, handshake_id: str, browser: str | None) -> Arrived:
        """How it ended, for the page after the callback. Only for the browser that began it.
        Raises ConsentRefused (as it ended, with the same reference; or other browser)."""
        return await self._arrivals.outcome(handshake_id, browser)

    async def way_back(self, handshake_id: str, browser: str | None) -> Secret | None:
        """The whole link for "Try again", for the browser that began it and while it works."""
        return await self._handshakes.way_back(handshake_id, browser)

    async def close(self, within_s: float = 25.0) -> None:
        """Lets exchanges under way come to their end, for so long, also those whose browser hung
        up. Called before the store is closed."""
        await self._arrivals.close(within_s)

    # --- post room and clock tower -----------------------------------------------------------

    async def letter_facts(self, item: OutboxItem) -> LetterFacts | None:
        """For each mail of the table above. None: the letter is pointless by now (its link was
        used, withdrawn or is over); end the item without sending."""
        return await self._correspondence.letter_facts(item)

    async def put_renewal_letter(
        self,
        tx: Transaction,
        account_id: str,
        *,
        now: datetime,
        topic: str,
        facts: Mapping[str, Any],
    ) -> OutboxItem | None:
        """A letter to the account's client e-mail that brings a renewal link, in the caller's
        transaction: that of the open invitation, or of a fresh one when it has few days left. Ring
        for it after the commit. ``facts`` hold no secret. None: the account is closed, or there is
        no consent page to send anybody to. Raises NotFound."""
        return await self._renewals.put_letter(tx, account_id, now=now, topic=topic, facts=facts)

    async def renewal_link(self, account_id: str) -> Secret | None:
        """The whole link of the open invitation, or of a fresh one that nobody is mailed: one in
        14 days at most. None: there is none to be had (closed, no consent page, the last one was
        declined). Asks for no right: whoever shows it has looked who is asking. Raises
        StoreUnavailable."""
        return await self._renewals.link(account_id)

    async def lose_stale(self, now: datetime) -> list[Handshake]:
        """Ends handshakes whose exchange began five minutes ago and never ended: the process died
        in between and Amazon's code is spent. Each becomes LOST with journal "handshake.lost", a
        support report and a letter to operators with a fresh link. Called each minute; safe to
        be called by several processes at once. Gives those that this call ended."""
        return await self._left_behind.lose_stale(now)

    async def look_where_due(self, access_token_of: AccessTokenOf) -> int:
        """Makes the first looks that are still owed: nobody answered, or the process died between
        the grant and the look. ``access_token_of(account_id)`` gives an access token of an account,
        or raises what stands against it. Called each minute; safe to be called by several processes
        at once. Gives how many calls were made. Raises StoreUnavailable."""
        return await self._looks.where_due(access_token_of)

    async def look_again(self, account_id: str, access_token: Secret, grant_id: str) -> Looked:
        """What an account that was seen before can do now, with an access token of that grant:
        what changed is told, what surprises has to be said twice. Never raises for Amazon. Raises
        NotFound, StoreUnavailable."""
        return await self._looks_again.look(account_id, access_token, grant_id)
