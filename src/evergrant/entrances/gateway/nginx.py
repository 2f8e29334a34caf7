"""nginx's configuration, in which nginx streams and Evergrant only decides.

Answers for: every line of it, and for refusing what would not be one value in it. Does not answer
for: files, or for running nginx (``cli.gateway``).

What happens to a request: nginx has it decided (``auth_request``) by a process of Evergrant, which
says 200 with the target, Amazon's access token and what else nginx needs, or 403 with a whole
problem document. nginx then streams to Amazon, or answers with that document: a refused upload of
gigabytes is not read, and no second request is made to fetch a page. Neither the key of ours that
the program sent, nor Amazon's access token is in any log, as nginx logs no headers.

Two paths are answered by the gateway of Evergrant itself and streamed there: its log-in, and what
stands for restricted data tokens.

nginx knows the servers of Amazon by name and asks for their addresses once, when it reads its
configuration; a ``resolver`` makes it ask again (nginx 1.27.3 or newer).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from evergrant.entrances.gateway import nginx_pages
from evergrant.entrances.gateway.data_plane import LATE_S, DataPlane, is_path, server_of
from evergrant.entrances.gateway.outcomes import LOG_TAG
from evergrant.errors import Flaw, InvalidInput
from evergrant.rules.marketplaces import Region

__all__ = [
    "KEY_HEADER",
    "METHOD_HEADER",
    "URI_HEADER",
    "config",
    "key_file",
    "upstream_name",
    "whole",
]

KEY_HEADER: Final = "x-evergrant-data-plane"
METHOD_HEADER: Final = "x-evergrant-method"
URI_HEADER: Final = "x-evergrant-uri"

#: What the decision tells, by the name of nginx's variable.
_DECIDED: Final = {
    "target": "target",
    "host": "host",
    "access_token": "access-token",
    "mark": "mark",
    "request_id": "request-id",
    "wait": "wait",
    "permits_left": "permits-left",
    "operation": "operation",
    "date": "date",
    "refused": "refused",
    "problem": "problem",
    **{name.replace("-", "_"): name for name in nginx_pages.DECIDED},
}
#: Of the program's request, what Amazon never sees: what belongs to one connection only, who the
#: program is, what proxies wrote. nginx knows no prefixes; a header that begins like one of ours
#: and is none of these is refused by the decision.
_STRIPPED: Final = (
    *("authorization", "cookie", "expect", "forwarded", "http2-settings", "keep-alive"),
    *("proxy-authenticate", "proxy-authentication-info", "proxy-authorization"),
    *("proxy-connection", "te", "trailer", "upgrade", "via", "x-real-ip", "x-request-id"),
    *(f"x-forwarded-{one}" for one in ("by", "for", "host", "port", "prefix", "proto", "scheme")),
    *("x-forwarded-server", "x-forwarded-ssl", "x-amz-security-token"),
    *("x-evergrant-account", "x-evergrant-connection", "x-evergrant-data-elements"),
    *("x-evergrant-wait", KEY_HEADER, METHOD_HEADER, URI_HEADER),
)
#: By these a server behind nginx could tell nginx what to do.
_ORDERS_TO_NGINX: Final = (
    *("x-accel-redirect", "x-accel-expires", "x-accel-limit-rate"),
    *("x-accel-buffering", "x-accel-charset"),
)
#: Whoever waits for less than this, waits for as long as somebody who does not say.
_SHORT_WAIT_S: Final = 10.0
#: The way between nginx and a process that is busy.
_BESIDE_S: Final = 5.0
_SECRET = re.compile(r"[A-Za-z0-9_-]{8,512}", re.ASCII)


def upstream_name(region: Region) -> str:
    """The group of servers that stands for Amazon's endpoint of this region."""
    return f"evergrant_amazon_{region.value}"


