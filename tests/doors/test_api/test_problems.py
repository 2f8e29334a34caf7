"""Every error of the tree has a status, and every problem the shape of RFC 9457."""

from __future__ import annotations

import inspect
import json
import secrets

import jsonschema_rs
import pytest

from evergrant import errors
from evergrant.entrances import problems
from evergrant.entrances.api import document
from evergrant.errors import EvergrantError, Flaw
from evergrant.rules.secrecy import Secret

EXPECTED = {
    errors.InvalidInput: 422,
    errors.NotAuthenticated: 401,
    errors.SessionOver: 401,
    errors.SignInRefused: 401,
    errors.SecondFactorRefused: 401,
    errors.InvitationRefused: 400,
    errors.FirstStartRefused: 400,
    errors.SingleSignOnRefused: 400,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.LastAdmin: 409,
    errors.TooLarge: 413,
    errors.OverLimit: 429,
    errors.NotYetAuthorized: 409,
    errors.GrantRefused: 409,
    errors.GrantLapsed: 409,
    errors.AccountClosed: 409,
    errors.CodeRefused: 409,
    errors.ConsentRefused: 409,
    errors.ApplicationRefused: 502,
    errors.ApplicationIncomplete: 409,
    errors.QueueRefused: 502,
    errors.AmazonUnavailable: 503,
    errors.Throttled: 503,
    errors.UnreadableAnswer: 503,
    errors.QueueUnavailable: 503,
    errors.CallDenied: 502,
    errors.Misconfigured: 500,
    errors.SealBroken: 500,
    errors.StoreUnavailable: 503,
    errors.ProviderUnavailable: 502,
    errors.NotDelivered: 502,
}
MADE: list[EvergrantError] = [
    errors.InvalidInput(flaws=[Flaw("is wrong", "a.b", hint="Do it otherwise."), Flaw("so too")]),
    errors.NotAuthenticated(),
    errors.OverLimit(retry_after_s=12.4),
    errors.NotAllowed(facts={"right": "write"}),
    errors.GrantRefused("The request has an invalid grant parameter"),
    errors.CodeRefused("late"),
    errors.ConsentRefused("wrong_selling_partner", reference="EG-0000-0000"),
    errors.ApplicationRefused("invalid_client", "Client authentication failed"),
    errors.Throttled(retry_after_s=12.4),
    errors.CallDenied(403, "Unauthorized", "Access denied", "details", "rid"),
    errors.Misconfigured("EVERGRANT_X", "is wrong"),
    errors.NotDelivered("no", permanent=False),
]


#: Said as they are, although there are finer ones below them.
BRANCHES = {errors.NotAuthenticated, errors.Conflict}


def leaves() -> set[type[EvergrantError]]:
    kinds = {
        thing
        for _, thing in inspect.getmembers(errors, inspect.isclass)
        if issubclass(thing, EvergrantError)
    }
    return BRANCHES | {
        kind for kind in kinds if not any(kind in other.__bases__ for other in kinds)
    }


def test_every_error_has_the_status_that_was_decided() -> None:
    assert leaves() == set(EXPECTED)
    assert {kind: problems.status_of(kind) for kind in EXPECTED} == EXPECTED


def test_codes_are_told_apart() -> None:
    codes = [kind.code for kind in leaves()]
    assert len(set(codes)) == len(codes)
    for row in problems.DOOR_PROBLEMS.values():
        same = [kind for kind in leaves() if kind.code == row.code]
        assert all(problems.status_of(kind) == row.status for kind in same)


@pytest.mark.parametrize("error", MADE, ids=lambda error: error.code)
def test_a_problem_has_the_shape_that_is_described(error: EvergrantError) -> None:
    problem = problems.of_error(error)
    shown = json.loads(problem.body("req_1"))
    schema = {
        "$ref": "#/components/schemas/Problem",
        "components": {"schemas": document.describe()["components"]["schemas"]},
    }
    jsonschema_rs.validator_for(schema).validate(shown)
    assert shown["status"] == problem.status == EXPECTED[type(error)]
    assert shown["type"] == f"urn:evergrant:problem:{error.code}"
    assert shown["permanent"] is error.permanent
    assert shown["request_id"] == "req_1"


@pytest.mark.parametrize(
    "error",
    [
        *(errors.NotAuthenticated(), errors.NotAllowed(), errors.NotFound()),
        *(errors.NotYetAuthorized(), errors.GrantRefused(), errors.GrantLapsed()),
        *(errors.AccountClosed(), errors.AmazonUnavailable(), errors.Throttled()),
        errors.StoreUnavailable(),
    ],
    ids=lambda error: error.code,
)
def test_what_to_do_is_said_even_where_the_room_does_not(error: EvergrantError) -> None:
    shown = problems.of_error(error).document("req_1")["hint"]
    assert shown.endswith(".")
    assert "*" not in shown, "nothing of it looks like a secret"
    error.hint = "Do this."
    assert problems.of_error(error).hint == "Do this."


def test_amazons_wish_to_wait_is_passed_on() -> None:
    assert problems.of_error(errors.Throttled(retry_after_s=12.4)).headers["retry-after"] == "12"
    assert problems.of_error(errors.Throttled(retry_after_s=0.1)).headers["retry-after"] == "1"


def test_secrets_that_got_into_an_error_do_not_get_out() -> None:
    secret = "Atzr|" + secrets.token_hex(40)
    error = errors.InvalidInput(
        flaws=[Flaw(f"{secret} is wrong", secret, hint=f"not {secret}")],
        facts={"a": secret, "b": [secret], "c": {"d": Secret(secret)}, "e": (1, True)},
    )
    shown = problems.of_error(error).body("req_1").decode()
    assert secret not in shown
    plain = errors.Conflict(f"{secret} is there", hint=f"not {secret}")
    assert secret not in problems.of_error(plain).body("req_1").decode()


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [(["a"], "#/a"), (["a", "0"], "#/a/0"), (["a/b", "c~d"], "#/a~1b/c~0d"), ([], "#")],
)
def test_pointers_are_escaped(parts: list[str], pointer: str) -> None:
    assert problems.pointer(parts) == pointer
