"""The list of findings: each with its number, its severity, whose fault it is, and what to do.

Answers for: the list, from which ``docs/reference/checks.md`` is made. Does not answer for:
finding any of them (``looking``).

Numbers are stable: one that is no longer of use is not given to another finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evergrant.errors import Blame

__all__ = ["FINDINGS", "Finding", "FindingKind", "Severity"]


class Severity(StrEnum):
    ERROR = "error"  # something does not work
    WARNING = "warning"  # something will not work, or not safely
    NOTE = "note"  # worth knowing


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingKind:
    """One kind of finding. ``blame``: who has to act."""

    code: str
    title: str
    severity: Severity
    blame: Blame
    hint: str

    def __call__(self, message: str, *, subject: str = "", hint: str | None = None) -> Finding:
        return Finding(
            code=self.code,
            severity=self.severity,
            blame=self.blame,
            message=message,
            hint=hint or self.hint,
            subject=subject,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found. ``subject`` is a setting's name or a thing's id, where there is one."""

    code: str
    severity: Severity
    blame: Blame
    message: str
    hint: str
    subject: str = ""


FINDINGS: dict[str, FindingKind] = {}


def _kind(code: str, severity: Severity, blame: Blame, title: str, hint: str) -> FindingKind:
    if code in FINDINGS:
        raise ValueError(f"{code} is taken")
    FINDINGS[code] = FindingKind(code=code, title=title, severity=severity, blame=blame, hint=hint)
    return FINDINGS[code]


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_US, _APP = Blame.US, Blame.APPLICATION

# fmt: off
SETTINGS_UNREADABLE = _kind("EG001", _E, _US, "A setting is missing or wrong",
    "Correct the setting that is named; `evergrant settings` shows all that are in force.")
PUBLIC_URL_PLAIN = _kind("EG002", _E, _US, "The public URL is not https",
    "Amazon sends authorization codes there. Put a proxy with a certificate in front and set "
    "EVERGRANT_PUBLIC_URL to its https address.")
PUBLIC_URL_LOCAL = _kind("EG003", _W, _US, "The public URL is reached from this machine only",
    "Fine for trying out. For real partners set EVERGRANT_PUBLIC_URL to the https address that "
    "they can reach.")
NOBODY_NAMED = _kind("EG004", _W, _US, "Letters carry a made-up house",
    "Set EVERGRANT_HOUSE_NAME, EVERGRANT_MAIL_FROM and EVERGRANT_SUPPORT_EMAIL.")
CLOCK_STEERED = _kind("EG005", _W, _US, "The time is steered by a file",
    "For tests only: unset EVERGRANT_CLOCK_FILE, or terms and reminders run by a wrong time.")
AMAZON_OVERRIDDEN = _kind("EG006", _N, _US, "Amazon's addresses are overridden",
    "Right with the emulator, or with a store that is new. Unset EVERGRANT_MARKETPLACES_FILE for "
    "Amazon as published.")
DATABASE_SILENT = _kind("EG010", _E, _US, "The database does not answer",
    "Check EVERGRANT_DATABASE_URL, and that PostgreSQL runs and lets this machine in.")
DATABASE_NOT_MADE = _kind("EG011", _N, _US, "There is no embedded database yet",
    "`evergrant up` or `evergrant migrate` makes it.")
SCHEMA_OLD = _kind("EG012", _E, _US, "The database's schema is not that of this version",
    "Run `evergrant migrate`; when the schema is newer than this version, start the newer version.")
QUEUE_MISSING = _kind("EG013", _E, _US, "The queue's tables are missing",
    "Run `evergrant migrate`.")
CLOCKS_DIFFER = _kind("EG014", _W, _US, "This machine and the database disagree on the time",
    "Let a time service (chrony, systemd-timesyncd) set both clocks.")
KEYRING_TROUBLE = _kind("EG020", _E, _US, "The key ring cannot be used",
    "Put the key ring back from your safe copy. Without it nothing that was sealed can be opened.")