def key_file(api_key: str) -> str:
    """What the key file holds. Raises InvalidInput when that is no key of ours."""
    if not _SECRET.fullmatch(api_key):
        raise InvalidInput(
            flaws=[
                Flaw(
                    "That is no API key.",
                    hint="evergrant apikey add nginx --right data_plane --json makes one.",
                )
            ]
        )
    return f'proxy_set_header {KEY_HEADER} "{api_key}";\n'


def config(plane: DataPlane) -> str:
    """What belongs into ``http {}`` of nginx. Raises InvalidInput, which names all that is wrong.
    It holds no secret."""
    flaws = plane.flaws()
    if flaws:
        raise InvalidInput(flaws=flaws)
    lines = [
        "# Written by `evergrant gateway nginx-config`: nginx streams, Evergrant decides.",
        "# Write it again after a change of settings, and reload nginx.",
        "",
        *_upstreams(plane),
        *_outcome_maps(plane),
        *_log_format(),
        *nginx_pages.maps(),
        *_given_maps(plane),
        "server {",
        *_indented(_server(plane)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def whole(inner: str, folder: Path) -> str:
    """A complete configuration around it, for an nginx that does nothing else and keeps all that
    it writes below ``folder``; it need not be root for that."""
    if not is_path(str(folder)):
        raise InvalidInput(flaws=[Flaw("cannot be written for nginx.", field="folder")])
    temporary = [
        f'{kind}_temp_path "{folder}/nginx-{kind}";'
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    ]
    lines = [
        "worker_processes auto;",
        f'pid "{folder}/nginx.pid";',
        "error_log stderr error;",
        "events { worker_connections 4096; }",
        "http {",
        *_indented([*temporary, "access_log off;", "", *inner.splitlines()]),
        "}",
    ]
    return "\n".join(lines) + "\n"


# --- outside of the server ------------------------------------------------------------------------


def _upstreams(plane: DataPlane) -> list[str]:
    lines = []
    for name, servers, idle in (
        ("evergrant_decide", [one.decide for one in plane.deciders], 256),
        ("evergrant_gateway", [server_of(one) for one in plane.gateway], 16),
    ):
        lines += [
            f"upstream {name} {{",
            # Whoever hangs keeps those who ask it: at most half of all then, and none for a while
            # after the first of them gave up.
            "    least_conn;",
            *(f"    server {one} max_fails=1 fail_timeout=5s;" for one in servers),
            f"    keepalive {idle};",
            # Evergrant hangs up after 30 s without a request.
            "    keepalive_timeout 20s;",
            "    keepalive_requests 100000;",
            "}",
        ]
    for region, endpoint in plane.endpoints.items():
        again = " resolve" if plane.resolver else ""
        lines += [
            f"upstream {upstream_name(region)} {{",
            *([f"    zone {upstream_name(region)} 64k;"] if plane.resolver else []),
            f"    server {server_of(endpoint)}{again};",
            "    keepalive 256;",
            "    keepalive_timeout 20s;",
            "    keepalive_requests 10000;",
            "}",
        ]
    return [*lines, ""]


def _outcome_maps(plane: DataPlane) -> list[str]:
    """Which process hears of a call: the one that decided, which is the last of those asked."""
    lines = []
    for number, one in enumerate(plane.deciders):
        decider = re.escape(one.decide)
        lines += [
            f'map "$evergrant_mark $evergrant_decider" $evergrant_told_{number} {{',
            f'    "~^[0-9a-f]+ (.*[, ])?{decider}$" 1;',
            "    default 0;",
            "}",
        ]
    return [*lines, ""]


def _given_maps(plane: DataPlane) -> list[str]:
    """What Amazon wants to see and not every program sends; and who is ready to wait long."""
    return [
        "map $http_x_evergrant_wait $evergrant_patient {",
        '    "" 0;',
        '    "~^[0-9]([.][0-9]+)?$" 0;',
        "    default 1;",
        "}",
        "map $http_x_amz_date $evergrant_amz_date {",
        '    "" $evergrant_date;',
        "    default $http_x_amz_date;",
        "}",
        "map $http_user_agent $evergrant_user_agent {",
        f'    "" "{plane.user_agent}";',
        "    default $http_user_agent;",
        "}",
        "",
    ]


def _log_format() -> list[str]:
    members = {
        "mark": "$evergrant_mark",
        "status": "$status",
        "headers_s": "$upstream_header_time",
        "call_s": "$upstream_response_time",
        "took_s": "$request_time",
        "rate": "$upstream_http_x_amzn_ratelimit_limit",
        "amazon": "$upstream_http_x_amzn_requestid",
        "error": "$upstream_http_x_amzn_errortype",
    }
    line = ",".join(f'"{name}":"{variable}"' for name, variable in members.items())
    return [f"log_format evergrant_outcome escape=json '{{{line}}}';", ""]


# --- the server -----------------------------------------------------------------------------------


def _server(plane: DataPlane) -> list[str]:
    encrypted = " ssl" if plane.certificate else ""
    lines = [
        *(f"listen {one}{encrypted};" for one in plane.listen),
        f"server_name {plane.server_name};",
    ]
    if plane.certificate and plane.certificate_key:
        lines += [
            f'ssl_certificate "{plane.certificate}";',
            f'ssl_certificate_key "{plane.certificate_key}";',
            "ssl_protocols TLSv1.2 TLSv1.3;",
            "ssl_session_cache shared:evergrant:10m;",
        ]
    if plane.resolver:
        lines.append(f"resolver {plane.resolver};")
    return [
        *lines,
        "",
        "# Below `error` nginx writes headers into its log.",
        f"error_log {_quoted(plane.error_log)} error;",
        *(
            f"access_log syslog:server={one.outcomes},tag={LOG_TAG},nohostname evergrant_outcome "
            f"if=$evergrant_told_{number};"
            for number, one in enumerate(plane.deciders)
        ),
        "",
        *_LIMITS,
        "",
        *nginx_pages.answer_headers(),
        "",
        *nginx_pages.error_pages(),
        "",
        *_location_all(plane),
        *_location_decide(plane),
        *_locations_gateway(plane),
        *nginx_pages.locations(),
    ]


_LIMITS = (
    "client_max_body_size 0;",
    "client_body_timeout 60s;",
    "client_header_timeout 30s;",
    "send_timeout 60s;",
    "keepalive_requests 10000;",
    "client_header_buffer_size 4k;",
    "large_client_header_buffers 4 32k;",
    "# What is said of a path is said of its bytes, as they came.",
    "merge_slashes off;",
    "underscores_in_headers off;",
    "ignore_invalid_headers on;",
    "server_tokens off;",
    "gzip off;",
    "etag off;",
    "default_type application/problem+json;",
)


def _location_all(plane: DataPlane) -> list[str]:
    lines = [
        f"auth_request {nginx_pages.OWN}/decide;",
        *(
            f"auth_request_set $evergrant_{variable} $upstream_http_x_evergrant_{_snake(header)};"
            for variable, header in _DECIDED.items()
        ),
        "auth_request_set $evergrant_decider $upstream_addr;",
        "",
        "# Target, host and access token are those of the decision, nothing of the caller's.",
        "proxy_pass $evergrant_target;",
        "proxy_http_version 1.1;",
        "proxy_set_header host $evergrant_host;",
        "proxy_set_header x-amz-access-token $evergrant_access_token;",
        "proxy_set_header x-amz-date $evergrant_amz_date;",
        "proxy_set_header user-agent $evergrant_user_agent;",
        'proxy_set_header connection "";',
        *(f'proxy_set_header {name} "";' for name in _STRIPPED),
        "",
        "proxy_request_buffering off;",
        "proxy_buffering off;",
        "proxy_buffer_size 32k;",
        "proxy_buffers 4 32k;",
        "proxy_redirect off;",
        "proxy_pass_header server;",
        "proxy_pass_header date;",
        f"proxy_ignore_headers {' '.join(_ORDERS_TO_NGINX)};",
        "# One permit is one call: nothing is sent twice.",
        "proxy_next_upstream off;",
        "proxy_connect_timeout 10s;",
        "proxy_send_timeout 60s;",
        f"proxy_read_timeout {_seconds(plane.amazon_timeout_s)};",
    ]
    if any(urlsplit(one).scheme == "https" for one in plane.endpoints.values()):
        lines += [
            "",
            "proxy_ssl_server_name on;",
            "proxy_ssl_name $evergrant_host;",
            "proxy_ssl_verify on;",
            "proxy_ssl_verify_depth 5;",
            f'proxy_ssl_trusted_certificate "{plane.ca_file}";',
            "proxy_ssl_protocols TLSv1.2 TLSv1.3;",
        ]
    return ["location / {", *_indented(lines), "}", ""]


def _location_decide(plane: DataPlane) -> list[str]:
    """Twice: a process that hangs is to be noticed soon, and nobody's wait is cut short for it."""
    wait_s = min(max(plane.wait_s, _SHORT_WAIT_S), plane.longest_wait_s)
    place = f"{nginx_pages.OWN}/decide"
    return [
        *_decided(
            plane, place, wait_s, f"if ($evergrant_patient) {{ rewrite ^ {place}-late last; }}"
        ),
        *_decided(plane, f"{place}-late", plane.longest_wait_s),
    ]


def _decided(plane: DataPlane, place: str, wait_s: float, *first: str) -> list[str]:
    lines = [
        "internal;",
        *first,
        "access_log off;",
        "proxy_pass http://evergrant_decide/decide;",
        "proxy_http_version 1.1;",
        "proxy_pass_request_body off;",
        *(
            f'proxy_set_header {name} "";'
            for name in ("connection", "content-length", "expect", "te", "transfer-encoding")
        ),
        "proxy_set_header host evergrant;",
        f"proxy_set_header {METHOD_HEADER} $request_method;",
        f"proxy_set_header {URI_HEADER} $request_uri;",
        f'include "{plane.key_file}";',
        "proxy_buffering off;",
        "proxy_buffer_size 64k;",
        "proxy_buffers 4 64k;",
        "# Asking again is no harm: at worst one permit is spent and not used.",
        "proxy_next_upstream error timeout;",
        "proxy_next_upstream_tries 2;",
        "proxy_connect_timeout 2s;",
        "# A call may wait for its permit, and then for an access token; it is told in time.",
        f"proxy_read_timeout {_seconds(wait_s + LATE_S + _BESIDE_S)};",
    ]
    return [f"location = {place} {{", *_indented(lines), "}", ""]


def _locations_gateway(plane: DataPlane) -> list[str]:
    """What Evergrant's gateway answers itself, as no access token of Amazon's leaves the house."""
    below = urlsplit(plane.gateway[0]).path.rstrip("/")
    lines = []
    for path in ("/auth/o2/token", "/tokens/2021-03-01/restrictedDataToken"):
        inner = [
            "access_log off;",
            "client_max_body_size 1m;",
            "client_body_buffer_size 1m;",
            f"proxy_pass http://evergrant_gateway{below}{path};",
            "proxy_http_version 1.1;",
            'proxy_set_header connection "";',
            "proxy_set_header host evergrant;",
            "proxy_redirect off;",
            "proxy_max_temp_file_size 0;",
            "proxy_next_upstream off;",
            "proxy_connect_timeout 2s;",
            *nginx_pages.error_pages(of_gateway=True),
        ]
        lines += [f"location = {path} {{", *_indented(inner), "}"]
    return [*lines, ""]


def _quoted(path: str) -> str:
    return path if path in ("stderr", "/dev/null") else f'"{path}"'


def _snake(name: str) -> str:
    return name.replace("-", "_")


def _seconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]
