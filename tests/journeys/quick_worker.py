"""`evergrant worker`, or another command with a worker in it, whose minutes last some seconds:
rounds that come once a minute come every third second, and whoever is silent for some seconds
counts as dead. All else is the real one.

Answers for: a test of what comes round by itself need not wait for a minute. Does not answer for:
how often each round comes (tests/doors/test_worker.py).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from procrastinate import App

from evergrant.entrances.cli import main
from evergrant.entrances.worker import Pace
from tests.forked import launch

OFTEN = "* * * * * */3"
MINUTELY = ("* * * * *", "* * * * * */15")

_periodic = App.periodic


def _more_often(app: App, *, cron: str, **more: Any) -> Callable[..., Any]:
    return _periodic(app, cron=OFTEN if cron in MINUTELY else cron, **more)


def hurry() -> None:
    setattr(App, "periodic", _more_often)  # noqa: B010
    (Pace.__init__.__kwdefaults__ or {}).update(heartbeat_s=1.0, silent_for_s=8.0)


def launch_quick(
    command: Sequence[str], env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """A `Launch` of the stage: whatever of Evergrant it starts is quick."""
    if Path(command[0]).name == "evergrant":
        command = [sys.executable, "-m", "tests.journeys.quick_worker", *command[1:]]
    return launch(command, env, log)


if __name__ == "__main__":
    hurry()
    sys.argv[1:] = sys.argv[1:] or ["worker"]
    main()
