"""The development mailbox: a real SMTP sink on this machine, and pages to read what it got.

Answers for: taking any letter that is handed to it, keeping the last 200 in memory, showing them.
Does not answer for: delivering anything anywhere. It exists only when no mail relay is set.
"""

from evergrant.entrances.mailbox.pages import build
from evergrant.entrances.mailbox.sink import KeptLetter, Mailbox, open_mailbox

__all__ = ["KeptLetter", "Mailbox", "build", "open_mailbox"]
