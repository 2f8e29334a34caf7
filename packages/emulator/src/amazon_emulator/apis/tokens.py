"""Tokens API 2021-03-01: createRestrictedDataToken (Amazon's tokens model).

Texts for an empty list, for paths and for data elements that an application may not have are
recorded ones. What dataElements an application may name is decided by the roles of the grant.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from amazon_emulator import issuing
from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.apis.restricted import (
    DATA_ELEMENTS,
    Restricted,
    restricted_at,
)
from amazon_emulator.trade.delegations import Delegations
from amazon_emulator.trade.queues.manners import Manners
from amazon_emulator.world import ALL_ROLES, AccessToken, Application, RestrictedResource

__all__ = ["OPERATIONS", "create_restricted_data_token"]

LIVES = timedelta(seconds=3600)
MOST_RESOURCES = 50
METHODS = ("GET", "PUT", "POST", "DELETE")
EMPTY = "Empty target resource arguement found"  # spelled so by Amazon
NO_ACCESS = "Application do not have access to some or all requested resource"


def create_restricted_data_token(call: Call) -> dict[str, Any]:
    """Raises Denied."""
    body = call.json()
    target = _target(call, body.get("targetApplication"))
    asked = body.get("restrictedResources")
    if not isinstance(asked, list) or not asked:
        raise Denied.invalid(EMPTY)
    if len(asked) > MOST_RESOURCES:
        raise Denied.invalid(f"At most {MOST_RESOURCES} restricted resources can be requested")
    resources = [_resource(row) for row in asked]
    roles = set(call.grant.roles) & set(target.roles)
    if not all(set(known.roles) & roles for known, _ in resources):
        raise Denied.invalid(NO_ACCESS)
    wanted = {element for _, resource in resources for element in resource.data_elements}
    refused = sorted(element for element in wanted if not set(DATA_ELEMENTS[element]) & roles)
    if refused:
        raise Denied.invalid(
            "Application does not have access to one or more requested data elements: "
            f"[{', '.join(refused)}]"
        )
    token = AccessToken(
        f"{issuing.RESTRICTED}{issuing.MARK}-{secrets.token_urlsafe(240)}",
        target,
        call.grant,
        None,
        call.now + LIVES,
        tuple(resource for _, resource in resources),
    )
    call.stage.world.keep(token)
    said = {"restrictedDataToken": token.value, "expiresIn": int(LIVES.total_seconds())}
    return {"payload": said} if call.stage.of(Manners).restricted_answer_wrapped else said


def _target(call: Call, asked: Any) -> Application:
    """The application that may use it: the caller, or one that it delegates to."""
    if asked is None:
        return call.application
    target = call.stage.world.applications.get(asked) if isinstance(asked, str) else None
    if target is call.application:
        return target
    pair = (call.application.application_id, str(asked))
    if target is None or pair not in call.stage.of(Delegations).declared:
        raise Denied.invalid(
            "Invalid Input", "The application does not delegate to the targetApplication"
        )
    return target


def _resource(row: Any) -> tuple[Restricted, RestrictedResource]:
    method = row.get("method") if isinstance(row, dict) else None
    path = row.get("path") if isinstance(row, dict) else None
    if method not in METHODS or not isinstance(path, str) or not path.startswith("/"):
        raise Denied.invalid(
            "Request is missing or has invalid parameters",
            f"A restricted resource has a method ({', '.join(METHODS)}) and a path",
        )
    found = restricted_at(method, path)
    if found is None:
        raise Denied.invalid(NO_ACCESS, f"{method} {path} is not a restricted operation")
    known, generic = found
    if generic and not known.generic:
        raise Denied.invalid("Invalid Input", f"{known.template} takes a specific path only")
    elements = [] if row.get("dataElements") is None else row["dataElements"]
    if not isinstance(elements, list) or not all(one in tuple(DATA_ELEMENTS) for one in elements):
        raise Denied.invalid("Invalid Input", f"'dataElements' may hold {', '.join(DATA_ELEMENTS)}")
    if elements and not known.elements:
        raise Denied.invalid(
            "Invalid Input", "'dataElements' are for getOrders, getOrder and getOrderItems only"
        )
    return known, RestrictedResource(method, path, tuple(elements))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "createRestrictedDataToken",
        "POST",
        "/tokens/2021-03-01/restrictedDataToken",
        ALL_ROLES,
        ("seller", "vendor"),
        create_restricted_data_token,
    ),
)
