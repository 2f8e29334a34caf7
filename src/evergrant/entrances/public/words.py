"""What a shop owner reads when something is in the way.

Answers for: a title, what happened, what to do, and the HTTP status, per reason. Does not answer
for: what Dev Support reads; that is the report. The words are marked here and translated where
they are shown. None of them blames the reader, and each says what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from evergrant.letters import marked

__all__ = [
    "DECLINED_HERE",
    "GENERAL",
    "NO_COOKIES",
    "SHUT",
    "TOO_LARGE",
    "TROUBLES",
    "UNKNOWN_PAGE",
    "WORDS",
    "WRONG_METHOD",
    "Turn",
    "Words",
    "trouble_words",
    "words_for",
]


class Turn(Enum):
    """Who has to do something now, which is the first thing that a reader wants to know."""

    YOURS = marked("It is your turn")
    OURS = marked("It is our turn")
    AMAZONS = marked("It is Amazon's turn")
    NOBODYS = marked("Nothing has to be done")


@dataclass(frozen=True, slots=True)
class Words:
    """``again``: pressing the button once more can help, so the page offers it. ``calm``: nothing
    is wrong, so the page shows no warning."""

    status: int
    title: str
    what: str
    do: str
    again: bool = False
    calm: bool = False
    turn: Turn = Turn.YOURS


_ASK = marked("Ask the people who sent you the link for a new one.")
_ONCE_MORE = marked("Go back to the page of your link and press the button once more.")
_TELL = marked("If you did not expect that, ask the people who sent you the link.")

GENERAL = Words(
    400,
    marked("This step did not work"),
    marked("We could not go on with what we received. Nothing was connected and nothing changed."),
    marked("Please open the link in your letter once more and start from there."),
    again=True,
)
SHUT = Words(
    500,
    marked("Something went wrong on our side"),
    marked("This is our fault, not yours. Nothing was lost."),
    marked("Please try again in a few minutes. If it stays like this, write to us."),
    again=True,
    turn=Turn.OURS,
)
MISSING = Words(
    404,
    marked("We do not know this link"),
    marked("The link is incomplete, or it was never one of ours."),
    marked(
        "Open it straight from the letter. If it is broken over two lines there, copy both lines "
        "into the address bar, one right behind the other."
    ),
)
UNKNOWN_PAGE = Words(
    404,
    marked("There is no such page"),
    marked("Nothing is wrong with your account; this address just leads nowhere."),
    marked("If you came from a letter, open the link in it once more."),
)
WRONG_METHOD = Words(
    405,
    marked("This page is reached in another way"),
    marked("Nothing is wrong with your account; this address is not meant to be sent to."),
    marked("If you came from a letter, open the link in it once more."),
)
DECLINED_HERE = Words(
    200,
    marked("Thank you for telling us"),
    marked("The link does not work any more, and nothing was connected."),
    marked("If that was a mistake, tell us, and you get a new link."),
    calm=True,
    turn=Turn.NOBODYS,
)
TOO_LARGE = Words(
    413,
    marked("That was too much"),
    marked("We received far more than this page ever sends."),
    marked("Please go back and try again."),
)
NO_COOKIES = Words(
    403,
    marked("Your browser did not keep our note"),
    marked(
        "To recognise you when Amazon sends you back, we leave one small note (a cookie) in your "
        "browser. It did not come back to us."
    ),
    marked(
        "Open the link once more and press the button within an hour. If that does not help, allow "
        "cookies for this page, or use another browser."
    ),
    again=True,
)
_STORM = Words(
    503,
    marked("Amazon does not answer at the moment"),
    marked("Amazon sent you back to us, but did not confirm it when we asked. Nothing is lost."),
    marked("Please wait a few minutes, then press the button once more."),
    again=True,
    turn=Turn.AMAZONS,
)
_BROKEN_STATE = Words(
    400,
    marked("We cannot tell what this belongs to"),
    marked(
        "You came back from Amazon without the mark that we gave you for the way. So we stored "
        "nothing."
    ),
    marked("Please open the link in your letter once more and start from there."),
)
_BY_AMAZON = Words(
    409,
    marked("Please begin with a link of ours"),
    marked("You came straight from Amazon, so we cannot tell who you are. We stored nothing."),
    marked("Open the link in your newest letter from us, or ask us for one."),
    calm=True,
)
_SWAPPED = Words(
    409,
    marked("That was another Amazon account"),
    marked(
        "On the way back from Amazon we were told of another Amazon account than before. To be on "
        "the safe side we connected neither."
    ),
    marked(
        "Sign out of all Amazon accounts, then open the link in your letter once more and sign in "
        "with the right one."
    ),
    again=True,
)

WORDS: Mapping[str, Words] = MappingProxyType(
    {
        "state_missing": _BROKEN_STATE,
        "state_unknown": _BROKEN_STATE,
        "state_spent": Words(
            409,
            marked("This step was already taken"),
            marked("Your way back from Amazon has been used before, so we did not use it again."),
            marked(
                "If you have seen our thank-you page, all is well. Otherwise open the link in your "
                "letter once more."
            ),
            again=True,
        ),
        "state_expired": Words(
            410,
            marked("That took a little too long"),
            marked(
                "Amazon wants the way there and back to be done within ten minutes. Nothing was "
                "connected."
            ),
            _ONCE_MORE,
            again=True,
        ),
        "other_browser": Words(
            403,
            marked("Please stay in one browser"),
            marked(
                "You began in one browser and came back in another one, or this page was passed on "
                "to you. So that nobody can connect an account in your name, we stored nothing."
            ),
            marked(
                "Open the link in your letter once more and do every step in the same browser. "
                "Private windows and apps that open links by themselves count as another browser."
            ),
        ),
        "several_at_once": Words(
            409,
            marked("One account at a time, please"),
            marked(
                "You began to connect several accounts in this browser, and Amazon does not tell "
                "us which of them you just confirmed. So that none is mixed up, we stored nothing."
            ),
            marked(
                "Close all other windows, wait ten minutes, then open the link of one letter "
                "only. With a private window you need not wait."
            ),
        ),
        "code_missing": Words(
            400,
            marked("Amazon sent you back without a permission"),
            marked("The confirmation that Amazon gives us was missing. Nothing was connected."),
            _ONCE_MORE,
            again=True,
        ),
        "code_refused": Words(
            409,
            marked("Amazon's confirmation was no longer good"),
            marked(
                "Amazon gives us a confirmation that is good for five minutes and can be used "
                "once. This one was refused. Nothing was connected."
            ),
            _ONCE_MORE,
            again=True,
        ),
        "declined": Words(
            403,
            marked("You did not give the permission"),
            marked("That is your good right. Nothing was connected and nothing changed."),
            marked("If you change your mind, open the link in your letter once more."),
            again=True,
            calm=True,
            turn=Turn.NOBODYS,
        ),
        "amazon_error": Words(
            400,
            marked("Amazon reported an error"),
            marked("Amazon sent you back with an error instead of a permission."),
            marked(
                "Try once more. If Amazon shows the error again, tell us; the number below tells "
                "us what happened."
            ),
            again=True,
        ),
        "selling_partner_missing": Words(
            400,
            marked("Amazon did not say which account it is"),
            marked("Without the name of the account we cannot connect it. Nothing was stored."),
            _ONCE_MORE,
            again=True,
        ),
        "selling_partner_changed": _SWAPPED,
        "wrong_selling_partner": Words(
            409,
            marked("That was another Amazon account"),
            marked(
                "You were signed in at Amazon with an account that this link is not meant for. We "
                "did not connect it."
            ),
            marked(
                "Sign out of all Amazon accounts, then open the link in your letter once more and "
                "sign in with the right one. If you think that it was the right one, tell us."
            ),
            again=True,
        ),
        "already_connected": Words(
            409,
            marked("This Amazon account is connected already"),
            marked(
                "The Amazon account that you signed in with is connected with us under another "
                "name. We did not connect it a second time."
            ),
            marked(
                "If you meant another account, sign out at Amazon and open the link once more. "
                "Otherwise tell us; the number below tells us what happened."
            ),
            again=True,
        ),
        "account_closed": Words(
            410,
            marked("This connection was closed"),
            marked("The people who sent you the link have closed the account meanwhile."),
            _TELL,
            turn=Turn.NOBODYS,
        ),
        "account_moved": replace(GENERAL, status=409),
        "invitation_unknown": MISSING,
        "invitation_expired": Words(
            410,
            marked("This link is too old"),
            marked("For your protection a link works for some days only, and this one is over."),
            _ASK,
            calm=True,
        ),
        "invitation_spent": Words(
            410,
            marked("This link has done its work"),
            marked("The account was connected with this link. There is nothing more to do."),
            marked("If you did not do that yourself, please tell us at once."),
            calm=True,
            turn=Turn.NOBODYS,
        ),
        "invitation_withdrawn": Words(
            410,
            marked("There is a newer link"),
            marked("This link was taken back or replaced, so it does not work any more."),
            marked(
                "Look for a newer letter from us. If there is none, ask the people who sent you "
                "this one."
            ),
            calm=True,
        ),
        "callback_uri_foreign": Words(
            400,
            marked("We do not follow this address"),
            marked(
                "We were asked to send you on to an address that is not one of Amazon's. We did "
                "not."
            ),
            marked("Please open the link in your letter once more and start from there."),
        ),
        "callback_uri_missing": _BROKEN_STATE,
        "callback_uri_other_application": _BROKEN_STATE,
        "amazon_state_missing": _BROKEN_STATE,
        "unknown_selling_partner": _BY_AMAZON,
        "proof_needed": _BY_AMAZON,
        "application_refused": Words(
            502,
            marked("Amazon did not accept our application"),
            marked("This is our fault, not yours: Amazon refused us, not you."),
            marked("We know of it already. Please try again later, or write to us."),
            again=True,
            turn=Turn.OURS,
        ),
        "application_incomplete": Words(
            503,
            marked("We are not quite ready yet"),
            marked("Our application is not fully set up. This is our fault, not yours."),
            marked("We know of it already. Please try again later, or write to us."),
            turn=Turn.OURS,
        ),
        "amazon_unavailable": _STORM,
        "throttled": _STORM,
        "unreadable_answer": _STORM,
        "store_unavailable": Words(
            503,
            marked("One moment, please"),
            marked("We cannot look up your link right now. This is our fault, not yours."),
            marked("Please load this page again in a minute."),
            again=True,
            turn=Turn.OURS,
        ),
        "lost": Words(
            409,
            marked("We were interrupted"),
            marked(
                "You did everything right, but our side stopped in the middle of it, and Amazon's "
                "confirmation can only be used once."
            ),
            marked("Please open the link in your letter once more. We have been told of it."),
            again=True,
        ),
    }
)


_PRIMARY = marked(
    "Amazon lets only the primary user of an account give this permission. Sign out at Amazon and "
    "sign in as the primary user, or pass the letter on to that person."
)
_OURS = marked(
    "This is for us to put right, not for you. We have been told and will write to you. Your link "
    "stays good."
)

#: What the code on Amazon's own page means for the person who reads it there.
TROUBLES: Mapping[str, str] = MappingProxyType(
    {
        "SPDC8143": _PRIMARY,
        "SPSA0404": marked(
            "Amazon does not offer this for the kind of business behind your account. Amazon's "
            "Seller Support can tell you more."
        ),
        "SPSA2043": marked(
            "Your log-in may not manage applications in Vendor Central. Ask an Account Owner or "
            "Admin there for that permission, or pass the letter on to that person."
        ),
        "MD9999": marked(
            "Amazon does not say what it was. Often it helps to try again later; we have been told "
            "and look into it."
        ),
        "MD5100": _OURS,
        "": marked("Thank you. We have been told and look into it. Your link stays good."),
    }
)


def trouble_words(code: str) -> str:
    """For a code that is not in the table above, it is our registration that needs a hand."""
    return TROUBLES.get(code, _OURS)


def words_for(reason: str) -> Words:
    """The words of that reason; general ones for a reason that is not known here."""
    return WORDS.get(reason, GENERAL)
