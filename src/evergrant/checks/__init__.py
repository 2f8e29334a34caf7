"""``evergrant check``: what is missing or wrong in an installation, as numbered findings.

Answers for: looking, without changing anything, and for the list of all findings. Does not answer
for: repairing, or for what goes wrong while serving (journal and support reports tell that).
"""

from evergrant.checks.kinds import FINDINGS, Finding, FindingKind, Severity
from evergrant.checks.looking import look

__all__ = ["FINDINGS", "Finding", "FindingKind", "Severity", "look"]
