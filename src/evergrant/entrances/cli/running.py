"""How a command runs: arguments in, exit code out, errors as one line, never a traceback.

Answers for: opening a desk for one verb, and for how an error looks here. Does not answer for:
what a command does.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import itertools
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.exceptions import Abort, Exit, TyperException

from evergrant.errors import Blame, EvergrantError

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.rules.rights import Caller
    from evergrant.settings import Settings
    from evergrant.wiring import Wires

__all__ = [
    "app_with",
    "at_desk",
    "at_wires",
    "caller",
    "complain",
    "run",
    "run_async",
    "run_serving",
    "settings",
]

T = TypeVar("T")

EXIT_CODES = {
    Blame.US: 1,
    Blame.CALLER: 2,
    Blame.PARTNER: 3,
    Blame.APPLICATION: 4,
    Blame.AMAZON: 5,
}
INTERRUPTED = 130
#: Where the room gave no hint, or one for programs, what helps at a shell.
HINTS = {
    "not_found": "Check the id or the name; keys go by their ids. The list commands show them.",
    "not_yet_authorized": "Send the link: evergrant account invite ACCOUNT",
    "account_closed": "Open it again: evergrant account reopen ACCOUNT",
    "grant_lapsed": "Send a link to renew it: evergrant account invite ACCOUNT",
    "grant_refused": "Send a link to renew it: evergrant account invite ACCOUNT",
    "amazon_unavailable": "Try again later. If the call was to change something, look first if "
    "Amazon carried it out.",
    "store_unavailable": "Does PostgreSQL run? See: evergrant check",
}


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; gives the exit code."""
    _have_streams()
    as_json = _asks_for_json(arguments)

    def complained(blame: Blame, code: str, message: str, hint: str | None = None) -> int:
        complain(code, message, hint)
        exit_code = INTERRUPTED if code == "interrupted" else EXIT_CODES[blame]
        if as_json:
            _complain_in_json(code, message, hint, blame=blame, exit_code=exit_code)
        return exit_code

    from evergrant.entrances.cli.root import app

    try:
        outcome = app(list(arguments), prog_name="evergrant", standalone_mode=False)
    except EvergrantError as error:
        return complained(error.blame, error.code, error.message, _hint_of(error))
    except Exit as ended:
        return ended.exit_code
    except (Abort, KeyboardInterrupt):
        return complained(Blame.CALLER, "interrupted", "Interrupted.")
    except TyperException as error:
        return complained(Blame.CALLER, "usage", _words_of(error), _usage_hint(error))
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain at exit otherwise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  # the last line of a command is for a person
        exit_code = complained(
            Blame.US,
            "broken",
            f"Something broke on our side: {type(error).__name__}: {error}",
            "Run it again with EVERGRANT_LOG_LEVEL=debug to see where.",
        )
        _trace_if_wanted(error)
        return exit_code
    if outcome == INTERRUPTED:  # Ctrl-C that the library caught: it says nothing itself
        return complained(Blame.CALLER, "interrupted", "Interrupted.")
    return outcome if isinstance(outcome, int) else 0


def _hint_of(error: EvergrantError) -> str | None:
    """What a selling partner has to do is begun by a command; a room does not know that."""
    if error.blame is Blame.PARTNER and error.code in HINTS:
        return HINTS[error.code]
    return error.hint or HINTS.get(error.code)


def complain(code: str, message: str, hint: str | None = None) -> None:
    """One line on standard error. What a person typed may be quoted in it, a secret in the wrong
    place too; and nothing in it may steer the terminal."""
    line = _harmless(f"{message} - {hint}" if hint else message)
    print(f"error[{code}] {line}", file=sys.stderr)  # noqa: T201


def _complain_in_json(
    code: str, message: str, hint: str | None, *, blame: Blame, exit_code: int
) -> None:
    """On standard output, where whoever said ``--json`` reads."""
    from evergrant.entrances.cli.show import show_json

    error = {
        "code": code,
        "message": _harmless(message),
        "hint": _harmless(hint) if hint else None,
        "blame": blame,
        "exit_code": exit_code,
    }
    with contextlib.suppress(OSError):
        show_json({"error": error})


def _harmless(text: str) -> str:
    from evergrant.rules.secrecy import scrub

    return "".join(char for char in scrub(" ".join(text.split())) if char.isprintable())


def _asks_for_json(arguments: Sequence[str]) -> bool:
    options = itertools.takewhile(lambda argument: argument != "--", arguments)
    return "--json" in options


def _have_streams() -> None:
    """A program may be started with its streams closed (``<&-``); Python then has none."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _words_of(error: TyperException) -> str:
    format_message = getattr(error, "format_message", None)
    # A group without a command has shown its help, and has no words.
    return str(format_message() if format_message else error) or "Which of these commands?"


def _usage_hint(error: TyperException) -> str | None:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None)
    return f"Try: {path} --help" if path else None


def _trace_if_wanted(error: Exception) -> None:
    if os.environ.get("EVERGRANT_LOG_LEVEL", "").lower() != "debug":
        return
    from evergrant import logs

    logs.configure("text", "debug")
    logs.logger(__name__).error("a command broke", exc_info=error)


def settings() -> Settings:
    """Reads the environment. Raises errors.Misconfigured."""
    from evergrant.settings import Settings

    return Settings.from_environment()


def caller() -> Caller:
    """Whoever has the shell."""
    from evergrant.rules.rights import command_line

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return command_line(user)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def run_serving(work: Coroutine[Any, Any, T]) -> T:
    """As ``run_async``, for what runs long: on a quicker event loop (ADR 0021)."""
    import uvloop

    return uvloop.run(work)


def at_desk(verb: Callable[[Desk, Caller], Awaitable[T]]) -> T:
    """Opens a desk, does one verb, closes it. Waiting mail is left to the worker."""
    return at_wires(lambda wires: verb(wires.desk, caller()))


def at_wires(verb: Callable[[Wires], Awaitable[T]]) -> T:
    """``at_desk``, for what needs the desk's surroundings."""
    read = settings()

    async def work() -> T:
        from evergrant import logs
        from evergrant.wiring import open_wires

        logs.configure(read.log_format, "warning" if read.log_level == "info" else read.log_level)
        async with open_wires(read) as wires:
            return await verb(wires)

    return run_async(work())


def app_with(help: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(
        help=help, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False
    )
