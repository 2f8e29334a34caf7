"""Every Amazon authorization, alive.

Answers for: the version. Does not answer for: anything else. The street begins at ``rules`` and
ends at ``entrances``; CONTRIBUTING has the map, and each module says what it answers for.
"""

__all__ = ["__version__"]

__version__ = "0.6.0"
