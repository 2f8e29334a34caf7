"""What the processes say about themselves, and what they never say.

Answers for: one shape of log line for our own code, for libraries that log through ``logging``
(granian, uvicorn, Procrastinate, SQLAlchemy), for warnings and for whatever nobody caught; and
for taking out everything that has the shape or the name of a secret, tracebacks included. Does
not answer for: what is worth a line, or for metrics.

Call ``configure`` once per process, before anything else runs. Values of local variables are
never part of a traceback here: a frame may hold what a log may not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from evergrant.rules.secrecy import MASK, Secret, is_secret_name, scrub

__all__ = [
    "about",
    "configure",
    "logger",
    "often",
    "scrub_event",
    "scrubbed",
    "tame",
    "uncaught_in_loop",
]

#: How deep a value is looked into, and how long one text may be. A line is for people.
DEEPEST = 6
LONGEST = 8_000

#: For so many seconds, and so many of them, lines of what happens often wait for others.
_LATE_S = 0.1
_MOST_WAITING = 500

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

# Libraries whose own chatter says nothing at our level.
_QUIETER = {
    "_granian": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpcore2": logging.WARNING,
    "mail.log": logging.WARNING,
    "procrastinate": logging.WARNING,
    "psycopg": logging.WARNING,
    "psycopg.pool": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
}
# They bring handlers of their own, which would write past the scrubbing.
_TAMED = ("_granian", "granian.access", "uvicorn", "uvicorn.error", "uvicorn.access")

# Set by processors before the scrubbing, whatever the caller gave under that name.
_OURS = frozenset({"level", "timestamp"})
_NAMES_OF_SHAPED = frozenset({"event", "exception", "stack", "level", "logger", "timestamp"})


def configure(log_format: str = "text", level: str = "info", stream: TextIO | None = None) -> None:
    """Sets up logging for this process. ``log_format``: ``text`` or ``json``; ``level``:
    ``debug``, ``info``, ``warning`` or ``error``; ``stream``: standard error when None.

    Calling it again replaces what was set up before. Raises ValueError on unknown words.
    """
    if log_format not in FORMATS:
        raise ValueError(f"unknown log format {log_format!r}; known are {', '.join(FORMATS)}")
    if level.lower() not in LEVELS:
        raise ValueError(f"unknown log level {level!r}; known are {', '.join(LEVELS)}")
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = stream or sys.stderr
    shared = _before_rendering()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    line = _Lines(stream)
    colours = stream.isatty()
    line.setFormatter(
        _Formatter(
            _quick_json if log_format == "json" else None if colours else _quick_text,
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(log_format, colours=colours),
            ],
            # Already part of the event as text; logging must not append its own.
            keep_exc_info=False,
            keep_stack_info=False,
        )
    )
    root = logging.getLogger()
    for former in root.handlers[:]:
        former.flush()
        root.removeHandler(former)
    root.addHandler(line)
    root.setLevel(number)
    for name, least in _QUIETER.items():
        logging.getLogger(name).setLevel(max(number, least))
    for name in _TAMED:
        tame(name)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def tame(name: str) -> None:
    """Takes a library's own handlers away, so that its lines come through ours."""
    library = logging.getLogger(name)
    for handler in library.handlers[:]:
        library.removeHandler(handler)
    library.propagate = True


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; ``name`` is the module's. Say what happened, then facts as keywords."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


def often(name: str) -> Callable[..., None]:
    """As ``logger(name).info``, at a fifth of its price, for what happens with every call. Facts
    are texts and numbers; the line is the same, scrubbed as every other. Inside an event loop it
    is written a moment later, with others."""
    into = logging.getLogger(name)

    def say(event: str, **facts: object) -> None:
        if into.isEnabledFor(logging.INFO):
            record = logging.LogRecord(name, logging.INFO, "", 0, event, None, None)
            record.__dict__["facts"] = facts
            into.handle(record)

    return say


@contextmanager
def about(**facts: object) -> Iterator[None]:
    """Facts that every line inside the block carries, such as the id of the request or job."""
    with structlog.contextvars.bound_contextvars(**facts):
        yield


def _before_rendering() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # Plain text, without local variables, and before the scrubbing.
        structlog.processors.ExceptionRenderer(_Traceback()),
        scrub_event,
    ]


