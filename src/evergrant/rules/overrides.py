"""What operators may change in the marketplaces table.

Answers for: reading an override (a plain mapping, from JSON or TOML) and saying exactly which key
is wrong. Does not answer for: reading the file.

Shape, every key optional::

    {"lwa_url": "https://api.amazon.co.uk/auth/o2/token",
     "all_seller_central": "http://127.0.0.1:9001",     # every country at one host
     "all_vendor_central": "http://127.0.0.1:9002",
     "more_seller_centrals": ["https://…"], "more_vendor_centrals": ["https://…"],
     "regions": {"eu": {"endpoint": "https://…", "sandbox_endpoint": "https://…"}},
     "countries": {"IE": {"vendor_central": "https://vendorcentral.amazon.ie"},
                   "XX": {"marketplace_id": "A…", "name": "…", "region": "eu",
                          "seller_central": "https://…", "currency": "EUR"}}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import Marketplace, Marketplaces, Region, country_code
from evergrant.rules.urls import check_https_url, check_origin

__all__ = ["overridden"]

_TOP = frozenset(
    {
        "lwa_url",
        "all_seller_central",
        "all_vendor_central",
        "more_seller_centrals",
        "more_vendor_centrals",
        "regions",
        "countries",
    }
)
_REGION = frozenset({"endpoint", "sandbox_endpoint"})
_COUNTRY = frozenset(
    {"marketplace_id", "name", "region", "seller_central", "vendor_central", "currency"}
)


def overridden(base: Marketplaces, data: Mapping[str, Any]) -> Marketplaces:
    """``base`` with the operator's changes. Raises Fault with the dotted key that is wrong; http
    is taken for loopback addresses only."""
    _known(data, _TOP, "")
    endpoints, sandboxes = dict(base.endpoints), dict(base.sandbox_endpoints)
    for region, key, changes in _sections(data, "regions", _region, _REGION):
        if "endpoint" in changes:
            endpoints[region] = check_origin(_text(changes, "endpoint", key), f"{key}.endpoint")
        if "sandbox_endpoint" in changes:
            sandboxes[region] = check_origin(
                _text(changes, "sandbox_endpoint", key), f"{key}.sandbox_endpoint"
            )
    rows = {row.country_code: row for row in base.rows}
    for code, key, changes in _sections(data, "countries", _country, _COUNTRY):
        rows[code] = _changed_row(rows.get(code), code, key, changes)
    changed = replace(
        base,
        rows=tuple(rows.values()),
        endpoints=MappingProxyType(endpoints),
        sandbox_endpoints=MappingProxyType(sandboxes),
        more_seller_centrals=base.more_seller_centrals | _origins(data, "more_seller_centrals"),
        more_vendor_centrals=base.more_vendor_centrals | _origins(data, "more_vendor_centrals"),
    )
    if "lwa_url" in data:
        lwa_url = check_https_url(_text(data, "lwa_url", ""), "lwa_url", allow_http_loopback=True)
        if urlsplit(lwa_url).path in {"", "/"}:
            lwa_url = f"{lwa_url.rstrip('/')}/auth/o2/token"
        changed = replace(changed, lwa_url=lwa_url)
    return _at_one_host(changed, data)


def _at_one_host(table: Marketplaces, data: Mapping[str, Any]) -> Marketplaces:
    """Amazon's own hosts are forgotten then, so that nobody is sent there by an emulated world."""
    if "all_seller_central" in data:
        origin = check_origin(_text(data, "all_seller_central", ""), "all_seller_central")
        table = replace(
            table,
            rows=tuple(replace(row, seller_central=origin) for row in table.rows),
            more_seller_centrals=frozenset(),
        )
    if "all_vendor_central" in data:
        origin = check_origin(_text(data, "all_vendor_central", ""), "all_vendor_central")
        table = replace(
            table,
            rows=tuple(replace(row, vendor_central=origin) for row in table.rows),
            more_vendor_centrals=frozenset(),
        )
    return table


def _changed_row(
    row: Marketplace | None, code: str, key: str, changes: Mapping[str, Any]
) -> Marketplace:
    values: dict[str, Any] = {name: _text(changes, name, key) for name in changes}
    for name in ("seller_central", "vendor_central"):
        if values.get(name):
            values[name] = check_origin(values[name], f"{key}.{name}")
    if "region" in values:
        values["region"] = _region(values["region"], f"{key}.region")
    if row is not None:
        return replace(row, **values)
    missing = {"marketplace_id", "region"} - set(values)
    if missing:
        raise Fault(
            "incomplete_marketplace",
            f"A new marketplace needs {' and '.join(sorted(missing))}.",
            field=key,
        )
    blank = {"name": code, "seller_central": "", "vendor_central": "", "currency": ""}
    return Marketplace(country_code=code, **{**blank, **values})


def _sections(
    data: Mapping[str, Any], name: str, read_key: Any, known: frozenset[str]
) -> Iterator[tuple[Any, str, Mapping[str, Any]]]:
    for raw, changes in _mapping(data.get(name, {}), name).items():
        key = f"{name}.{raw}"
        section = _mapping(changes, key)
        _known(section, known, key)
        yield read_key(raw, key), key, section


def _region(text: str, key: str) -> Region:
    try:
        return Region(text.lower())
    except ValueError:
        raise Fault(
            "unknown_region",
            f"'{text}' is not a region.",
            field=key,
            hint=f"Regions are: {', '.join(Region)}.",
        ) from None


def _country(text: str, key: str) -> str:
    code = country_code(text)
    if len(code) != 2 or not code.isascii() or not code.isalpha():
        raise Fault("bad_country", f"'{text}' is not a country code of two letters.", field=key)
    return code


def _origins(data: Mapping[str, Any], key: str) -> frozenset[str]:
    items = data.get(key, [])
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise Fault("bad_type", f"{key} is a list of origins.", field=key)
    return frozenset(check_origin(item, key) for item in items)


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Fault("bad_type", f"{key} is a table of names and values.", field=key)
    return value


def _text(data: Mapping[str, Any], name: str, prefix: str) -> str:
    value = data[name]
    if not isinstance(value, str):
        key = f"{prefix}.{name}" if prefix else name
        raise Fault("bad_type", f"{key} is a text.", field=key)
    return value


def _known(data: Mapping[str, Any], known: frozenset[str], prefix: str) -> None:
    for name in data:
        if name not in known:
            key = f"{prefix}.{name}" if prefix else str(name)
            raise Fault(
                "unknown_key",
                f"'{key}' is not known here.",
                field=key,
                hint=f"Known are: {', '.join(sorted(known))}.",
            )
