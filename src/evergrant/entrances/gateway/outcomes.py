"""How calls ended that nginx streamed: one UDP datagram for each, a line of its access log.

Answers for: the socket, the strict reading of what arrives there, the leaves of this process that
are under way in nginx, and telling the gate how each of them ended, or that nobody ever said. Does
not answer for: what an outcome means (the gate), or for giving leave (``decide``).

A line names its call by a *mark*: nginx heard it with the decision and never shows it to the
program, so that who can send datagrams to this port still cannot tell tales of a call (a made-up
rate would slow down everybody). What the gate has to be told of a call is kept here, in memory, by
that mark. A line therefore has to reach the process that decided, and nginx sends it there: it
knows which process answered, and the configuration holds the outcomes port of each (``nginx``). The
other ways were weighed: sealing all of a leave into the line would let any process read it, but the
process that gave the leave could then not know that its outcome came, and would have to keep quiet
about those that never come. A process that is restarted loses the outcomes of the calls under way:
their permits are spent in the database all the same, so no limit is broken by it.

UDP may lose a line. Then the call is told without an outcome after some minutes.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import itertools
import json
import math
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from evergrant.calls.values import Leave, Outcome
from evergrant.desk import Desk
from evergrant.errors import Misconfigured
from evergrant.logs import logger

__all__ = ["LOG_TAG", "NEVER_TOLD", "Line", "Outcomes", "listen", "read"]

log = logger(__name__)

#: As nginx names itself in each datagram.
LOG_TAG: Final = "evergrant"
#: The word for the counts when nobody ever said how a call ended.
NEVER_TOLD: Final = "outcome_lost"

#: So long a call may be under way, in seconds; uploads of gigabytes take their time.
LIFE_S: Final = 900.0
MOST_LEAVES: Final = 20_000
SWEEP_EVERY_S: Final = 5.0
#: Datagrams are small; one that is not is none of ours.
LONGEST_LINE: Final = 4_096
_RECEIVE_BUFFER: Final = 4 * 1024 * 1024
_MOST_HOSTS: Final = 1_000
_AT_ONCE: Final = 512

# RFC 3164 as nginx writes it with `nohostname`: <190>Nov 21 14:00:00 evergrant: {...}
_DATAGRAM = re.compile(
    rb"<[0-9]{1,3}>[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} %b: (\{.*\})\n?"
    % LOG_TAG.encode(),
    re.DOTALL,
)
#: Nearly every line is one of these, and is read at once.
_PLAIN = re.compile(
    rb"<[0-9]{1,3}>[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} %b: \{"
    rb'"mark":"(?P<mark>[0-9a-f]{32})","status":"(?P<status>[1-5][0-9]{2})",'
    rb'"headers_s":"(?P<headers_s>[0-9.-]{0,20})","call_s":"(?P<call_s>[0-9.-]{0,20})",'
    rb'"took_s":"(?P<took_s>[0-9.-]{0,20})","rate":"(?P<rate>[0-9.-]{0,20})",'
    rb'"amazon":"(?P<amazon>[A-Za-z0-9_.-]{0,128})","error":"(?P<error>[A-Za-z0-9_.-]{0,128})"\}\n?'
    % LOG_TAG.encode()
)
_MARK = re.compile(r"[0-9a-f]{32}", re.ASCII)
_STATUS = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", re.ASCII)
_RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_MEMBERS: Final = frozenset(
    ("mark", "status", "headers_s", "call_s", "took_s", "rate", "amazon", "error")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What nginx says of one call."""

    mark: str
    outcome: Outcome


