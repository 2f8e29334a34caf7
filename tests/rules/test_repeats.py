"""Which calls are made again: only what is safe, only what is of use, and not for long."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules import operations, repeats
from evergrant.rules.amazon_errors import TOKEN_TROUBLE
from evergrant.rules.operations import Personal
from evergrant.rules.repeats import MOST_REPEATS, Again, Tried

READS = operations.find("GET", "/reports/2021-06-30/reports/42")
WRITES = operations.find("POST", "/feeds/2021-06-30/feeds")
DOCUMENT = operations.find("GET", "/reports/2021-06-30/documents/1")
UNKNOWN_READS = operations.find("GET", "/x/v1/y")
UNKNOWN_WRITES = operations.find("POST", "/x/v1/y")


def body(details: str = "", message: str = "Access to requested resource is denied.") -> bytes:
    error = {"code": "Unauthorized", "message": message, "details": details}
    return json.dumps({"errors": [error]}).encode()


def decide(
    operation: operations.Operation,
    tried: Tried,
    *,
    may_personal_data: bool = True,
    patience_s: float = 60.0,
    jitter: float = 0.5,
) -> Again | None:
    return repeats.decide(
        operation, tried, may_personal_data=may_personal_data, patience_s=patience_s, jitter=jitter
    )


EXPIRED = Tried(status=403, head=body(TOKEN_TROUBLE[0]))


def test_what_the_operations_of_these_tests_are() -> None:
    assert READS.repeatable
    assert UNKNOWN_READS.repeatable
    assert not WRITES.repeatable
    assert not UNKNOWN_WRITES.repeatable
    assert DOCUMENT.personal is Personal.CONTENT


@pytest.mark.parametrize("details", TOKEN_TROUBLE)
@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_amazon_takes_no_more_is_renewed_once(details: str, status: int) -> None:
    tried = Tried(status=status, head=body(details))
    assert decide(READS, tried) == Again(fresh_access_token=True)
    assert decide(READS, dataclasses.replace(tried, renewed=True)) is None
    assert decide(READS, dataclasses.replace(tried, repeats=MOST_REPEATS)) is None
    assert decide(READS, tried, patience_s=0.0) == Again(fresh_access_token=True)


@pytest.mark.parametrize("operation", [WRITES, UNKNOWN_WRITES], ids=lambda one: one.name)
@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 504, None])
def test_what_may_not_be_done_twice_is_not(
    operation: operations.Operation, status: int | None
) -> None:
    assert decide(operation, Tried(status=status, head=body(TOKEN_TROUBLE[0]))) is None


def test_what_never_reached_amazon_is_sent_once_more() -> None:
    for operation in (READS, WRITES, UNKNOWN_WRITES):
        again = decide(operation, Tried(status=None, sent=False))
        assert again is not None
        assert again.after_s > 0
        assert decide(operation, Tried(status=None, sent=False, body_at_hand=False)) is None


def test_no_body_no_repetition() -> None:
    for tried in (EXPIRED, Tried(status=503), Tried(status=429), Tried(status=None)):
        assert decide(READS, tried) is not None
        assert decide(READS, dataclasses.replace(tried, body_at_hand=False)) is None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, None])
def test_weather_is_waited_for(status: int | None) -> None:
    first = decide(READS, Tried(status=status))
    second = decide(READS, Tried(status=status, repeats=1))
    assert first == Again(after_s=0.5)
    assert second == Again(after_s=2.0)
    assert decide(READS, Tried(status=status, repeats=2)) is None
    assert decide(READS, Tried(status=status), patience_s=0.4) is None
    assert decide(READS, Tried(status=status), patience_s=0.0) is None


@pytest.mark.parametrize("status", [200, 204, 301, 304, 400, 404, 409, 413, 415, 501, 505])
def test_everything_else_is_the_answer(status: int) -> None:
    for operation in (READS, WRITES, DOCUMENT):
        assert decide(operation, Tried(status=status, head=body(TOKEN_TROUBLE[0]))) is None


def test_what_amazon_asks_for_is_kept_to() -> None:
    assert decide(READS, Tried(status=429, retry_after_s=7.0)) == Again(after_s=7.0)
    assert decide(READS, Tried(status=429, retry_after_s=0.0)) == Again(after_s=0.5)
    assert decide(READS, Tried(status=429, retry_after_s=math.nan)) == Again(after_s=0.5)
    assert decide(READS, Tried(status=429, retry_after_s=math.inf)) == Again(after_s=0.5)
    assert decide(READS, Tried(status=429, retry_after_s=61.0)) is None


def test_a_document_that_needs_a_restricted_data_token_gets_one() -> None:
    refused = Tried(status=403, head=body())
    assert decide(DOCUMENT, refused) == Again(restricted=True)
    assert decide(DOCUMENT, refused, may_personal_data=False) is None
    assert decide(DOCUMENT, dataclasses.replace(refused, restricted=True)) is None
    assert decide(READS, refused) is None
    # The access token comes first.
    assert decide(DOCUMENT, EXPIRED) == Again(fresh_access_token=True)
    renewed = Tried(status=403, head=body(), repeats=1, renewed=True)
    assert decide(DOCUMENT, renewed) == Again(restricted=True)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<html>",
        b"[[]]",
        b'{"errors":"?"}',
        b'{"errors":[1]}',
        b'{"errors":null}',
        b"[" * 100_000,
        b"\xff\xfe",
        body("The LWA secret token you provided has expired."),
        body("The marketplaces you provided are not valid for region."),
        body("Access token is missing in the request header."),
    ],
)
def test_other_refusals_are_no_trouble_of_the_token(head: bytes) -> None:
    assert not repeats.token_trouble(403, head)
    assert decide(READS, Tried(status=403, head=head)) is None


def test_trouble_is_read_from_the_message_too_but_of_refusals_only() -> None:
    assert repeats.token_trouble(403, body(message=TOKEN_TROUBLE[1]))
    for status in (None, 200, 400, 404, 429, 500):
        assert not repeats.token_trouble(status, body(TOKEN_TROUBLE[0]))


@given(
    operation=st.sampled_from(operations.ALL),
    tried=st.builds(
        Tried,
        status=st.none() | st.integers(100, 599),
        sent=st.booleans(),
        head=st.sampled_from([b"", body(), body(TOKEN_TROUBLE[0])]),
        retry_after_s=st.none() | st.floats(),
        repeats=st.integers(0, 5),
        renewed=st.booleans(),
        restricted=st.booleans(),
        body_at_hand=st.booleans(),
    ),
    may_personal_data=st.booleans(),
    patience_s=st.floats(-1, 200),
    jitter=st.floats(0, 1),
)
def test_whatever_happens(
    operation: operations.Operation,
    tried: Tried,
    may_personal_data: bool,
    patience_s: float,
    jitter: float,
) -> None:
    again = decide(
        operation, tried, may_personal_data=may_personal_data, patience_s=patience_s, jitter=jitter
    )
    if again is None:
        return
    assert tried.body_at_hand
    assert tried.repeats < MOST_REPEATS
    assert operation.repeatable or (tried.status is None and not tried.sent)
    assert again.after_s == 0 or again.after_s <= patience_s
    assert not (again.fresh_access_token and tried.renewed)
    assert not again.restricted or (may_personal_data and not tried.restricted)
    assert not (again.fresh_access_token and again.restricted)
