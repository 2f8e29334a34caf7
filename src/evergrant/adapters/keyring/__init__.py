"""Key rings: AES-256-GCM keys in a setting, in a file, or made of a passphrase.

Answers for: sealing and opening with versioned keys. Does not answer for: what is sealed and
under which name (``vault``), and for getting rid of old keys: an operator does that, after every
row was resealed.
"""

from __future__ import annotations

from evergrant.adapters.keyring.file import FileKeyring, make_keyring
from evergrant.adapters.keyring.passphrase import PassphraseKeyring
from evergrant.adapters.keyring.text import TextKeyring

__all__ = ["FileKeyring", "PassphraseKeyring", "TextKeyring", "make_keyring"]
