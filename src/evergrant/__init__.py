"""Every Amazon authorization, alive.

Answers for: the version. The street begins at ``rules`` and ends at ``entrances``; CONTRIBUTING has
the map, and each module's docstring says what it answers for and what not.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
