"""THE PRINT SHOP. Turns facts into letters, in the language of the reader.

Answers for: subject, text and HTML of every mail, for the translations that mails and public pages
share, and for making hostile names harmless in them. Does not answer for: who gets a letter, when,
or for the headers and the wire. Knows no room: facts come in, text goes out.
"""

from evergrant.letters.looks import LetterLooks
from evergrant.letters.plain import plain
from evergrant.letters.printing import TOPICS, Rendered, render
from evergrant.letters.tongues import LANGUAGES, Tongue, marked, tongue

__all__ = [
    "LANGUAGES",
    "TOPICS",
    "LetterLooks",
    "Rendered",
    "Tongue",
    "marked",
    "plain",
    "render",
    "tongue",
]
