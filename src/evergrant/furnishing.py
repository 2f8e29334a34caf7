"""Puts every room on a desk, over whatever sockets it is given.

Answers for: which room is handed which other rooms and sockets, once for the real house and for
the dolls' house, so that neither lacks what the other has. Does not answer for: which plugs are in
the sockets (``wiring``, ``testing.desk``), or for opening and closing anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from evergrant.accounts import Accounts
from evergrant.amazon_reports import AmazonReports
from evergrant.bounces import Bounces
from evergrant.calls import Calls
from evergrant.consent import Consent
from evergrant.desk import Desk
from evergrant.feeds import Feeds
from evergrant.limits import Limits
from evergrant.looked_at import LookedAt
from evergrant.moving import Moving
from evergrant.notices import Notices
from evergrant.notifications import Notifications
from evergrant.orders import Orders
from evergrant.overview import Overview
from evergrant.people import People
from evergrant.ports import Bell, Clock, Keyring, Mail, Webhooks
from evergrant.ports.amazon import LWA, SellingPartnerApi
from evergrant.ports.budgets import Budgets
from evergrant.ports.documents import Documents
from evergrant.ports.news import News
from evergrant.ports.pulse import Pulse
from evergrant.ports.secrets_queue import SecretsQueue
from evergrant.ports.single_sign_on import SingleSignOn
from evergrant.ports.store import Store
from evergrant.ports.upstream import Upstream
from evergrant.post import Post
from evergrant.post.lanes import Lanes, width_of
from evergrant.registry import Registry
from evergrant.reviews import Reviews
from evergrant.rotation import Rotations
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.receivers import Receivers
from evergrant.sessions import Sessions
from evergrant.settings import Cooking, House, HouseValues, SigningIn, Watching
from evergrant.tokens import Tokens
from evergrant.vault import Vault
from evergrant.watch import Watch

__all__ = ["Sockets", "furnished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Every socket of one process, with something in it."""

    clock: Clock
    store: Store
    keyring: Keyring
    lwa: LWA
    selling_partner_api: SellingPartnerApi
    mail: Mail
    webhooks: Webhooks
    bell: Bell
    budgets: Budgets
    upstream: Upstream
    secrets_queue: SecretsQueue
    documents: Documents
    news: News
    pulse: Pulse
    #: None: operators sign in with passwords alone.
    single_sign_on: SingleSignOn | None = None


def furnished(
    sockets: Sockets,
    *,
    marketplaces: Marketplaces,
    house: House,
    login_uri: str,
    redirect_uri: str,
    invitation_life: timedelta,
    gateway_wait_s: float = 10.0,
    gateway_longest_wait_s: float = 120.0,
    watching: Watching | None = None,
    cooking: Cooking | None = None,
    house_values: HouseValues | None = None,
    signing_in: SigningIn | None = None,
    receivers: Receivers | None = None,
    jobs_at_once: int = 10,
) -> Desk:
    """A desk of this house. ``desk.consent``, ``desk.calls``, ``desk.limits`` and ``desk.tokens``
    have to be closed before their sockets are, in this order. ``receivers``: where webhooks may go;
    None: anywhere. ``jobs_at_once``: how many a worker on this desk does."""
    watching, cooking = watching or Watching(), cooking or Cooking()
    store, clock, bell = sockets.store, sockets.clock, sockets.bell
    vault = Vault(sockets.keyring)
    people = People(store, clock, bell)
    sessions = Sessions(
        store=store,
        clock=clock,
        vault=vault,
        people=people,
        bell=bell,
        house=house,
        signing_in=signing_in,
        single_sign_on=sockets.single_sign_on,
    )
    registry = Registry(
        store,
        clock,
        vault,
        marketplaces,
        bell=bell,
        operators=house.operators,
        receivers=receivers,
    )
    accounts = Accounts(store, clock, marketplaces, bell=bell)
    tokens = Tokens(
        store=store,
        clock=clock,
        vault=vault,
        registry=registry,
        lwa=sockets.lwa,
        bell=bell,
        selling_partner_api=sockets.selling_partner_api,
        marketplaces=marketplaces,
    )
    limits = Limits(store, clock, sockets.budgets)
    calls = Calls(
        tokens=tokens,
        selling_partner_api=sockets.selling_partner_api,
        marketplaces=marketplaces,
        store=store,
        budgets=sockets.budgets,
        limits=limits,
        wait_s=gateway_wait_s,
        longest_wait_s=gateway_longest_wait_s,
    )
    consent = Consent(
        store=store,
        clock=clock,
        vault=vault,
        registry=registry,
        accounts=accounts,
        lwa=sockets.lwa,
        selling_partner_api=sockets.selling_partner_api,
        permitted=calls.own.permitted,
        bell=bell,
        marketplaces=marketplaces,
        house=house,
        login_uri=login_uri,
        redirect_uri=redirect_uri,
        invitation_life=invitation_life,
    )
    bounces = Bounces(store, clock)
    rotations = Rotations(
        store=store,
        clock=clock,
        vault=vault,
        registry=registry,
        lwa=sockets.lwa,
        calls=calls,
        queue=sockets.secrets_queue,
        bell=bell,
        ahead=watching.rotate_ahead,
    )
    feeds = Feeds(
        store=store,
        clock=clock,
        vault=vault,
        calls=calls,
        limits=limits,
        documents=sockets.documents,
        signed_off=LookedAt(store, clock, vault, house_values or HouseValues()),
        bell=bell,
        marketplaces=marketplaces,
        cooking=cooking,
    )
    orders = Orders(
        store=store,
        clock=clock,
        vault=vault,
        calls=calls,
        bell=bell,
        marketplaces=marketplaces,
        cooking=cooking,
    )
    amazon_reports = AmazonReports(
        store=store,
        clock=clock,
        calls=calls,
        documents=sockets.documents,
        marketplaces=marketplaces,
    )
    return Desk(
        clock=clock,
        store=store,
        marketplaces=marketplaces,
        vault=vault,
        people=people,
        sessions=sessions,
        registry=registry,
        accounts=accounts,
        consent=consent,
        tokens=tokens,
        limits=limits,
        calls=calls,
        upstream=sockets.upstream,
        news=sockets.news,
        pulse=sockets.pulse,
        notices=Notices(store, clock),
        bounces=bounces,
        reviews=Reviews(store, clock),
        rotations=rotations,
        moving=Moving(
            store=store,
            clock=clock,
            vault=vault,
            registry=registry,
            accounts=accounts,
            consent=consent,
            marketplaces=marketplaces,
        ),
        feeds=feeds,
        orders=orders,
        amazon_reports=amazon_reports,
        notifications=Notifications(
            store=store,
            clock=clock,
            registry=registry,
            calls=calls,
            queue=sockets.secrets_queue,
            feeds=feeds,
            orders=orders,
            amazon_reports=amazon_reports,
        ),
        watch=Watch(
            store=store,
            clock=clock,
            vault=vault,
            consent=consent,
            tokens=tokens,
            rotations=rotations,
            bounces=bounces,
            bell=bell,
            house=house,
            watching=watching,
        ),
        post=Post(
            store=store,
            clock=clock,
            registry=registry,
            consent=consent,
            sessions=sessions,
            mail=sockets.mail,
            webhooks=sockets.webhooks,
            bell=bell,
            house=house,
            lanes=Lanes(width_of(jobs_at_once)),
        ),
        overview=Overview(
            store,
            clock,
            marketplaces=marketplaces,
            watching=watching,
            budgets=sockets.budgets,
            pulse=sockets.pulse,
        ),
    )