def _rendering(log_format: str, *, colours: bool) -> list[Processor]:
    if log_format == "json":
        return [structlog.processors.EventRenamer("message"), _JsonLine()]
    return [
        structlog.dev.ConsoleRenderer(
            colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    ]


class _Lines(logging.StreamHandler[TextIO]):
    """Writes at once; but what `often` was told waits for others, as each writing costs more than
    the line itself. Their order stays, and what waits is written when the process ends."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "facts" not in record.__dict__:
            self._write_waiting()
            super().emit(record)
            return
        try:
            self._waiting.append(self.format(record))
            if len(self._waiting) == 1:
                asyncio.get_running_loop().call_later(_LATE_S, self.flush)
            elif len(self._waiting) >= _MOST_WAITING:
                self.flush()
        except RuntimeError:  # there is no loop that would do it later
            self.flush()
        except Exception:  # noqa: BLE001 - as every handler: a line is not worth the program
            self.handleError(record)

    def flush(self) -> None:
        with self.lock or contextlib.nullcontext():
            self._write_waiting()
            super().flush()

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.stream.write("\n".join((*waiting, "")))


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """``quick`` renders what `often` was told; without it that takes the way of all others."""

    def __init__(self, quick: Callable[[EventDict], str] | None, **given: Any) -> None:
        super().__init__(**given)
        self._quick = quick

    def format(self, record: logging.LogRecord) -> str:
        facts: EventDict | None = record.__dict__.get("facts")
        if facts is None:
            return super().format(record)
        if self._quick is None:
            record = logging.makeLogRecord({**record.__dict__, **facts})
            del record.__dict__["facts"]
            return super().format(record)
        event = {**structlog.contextvars.get_contextvars(), **facts}
        event |= {"event": record.getMessage(), "logger": record.name}
        scrub_event(None, "", event)
        event["level"] = record.levelname.lower()
        at = datetime.fromtimestamp(record.created, UTC)
        event["timestamp"] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return self._quick(event)


#: Made once: `json.dumps` with wishes makes one for every line.
_JSON = json.JSONEncoder(default=str, ensure_ascii=False)


def _quick_json(event: EventDict) -> str:
    event["message"] = event.pop("event")
    return _one_line(_JSON.encode(event))


def _quick_text(event: EventDict) -> str:
    """As structlog's console renderer without colours."""
    at, level, said, name = map(event.pop, ("timestamp", "level", "event", "logger"))
    facts = " ".join(f"{one}={_shown(event[one])}" for one in sorted(event))
    return f"{at} [{level:<9}] {said} [{name}] {facts}"


_TO_BE_QUOTED = re.compile(r"[ \t=\r\n\"']")


def _shown(value: object) -> str:
    if isinstance(value, str) and not _TO_BE_QUOTED.search(value):
        return value
    return repr(value)


class _Traceback:
    """Renders an exception as Python itself would, chained ones included."""

    def __call__(
        self,
        exc_info: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        if exc_info[1] is None:
            return ""
        import traceback

        return "".join(traceback.format_exception(exc_info[1])).rstrip()


class _JsonLine:
    """One event as one line of JSON."""

    def __init__(self) -> None:
        self._render = structlog.processors.JSONRenderer(default=str, ensure_ascii=False)

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        line = self._render(logger, name, event)
        return _one_line(line.decode() if isinstance(line, bytes) else line)


def _one_line(text: str) -> str:
    """Line breaks inside values are escaped by JSON already; these two are not, and some
    collectors take them for the end of a line."""
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def scrub_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The processor that takes secrets out of a log event, wherever in it they stand."""
    for name, value in event.items():
        if name in _OURS or name.startswith("_"):  # the latter is structlog's own
            continue
        if name not in _NAMES_OF_SHAPED and is_secret_name(name) and value is not None:
            event[name] = MASK
        else:
            event[name] = scrubbed(value)
    return event


def scrubbed(value: Any, depth: int = 0) -> Any:
    """``value`` without secrets: by type, by the name of a key, by the shape of a text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _clean(bytes(value).decode("utf-8", "backslashreplace"))
    if depth >= DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {
            str(scrubbed(key, depth + 1)): (
                MASK
                if isinstance(key, str) and is_secret_name(key) and item is not None
                else scrubbed(item, depth + 1)
            )
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return _in_row(value, depth)
    try:
        return _clean(str(value))
    except Exception as error:  # noqa: BLE001  # a broken __str__ must not cost the line
        return f"<{type(value).__name__} without text: {type(error).__name__}>"


def _in_row(values: Any, depth: int) -> list[Any]:
    row = list(values)
    # A pair such as ("client_secret", "..."), as forms and headers are often kept.
    if len(row) == 2 and isinstance(row[0], str) and is_secret_name(row[0]):
        return [_clean(row[0]), MASK]
    return [scrubbed(item, depth + 1) for item in row]


def _clean(text: str) -> str:
    return scrub(text if len(text) <= LONGEST else _shortened(text))


def _shortened(text: str) -> str:
    """Beginning and end of a long text, cut between words: half a secret is not recognised by
    its shape any more. Cut first and scrubbed then, as scrubbing costs time."""
    half = LONGEST // 2
    head = text[:half].rpartition(" ")[0] or text[:half]
    tail = text[-half:].partition(" ")[2]
    return f"{head} [...] {tail}"


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logger("evergrant").critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    logger("evergrant").critical(
        "uncaught in a thread",
        thread=args.thread.name if args.thread else "",
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
    )


def _unraisable(args: Any) -> None:
    logger("evergrant").error(
        "an error that could not be raised",
        where=str(args.err_msg or ""),
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
    )


def uncaught_in_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For ``loop.set_exception_handler``: what a task or callback left uncaught."""
    error = context.get("exception")
    logger("evergrant").error(
        "uncaught in the event loop",
        where=str(context.get("message", "")),
        exc_info=(type(error), error, error.__traceback__) if error else None,
    )
