"""nginx's configuration, in which nginx streams and Evergrant only decides.

Answers for: every line of it. Does not answer for: files, or for running nginx (``cli.gateway``).
"""

from __future__ import annotations

__all__: list[str] = []