KEYRING_NOT_MADE = _kind("EG021", _N, _US, "There is no key ring yet",
    "`evergrant up` or `evergrant migrate` makes it.")
KEY_LOST = _kind("EG022", _E, _US, "Something is sealed with a key that is not in the ring",
    "Put that key back behind the current one, then run `evergrant vault rotate-key --go-on`.")
KEY_OLD = _kind("EG023", _N, _US, "Something is still sealed with an older key",
    "Run `evergrant vault rotate-key --go-on`; older keys may leave the ring afterwards.")
MAIL_SILENT = _kind("EG030", _E, _US, "The mail relay does not take our mail",
    "Check EVERGRANT_SMTP_URL: host, port, TLS, user and password.")
MAIL_LOCAL = _kind("EG031", _W, _US, "Mails go to the development mailbox",
    "Nobody outside gets a mail. Set EVERGRANT_SMTP_URL to your mail relay.")
MAIL_STUCK = _kind("EG032", _E, _US, "Mails or webhooks are overdue",
    "Nobody delivers them: start `evergrant worker` (or `evergrant up`) and look into its log.")
MAIL_GIVEN_UP = _kind("EG033", _W, _US, "Mails or webhooks were given up",
    "`evergrant journal --verb letter.failed` and `--verb webhook.failed` say which and why.")
NO_WORKER = _kind("EG034", _W, _US, "No worker is running",
    "Start `evergrant worker`, or `evergrant up`.")
NO_APPLICATION = _kind("EG040", _N, _US, "There is no application yet",
    "Add one with `evergrant app add`.")
NO_CREDENTIALS = _kind("EG041", _E, _APP, "An application has no client id or no client secret",
    "Set them with `evergrant app credentials`; Amazon's developer console shows them.")
URI_FOREIGN = _kind("EG042", _W, _APP, "A registered address is not that of this installation",
    "Amazon sends browsers to the registered addresses only. Register this installation's, or "
    "correct them with `evergrant app change`.")
URI_PLAIN = _kind("EG043", _E, _APP, "A registered address is not https",
    "Amazon takes https addresses only. Register https ones and correct them with `evergrant app "
    "change`.")
SECRET_DEAD = _kind("EG044", _E, _APP, "A client secret is over",
    "Rotate it in Amazon's developer console, then `evergrant app credentials`.")
SECRET_ENDS = _kind("EG045", _W, _APP, "A client secret ends soon",
    "Rotate it in Amazon's developer console, then `evergrant app credentials`. The old one works"
    " for 7 more days.")
SECRET_UNDATED = _kind("EG046", _N, _APP, "The end of a client secret is unknown",
    "Amazon ends it 180 days after it was made. Tell the day with `evergrant app credentials APP "
    "--secret-created DAY`.")
APPLICATION_REFUSED = _kind("EG047", _E, _APP, "Amazon refuses an application",
    "Every account of it is affected. Check client id and client secret in Amazon's developer "
    "console.")
AWS_HALF_SET = _kind("EG048", _W, _APP, "AWS credentials of an application are incomplete",
    "For rotation by queue give access key, secret key and queue URL, and the role ARN where one "
    "is assumed; or none of them.")
CLIENT_SHARED = _kind("EG049", _E, _APP, "Two applications have the same LWA client id",
    "Every application at Amazon has its own. One of them carries the other's credentials.")
AMAZON_SILENT = _kind("EG050", _W, Blame.AMAZON, "Login with Amazon does not answer",
    "Try again later; check that this machine may connect to the internet.")
QUEUE_SHARED = _kind("EG051", _E, _APP,
    "Notifications come by the queue of new client secrets",
    "One of the two would be lost or lie there for ever. Make another queue for notifications: "
    "`evergrant app credentials APP --notifications-queue-url URL`.")
