"""A whole desk on fakes: every room as it is, every socket in memory.

Answers for: putting the fakes of this package where ``evergrant.wiring`` puts the real pipes. Does
not answer for: rooms standing in for rooms; there are none such.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from evergrant.desk import Desk
from evergrant.furnishing import Sockets, furnished
from evergrant.rules.invitations import LETTER_LIFE
from evergrant.rules.marketplaces import STANDARD, Marketplaces
from evergrant.settings import Cooking, House, SigningIn, Watching
from evergrant.testing.bell import MemoryBell
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.clock import FakeClock
from evergrant.testing.documents import MemoryDocuments
from evergrant.testing.keyring import MemoryKeyring
from evergrant.testing.lwa import FakeLWA
from evergrant.testing.mail import MemoryMail
from evergrant.testing.news import MemoryNews
from evergrant.testing.pulse import MemoryPulse
from evergrant.testing.secrets_queue import MemorySecretsQueue
from evergrant.testing.selling_partner_api import FakeSellingPartnerApi
from evergrant.testing.store import MemoryStore
from evergrant.testing.upstream import FakeUpstream
from evergrant.testing.webhooks import MemoryWebhooks

__all__ = ["HOUSE", "Fakes", "desk"]

HOUSE = House(
    name="Northwind Commerce Software",
    public_url="https://connect.northwind.example",
    support_email="dev-support@northwind.example",
    mail_from="Northwind <connect@northwind.example>",
)


@dataclass(kw_only=True)
class Fakes:
    """The sockets of one desk in memory. Give the same ones to two desks, and these are two
    processes of one house."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    keyring: MemoryKeyring = field(default_factory=MemoryKeyring)
    mail: MemoryMail = field(default_factory=MemoryMail)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    bell: MemoryBell = field(default_factory=MemoryBell)
    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    documents: MemoryDocuments = field(default_factory=MemoryDocuments)
    budgets: MemoryBudgets = field(init=False)
    lwa: FakeLWA = field(init=False)
    secrets_queue: MemorySecretsQueue = field(init=False)
    selling_partner_api: FakeSellingPartnerApi = field(init=False)
    news: MemoryNews = field(init=False)
    pulse: MemoryPulse = field(init=False)

    def __post_init__(self) -> None:
        self.budgets = MemoryBudgets(self.clock)
        # Some tests put a real store here; nobody hears its news then.
        telling = self.store if isinstance(self.store, MemoryStore) else MemoryStore()
        self.news = MemoryNews(telling)
        self.pulse = MemoryPulse(self.clock)
        self.secrets_queue = MemorySecretsQueue(self.clock)
        self.lwa = FakeLWA(self.clock)
        self.selling_partner_api = FakeSellingPartnerApi(self.lwa, self.clock)


def desk(
    fakes: Fakes | None = None,
    *,
    marketplaces: Marketplaces = STANDARD,
    house: House = HOUSE,
    invitation_life: timedelta = LETTER_LIFE,
    watching: Watching | None = None,
    cooking: Cooking | None = None,
    signing_in: SigningIn | None = None,
) -> Desk:
    """A desk for a test; keep ``fakes`` to move its clock and read its mail."""
    fakes = fakes or Fakes()
    return furnished(
        Sockets(
            clock=fakes.clock,
            store=fakes.store,
            keyring=fakes.keyring,
            lwa=fakes.lwa,
            selling_partner_api=fakes.selling_partner_api,
            mail=fakes.mail,
            webhooks=fakes.webhooks,
            bell=fakes.bell,
            budgets=fakes.budgets,
            upstream=fakes.upstream,
            secrets_queue=fakes.secrets_queue,
            documents=fakes.documents,
            news=fakes.news,
            pulse=fakes.pulse,
        ),
        marketplaces=marketplaces,
        house=house,
        login_uri=f"{house.public_url}/amazon/login",
        redirect_uri=f"{house.public_url}/callback",
        invitation_life=invitation_life,
        watching=watching,
        cooking=cooking,
        signing_in=signing_in,
    )
