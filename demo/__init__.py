"""The main job before the eyes of a person: `make demo`.

Real processes on this machine only: Amazon's emulator, Evergrant with its embedded PostgreSQL, real
SMTP into the development mailbox. Nothing here is a shortcut past a door: the script uses the same
mails, pages, API and SDKs that people use.

- ``stage``: starts and stops the processes
- ``partner``: a shop owner with a browser: follows links, fills forms, presses buttons
- ``house``: the software house: speaks /v1 with an API key
- ``sdks``: the two Python SDKs, unchanged but for their URLs
- ``town``, ``townsfolk``: sixty more accounts and a year of their life, for ``make demo-serve``
- ``__main__``: the play itself
"""