NOTIFICATIONS_SILENT = _kind("EG052", _W, _APP, "Notifications of an application do not arrive",
    "Nothing is lost: feeds, orders and reports are looked for without them, only later. Check the "
    "notifications queue URL, the AWS keys and the policy of the queue.")
ACCOUNT_ASTRAY = _kind("EG060", _E, _US,
    "An account and its authorization name different applications or regions",
    "Its tokens would be another application's. Close the account, and add and connect it anew.")
INSTANCE_UNKNOWN = _kind("EG061", _E, Blame.CALLER,
    "An account belongs to a client instance that does not exist",
    "Give it one with `evergrant account change ACCOUNT --instance INSTANCE`.")
HOME_UNKNOWN = _kind("EG062", _E, Blame.CALLER, "An account's home marketplace has no consent page",
    "Change it with `evergrant account change ACCOUNT --home COUNTRY`, or correct "
    "EVERGRANT_MARKETPLACES_FILE.")
NOBODY_MAY_IN = _kind("EG070", _N, _US, "There is no API key yet",
    "Programs need one: `evergrant apikey add`.")
KEYS_WITHOUT_END = _kind("EG071", _N, _US, "Keys have no end",
    "A key that nobody misses stays good for ever. Give new ones an end with `--expires`; "
    "`evergrant apikey rotate` and `evergrant connectionkey rotate` give one to those there are.")
KEY_ENDS = _kind("EG072", _W, _US, "A key ends soon",
    "`evergrant apikey rotate KEY` (or `connectionkey rotate`) with `--expires`: the old one works "
    "on meanwhile, but not beyond its end.")
KEY_OF_CLOSED_ACCOUNT = _kind("EG073", _W, _US, "A connection key belongs to a closed account",
    "Its SDK is refused at every call. Take it out of that program, then `evergrant connectionkey "
    "revoke KEY`; or reopen the account with `evergrant account reopen ACCOUNT`.")
GATEWAY_BELOW_A_PATH = _kind("EG080", _W, _US, "A gateway has no address of its own",
    "It is below `/gateway` of the main port, and some SDKs cannot have a path in their addresses. "
    "Set EVERGRANT_GATEWAY_PORT, or EVERGRANT_GATEWAY_HOSTS and a name that leads here.")
DECIDE_PORT_OPEN = _kind("EG081", _W, _US, "The port for nginx is open to everybody",
    "Its answers hold access tokens. Set EVERGRANT_HOST to 127.0.0.1, or to an address that only "
    "nginx reaches, or keep others out by a firewall.")
NGINX_KEY_IDLE = _kind("EG082", _W, _US, "A key for nginx is not used",
    "It opens access tokens of every account, and no nginx shows it. `evergrant apikey revoke KEY`,"
    " or write nginx's configuration again: `evergrant gateway nginx-config`.")
NGINX_KEY_BROAD = _kind("EG083", _W, _US, "A key for nginx may do more than decide",
    "It lies in a file of nginx's. Make one that has the right data_plane and no other, give it to "
    "`evergrant gateway nginx-config`, and revoke this one.")
LIMIT_SHARED = _kind("EG085", _W, _US, "Somebody else spends a limit",
    "Amazon answered 429 within the last day although we kept to the limit: a program calls Amazon "
    "past the gateway for this account, or the plan is smaller than we know. Bring that program to "
    "the gateway, or set the plan with `evergrant limits set`.")
CREDENTIALS_AWAITED = _kind("EG086", _E, _APP,
    "Accounts wait for their application's integration credentials",
    "Nothing of these accounts works. Set them with `evergrant app credentials`; they are the same "
    "for every account of the application.")
INSTANCE_UNHEARD = _kind("EG087", _W, Blame.CALLER,
    "A client instance that has accounts is not heard of",
    "It never called, or not for 30 days, and took no event. Give it an API key of its own "
    "(`evergrant apikey add --instance INSTANCE`) or a webhook URL, or move its accounts.")
