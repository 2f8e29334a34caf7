"""THE FRONT DOOR. What a selling partner's browser sees, from the letter to the thank-you page.

Answers for: ``/connect/…``, ``/amazon/login``, ``/callback``, cookies, headers, languages, and for
words that a shop owner understands. Does not answer for: what is accepted (the reception decides).
"""

from evergrant.entrances.public.pages import build

__all__ = ["build"]
