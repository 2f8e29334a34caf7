"""The command line ``evergrant``: everything that an operator does with a shell on the machine.

Answers for: words in, one verb of a room, words out; secrets that come in by prompt, standard
input, file or environment, never as an argument (arguments are seen by every user of a machine).
Does not answer for: rights (whoever can read the key ring may do anything).

Exit codes tell who has to act: 0 nobody, 1 us, 2 the caller, 3 the selling partner,
4 the application, 5 Amazon; 130 after Ctrl-C.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """The console script. Nothing else is imported until it is known what is asked for."""
    from evergrant.entrances.cli.running import run

    sys.exit(run(sys.argv[1:]))