INSTANCE_SILENT = _kind("EG088", _W, Blame.CALLER, "A client instance does not take its events",
    "Look at its webhook URL (`evergrant instance list`) and into its log. Events are kept: "
    "`GET /v1/events`.")
ROTATION_LATE = _kind("EG089", _W, _APP, "A client secret should have been rotated by now",
    "The application has a queue, so it renews by itself: see the notices. If need be rotate it in "
    "Amazon's developer console, then `evergrant app rotate-secret`.")
ROTATION_BY_HAND = _kind("EG090", _N, _APP, "A client secret has to be rotated by hand",
    "The application has no queue. Rotate it in Amazon's developer console in time, then "
    "`evergrant app rotate-secret`; or give the application a queue.")
QUEUE_UNREADABLE = _kind("EG091", _W, _APP, "The queue of an application cannot be read",
    "New client secrets do not arrive. Check role ARN, access key, secret key and queue URL with "
    "`evergrant app credentials`.")
ROTATION_STUCK = _kind("EG092", _E, _APP, "The rotation of a client secret is stuck",
    "The one that works is untouched. Take the new one from Amazon's developer console, then "
    "`evergrant app rotate-secret`.")
GRANTS_UNDATED = _kind("EG093", _N, _US, "Nobody knows when some authorizations end",
    "Amazon does not tell. Ask these clients when they authorized, or have them renew with the "
    "link.")
ENDS_BELIEVED = _kind("EG094", _N, _US, "Self-authorizations are a year old",
    "Amazon states no end for them; that they may end is our belief. Authorize the application "
    "again in Amazon's console at a quiet hour, then adopt the new refresh token.")
LETTERS_UNDELIVERED = _kind("EG095", _W, _US, "Mails to clients did not arrive",
    "These clients do not hear of their renewal. Correct the client e-mail (`evergrant account "
    "change ACCOUNT --email`), then send the link again.")
PROBES_OVERDUE = _kind("EG096", _W, _US, "Accounts are not probed when they should be",
    "Nobody looks whether their authorizations still work: start `evergrant worker`, or look into "
    "its log.")
REVIEWS_OPEN = _kind("EG097", _N, _US, "Not everything was reviewed and signed",
    "Look at each, then `evergrant check sign-off ITEM`.")
REVIEW_STALE = _kind("EG098", _W, _US, "A signature does not stand any more",
    "Look again at what changed, then `evergrant check sign-off ITEM`.")
KITCHEN_STANDS = _kind("EG100", _E, _US, "Accounts are due, and nobody works for them",
    "Start `evergrant worker`, or more of them; its log says what keeps it. `evergrant feeds "
    "status` shows when each account has its next turn.")
CHANGES_WAIT = _kind("EG101", _W, _US, "Changes wait for a day and nothing says why",
    "`evergrant feeds plan ACCOUNT` says what the next turn would do; `evergrant feeds run-now "
    "ACCOUNT --here` does it and shows what comes of it.")
RUNS_UNCERTAIN = _kind("EG102", _W, _US, "Nobody can tell what became of some runs",
    "Look at Amazon whether the changes were carried out (`evergrant feeds show RUN` lists them), "
    "then `evergrant feeds decide RUN`.")
RUNS_LATE = _kind("EG103", _W, Blame.AMAZON, "Amazon works on some feeds for very long",
    "Nothing is lost: the run goes on when Amazon is done. After a day open a case at Amazon with "
    "the feed's id (`evergrant feeds show RUN`).")
ORDERS_FAIL = _kind("EG104", _W, Blame.AMAZON, "Orders of some accounts cannot be read",
    "`evergrant orders status` has Amazon's words for each account.")
ORDERS_LACK = _kind("EG105", _W, Blame.CALLER,
    "Orders are not read because accounts lack an id",
    "Set the merchant token (sellers) or a vendor code: `evergrant account change ACCOUNT --help`.")
BROKEN = _kind("EG099", _E, _US, "A check itself broke",
    "Please report it with the log; the other checks are not affected.")
# fmt: on
