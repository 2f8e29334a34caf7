"""``evergrant check``: what is missing or wrong in an installation, as numbered findings; and how
it stands with the list of what somebody has to review before going live.

Answers for: looking, without changing anything; the list of all findings; and for signing what was
looked at. Does not answer for: repairing, for what goes wrong while serving (journal and support
reports tell that), or for what is on the list of reviews (``rules.reviews``).
"""

from evergrant.checks.kinds import FINDINGS, Finding, FindingKind, Severity
from evergrant.checks.looking import Survey, look, look_at, survey
from evergrant.checks.looks import Look, begin_look, items_at_hand, last_look
from evergrant.checks.reviewing import Reviewed, item_of, items_of, sign_off

__all__ = [
    "FINDINGS",
    "Finding",
    "FindingKind",
    "Look",
    "Reviewed",
    "Severity",
    "Survey",
    "begin_look",
    "item_of",
    "items_at_hand",
    "items_of",
    "last_look",
    "look",
    "look_at",
    "sign_off",
    "survey",
]
