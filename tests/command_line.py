"""The command line in this process: to start one for a command costs more than what it does.

That it also works in a process of its own is shown by `doors/test_cli_processes` and by the demo.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
import typer.main

from evergrant import logs
from evergrant.entrances.cli.running import run

__all__ = ["Said", "built", "said"]

#: A process builds its commands once, and so does this one, however many of them are called.
built = functools.cache(typer.main.get_command)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


def said(environ: Mapping[str, str], *arguments: str, stdin: str | None = None) -> Said:
    """What one command says. Of the environment it sees what is given, and nothing else that is
    Evergrant's; logging stays pytest's."""
    out, err = io.StringIO(), io.StringIO()
    typed = io.TextIOWrapper(io.BytesIO((stdin or "").encode()), encoding="utf-8")
    before = structlog.get_config()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        # Of its own, as the command runs a loop and loops do not nest.
        ThreadPoolExecutor(1) as thread,
    ):
        for name in [name for name in os.environ if name.startswith("EVERGRANT_")]:
            patch.delenv(name)
        for name, value in environ.items():
            if name.startswith("EVERGRANT_"):
                patch.setenv(name, value)
        patch.setattr("sys.stdin", typed)
        patch.setattr(logs, "configure", lambda *_, **__: None)
        patch.setattr(typer.main, "get_command", built)
        code = thread.submit(run, list(arguments)).result(120)
    structlog.configure(**before)
    return Said(code, out.getvalue(), err.getvalue())
