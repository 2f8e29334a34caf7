"""The plug behind the gateway: one request to Amazon, streamed both ways.

Answers for: sending exactly the bytes that it is given (path and query as they are encoded, the
body as it comes), giving back exactly those that Amazon sends (nothing is decoded, followed or
remembered), connections that are kept, time-outs, and for leaving no trace of a request in an
exception. Does not answer for: which headers travel (the door), for trying again (nothing is sent
twice here, not even what HTTP would allow), access tokens, limits.

Memory does not grow with bodies: what is read is bounded by the reader, what is written waits for
Amazon. Time-outs are for silence, not for the whole, as two gigabytes take their time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Final

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from multidict import CIMultiDict
from yarl import URL

from evergrant.errors import AmazonUnavailable
from evergrant.ports.upstream import UpstreamRequest

__all__ = ["AiohttpUpstream"]

WHO: Final = "The Selling Partner API"
#: Seconds until there is a connection, TLS included.
CONNECT_S: Final = 10.0
#: Connections at a time; limits keep calls far below.
MOST_CONNECTIONS: Final = 2_000
#: Load balancers of Amazon's close what is idle for a minute; a connection that is closed just as
#: it is used costs a call.
KEEP_ALIVE_S: Final = 20.0
#: In bytes, per connection; twice as much is read before Amazon has to wait.
READ_AHEAD: Final = 64 * 1024
#: Of Amazon's answers. Theirs are far below.
LONGEST_HEADER: Final = 64 * 1024
#: aiohttp adds none of its own.
_NOT_BY_ITSELF: Final = ("accept", "accept-encoding", "content-type", "user-agent")
_TOKEN: Final = "x-amz-access-token"  # noqa: S105 - the name of a header

Headers = Sequence[tuple[bytes, bytes]]


class _Broken(Exception):
    """The connection broke; aiohttp would send the request again by itself."""


class AiohttpUpstream:
    """``ports.upstream.Upstream``. Made outside of an event loop too; the session opens with the
    first request. ``timeout_s`` is the longest silence of Amazon's, while it thinks, sends or takes
    a body."""

    def __init__(
        self,
        *,
        timeout_s: float = 30.0,
        user_agent: str = "",
        connect_s: float = CONNECT_S,
        most_connections: int = MOST_CONNECTIONS,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._timeout_s = timeout_s
        self._connect_s = min(connect_s, timeout_s)
        self._user_agent = user_agent
        self._most_connections = most_connections
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None

    async def open(self, request: UpstreamRequest) -> _Answer:
        session = self._session or self._opened()
        headers = _headers(request, self._user_agent)
        body = request.body
        failure: AmazonUnavailable
        streamed = None
        if body is not None and not isinstance(body, bytes):
            streamed = _Streamed(body, self._timeout_s)
        try:
            asking = session.request(
                request.method,
                URL(request.endpoint + request.target, encoded=True),
                headers=headers,
                data=body if streamed is None else streamed.pieces(),
                allow_redirects=False,
            )
            if streamed is None:
                return _Answer(await asking)
            async with streamed.stall:
                answer = await asking
            return _Answer(answer)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            failure = _unavailable(f"was not reached ({type(error).__name__})", sent=False)
        except TimeoutError:
            failure = _unavailable(
                f"did not answer within {self._timeout_s:g} seconds", sent=True, timed_out=True
            )
        except (aiohttp.ClientError, _Broken, OSError) as error:
            cause = error.__cause__ if isinstance(error, _Broken) else error
            failure = _unavailable(f"broke the connection ({type(cause).__name__})", sent=True)
        finally:
            # Frames are kept by tracebacks, and this one stays open while Amazon thinks.
            headers.clear()
            if streamed is not None:
                streamed.stop_watching()
        # Outside the except blocks: nothing that knows the request hangs on this error.
        raise failure

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._most_connections,
                ssl=self._verify,
                keepalive_timeout=KEEP_ALIVE_S,
                ttl_dns_cache=30,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_NOT_BY_ITSELF,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=self._connect_s,
                sock_connect=self._connect_s,
                sock_read=self._timeout_s,
            ),
            read_bufsize=READ_AHEAD,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            requote_redirect_url=False,
            trust_env=False,
            middlewares=(_once,),
        )
        return self._session


class _Answer:
    """``ports.upstream.UpstreamAnswer``."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Headers = response.raw_headers

    async def read(self) -> bytes:
        failure: AmazonUnavailable
        content = self._response.content
        try:
            while True:
                piece = await content.readany()
                if piece or content.at_eof():
                    return piece
        except TimeoutError:
            failure = _unavailable("fell silent in the middle of its answer", sent=True)
        except (aiohttp.ClientError, OSError) as error:
            failure = _unavailable(
                f"broke off in the middle of its answer ({type(error).__name__})", sent=True
            )
        raise failure

    async def close(self) -> None:
        # A whole answer gave its connection back already; what is left of another is not wanted.
        self._response.close()


class _Streamed:
    """A body on its way to Amazon. While Amazon takes none of it, a clock runs."""

    def __init__(self, body: AsyncIterator[bytes], timeout_s: float) -> None:
        self._body = body
        self._timeout_s = timeout_s
        self._now = asyncio.get_running_loop().time
        self._watched = True
        #: Ends the wait for an answer.
        self.stall = asyncio.timeout(None)

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            if self._watched:
                self.stall.reschedule(self._now() + self._timeout_s)
            yield piece
            if self._watched:
                self.stall.reschedule(None)

    def stop_watching(self) -> None:
        self._watched = False


async def _once(
    request: aiohttp.ClientRequest, handler: ClientHandlerType
) -> aiohttp.ClientResponse:
    """aiohttp repeats GET, PUT and DELETE when a connection breaks. Whether a call is made again is
    for the gate to say, which counts it."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken from error


def _headers(request: UpstreamRequest, user_agent: str) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict(
        [(name.decode("ascii"), value.decode("utf-8")) for name, value in request.headers]
    )
    if user_agent and "user-agent" not in headers:
        headers.add("user-agent", user_agent)
    if request.content_length is not None:
        headers["content-length"] = str(request.content_length)
    headers[_TOKEN] = request.access_token.reveal()
    return headers


def _unavailable(what: str, *, sent: bool, timed_out: bool = False) -> AmazonUnavailable:
    return AmazonUnavailable(
        f"{WHO} {what}.", facts={"sent": sent, **({"timed_out": True} if timed_out else {})}
    )