class Outcomes:
    """Of one door (`decide.DecideDoor`). ``monotonic`` is for tests."""

    def __init__(self, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tell = desk.calls.tell
        self._monotonic = monotonic
        self._prefix = secrets.token_hex(11)
        self._numbers = itertools.count()
        self._under_way: dict[str, tuple[float, Leave]] = {}  # the oldest first
        self._hosts: dict[str, None] = {}
        self._on_denied: Callable[[Leave], None] = _nobody_listens
        #: Of datagrams: told, strange (not from nginx), unreadable, unknown (of no call that is
        #: under way); of calls: lost (nobody said how they ended).
        self.counts: Counter[str] = Counter()

    def on_denied(self, hears: Callable[[Leave], None]) -> None:
        """Who wants to know of each 403."""
        self._on_denied = hears

    def expect(self, leave: Leave) -> str:
        """Remembers the leave until its outcome comes; gives the mark that names it, which is
        nobody's business but nginx's."""
        mark = f"{self._prefix}{next(self._numbers) & 0xFFFFFFFFFF:010x}"
        if len(self._under_way) >= MOST_LEAVES:
            self._lose(next(iter(self._under_way)))
        self._under_way[mark] = (self._monotonic(), leave)
        return mark

    def allow(self, host: str) -> None:
        """From this host nginx asks with a good key: from there outcomes are believed."""
        if host not in self._hosts:
            if len(self._hosts) >= _MOST_HOSTS:
                del self._hosts[next(iter(self._hosts))]
            self._hosts[host] = None

    @property
    def under_way(self) -> int:
        """Calls whose outcome nobody told yet."""
        return len(self._under_way)

    def take(self, datagram: bytes, host: str) -> None:
        """One datagram from that host. Never raises."""
        if not (host in self._hosts or _is_loopback(host)):
            self.counts["strange"] += 1
            return
        line = read(datagram)
        if line is None:
            self.counts["unreadable"] += 1
            return
        found = self._under_way.pop(line.mark, None)
        if found is None:
            self.counts["unknown"] += 1
            return
        self.counts["told"] += 1
        leave = found[1]
        self._tell(leave, line.outcome)
        if line.outcome.status == 403:
            self._on_denied(leave)

    def sweep(self) -> None:
        """Gives up on outcomes that are too late to come."""
        over_s = self._monotonic() - LIFE_S
        while self._under_way:
            mark, (began_s, _) = next(iter(self._under_way.items()))
            if began_s > over_s:
                return
            self._lose(mark)

    def give_up(self) -> None:
        """Nobody listens any longer."""
        while self._under_way:
            self._lose(next(iter(self._under_way)))

    async def serve(self, listening: socket.socket, stop: asyncio.Event) -> None:
        """Hears outcomes at this socket (`listen`) until ``stop`` is set, and closes it."""
        loop = asyncio.get_running_loop()
        host, port = listening.getsockname()[:2]
        log.info("nginx tells outcomes", host=host, port=port)
        # Not a datagram endpoint of asyncio: that reads one datagram in a turn of the loop.
        loop.add_reader(listening, self._hear, listening)
        told: Counter[str] = Counter()
        try:
            while not stop.is_set():
                try:
                    async with asyncio.timeout(SWEEP_EVERY_S):
                        await stop.wait()
                except TimeoutError:
                    self.sweep()
                    told = self._complain(told)
        finally:
            loop.remove_reader(listening)
            self._hear(listening)
            listening.close()
            self.give_up()

    def _hear(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                datagram, address = listening.recvfrom(LONGEST_LINE + 1)
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("outcomes cannot be heard", error=error.strerror)
                return
            self.take(datagram, address[0])

    def _lose(self, mark: str) -> None:
        began_s, leave = self._under_way.pop(mark)
        self.counts["lost"] += 1
        took_s = self._monotonic() - began_s
        self._tell(leave, Outcome(status=None, took_s=took_s, error=NEVER_TOLD))

    def _complain(self, told: Counter[str]) -> Counter[str]:
        """In one line for all of some seconds: who floods the port must not flood the log."""
        fresh = self.counts - told
        if any(fresh[kind] for kind in ("strange", "unreadable", "lost")):
            log.warning(
                "outcomes of calls are missing or not to be read",
                not_from_nginx=fresh["strange"],
                unreadable=fresh["unreadable"],
                lost=fresh["lost"],
            )
        return Counter(self.counts)


def listen(host: str, port: int) -> socket.socket:
    """A UDP socket that is bound; port 0 takes any free one. Raises errors.Misconfigured."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_DGRAM)
    try:
        # A thousand calls may end while the loop is busy with one; the kernel gives what it likes.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        listening.bind((host, port))
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        taken = error.errno == errno.EADDRINUSE
        raise Misconfigured(
            "EVERGRANT_OUTCOMES_PORT",
            f"{'address already in use' if taken else 'cannot listen at'}: {host}:{port} (UDP)",
            hint="Each process that nginx asks needs an outcomes port of its own.",
        ) from None
    return listening


def read(datagram: bytes) -> Line | None:
    """One line of nginx's log. None: it is none. Never raises."""
    if len(datagram) > LONGEST_LINE:
        return None
    plain = _PLAIN.fullmatch(datagram)
    if plain is not None:
        members = {name: value.decode("ascii") for name, value in plain.groupdict().items()}
        return Line(mark=members["mark"], outcome=_outcome(members))
    found = _DATAGRAM.fullmatch(datagram)
    if found is None:
        return None
    try:
        told = json.loads(found[1])
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.keys() != _MEMBERS:
        return None
    if not all(isinstance(value, str) for value in told.values()):
        return None
    if not _MARK.fullmatch(told["mark"]) or not _STATUS.fullmatch(told["status"]):
        return None
    return Line(mark=told["mark"], outcome=_outcome(told))


def _outcome(told: dict[str, str]) -> Outcome:
    status = int(told["status"])
    took_s = _number(_SECONDS, told["call_s"]) or _number(_SECONDS, told["took_s"]) or 0.0
    if _number(_SECONDS, told["headers_s"]) is None:
        # There is no answer of Amazon's: what nginx then says is its own.
        error = "caller_gone" if status == 499 else "amazon_unavailable"
        return Outcome(status=None, took_s=took_s, error=error)
    # Amazon's services may name the type's home behind a colon.
    error = _word(told["error"].partition(":")[0])
    return Outcome(
        status=status,
        took_s=took_s,
        reported_rate_per_s=_number(_RATE, told["rate"]),
        amazon_request_id=_word(told["amazon"]),
        error=error if status >= 400 else "",
    )


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else ""


def _number(shape: re.Pattern[str], text: str) -> float | None:
    if not shape.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


@lru_cache(1_024)
def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _nobody_listens(leave: Leave) -> None:
    """Until somebody does."""
