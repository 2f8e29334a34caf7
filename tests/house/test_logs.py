"""What is logged, in which shape, and that no secret gets past."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import secrets
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from evergrant import logs
from evergrant.rules.secrecy import Secret


class Sink(io.StringIO):
    def isatty(self) -> bool:
        return False


@pytest.fixture
def _as_before() -> Iterator[None]:
    """Logging of the test process is put back."""
    root = logging.getLogger()
    kept = root.handlers[:], root.level, logging.raiseExceptions
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    levels = {
        name: (one.level, one.propagate, one.handlers[:])
        for name, one in logging.root.manager.loggerDict.items()
        if isinstance(one, logging.Logger)
    }
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, logging.raiseExceptions = kept
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    for name, (level, propagate, handlers) in levels.items():
        one = logging.getLogger(name)
        one.setLevel(level)
        one.propagate = propagate
        one.handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture(params=["text", "json"])
def sink(request: pytest.FixtureRequest, _as_before: None) -> Sink:
    sink = Sink()
    logs.configure(request.param, "debug", sink)
    return sink


@pytest.fixture
def json_sink(_as_before: None) -> Sink:
    sink = Sink()
    logs.configure("json", "debug", sink)
    return sink


def lines(sink: Sink) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def made_up() -> dict[str, str]:
    """Secrets in the shapes that Amazon and we give them, fresh for every test."""
    return {
        "access token": f"Atza|{secrets.token_urlsafe(60)}",
        "refresh token": f"Atzr|{secrets.token_urlsafe(60)}",
        "restricted data token": f"Atz.sprdt|{secrets.token_urlsafe(60)}",
        "client secret": f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}",
        "API key": f"egk_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}",
        "connection key": f"egc_{secrets.token_urlsafe(32)}",
        "signing secret": f"whsec_{secrets.token_urlsafe(32)}",
        "AWS access key": f"AKIA{secrets.token_hex(8).upper()}",
    }


def test_one_event_is_one_line_of_json_with_its_facts(json_sink: Sink) -> None:
    logs.logger("evergrant.tests").info("post", outbox_id="out_1", attempts=2, late=True)
    (line,) = lines(json_sink)
    assert line["message"] == "post"
    assert line["level"] == "info"
    assert line["logger"] == "evergrant.tests"
    assert line["outbox_id"] == "out_1"
    assert line["attempts"] == 2
    assert line["late"] is True
    assert line["timestamp"].endswith("Z")


def test_text_is_for_people_and_without_colours_in_a_file(_as_before: None) -> None:
    sink = Sink()
    logs.configure("text", "info", sink)
    logs.logger("evergrant.tests").info("post", outbox_id="out_1")
    assert "post" in sink.getvalue()
    assert "outbox_id=out_1" in sink.getvalue()
    assert "\x1b" not in sink.getvalue()


def test_the_level_holds_for_us_and_for_libraries(_as_before: None) -> None:
    sink = Sink()
    logs.configure("json", "warning", sink)
    logs.logger("evergrant.tests").info("too quiet")
    logging.getLogger("some.library").info("too quiet")
    logging.getLogger("some.library").warning("loud enough")
    assert [line["message"] for line in lines(sink)] == ["loud enough"]


@pytest.mark.parametrize("wrong", [{"log_format": "xml"}, {"level": "chatty"}])
def test_unknown_words_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="known are"):
        logs.configure(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["_granian", "uvicorn.error", "uvicorn.access", "asyncio"])
def test_libraries_with_handlers_of_their_own_come_through_ours(
    library: str, _as_before: None
) -> None:
    own = Sink()
    logging.getLogger(library).addHandler(logging.StreamHandler(own))
    logging.getLogger(library).propagate = False
    sink = Sink()
    logs.configure("json", "debug", sink)
    logs.tame(library)
    token = made_up()["access token"]
    logging.getLogger(library).error("answered %s", token)
    assert own.getvalue() == ""
    (line,) = lines(sink)
    assert line["logger"] == library
    assert token not in sink.getvalue()


def test_facts_of_a_block_are_on_each_line_in_it(json_sink: Sink) -> None:
    with logs.about(task="post.deliver", outbox_id="out_7"):
        logging.getLogger("some.library").warning("slow")
    logs.logger("evergrant.tests").info("afterwards")
    inside, outside = lines(json_sink)
    assert inside["outbox_id"] == "out_7"
    assert "outbox_id" not in outside


# --- secrets ----------------------------------------------------------------------------------


def test_a_secret_by_its_shape_in_any_place(sink: Sink) -> None:
    marked = made_up()
    log = logs.logger("evergrant.tests")
    for secret in marked.values():
        log.info("got %s from somewhere", secret, fact=secret)
        log.info("nested", facts={"inner": [{"deep": (secret, {secret})}]}, raw=secret.encode())
        log.info("a url", url=f"https://x.example/callback?state=abc&spapi_oauth_code={secret}")
        logging.getLogger("some.library").warning("%s and %r", secret, {"x": secret})
        logging.getLogger("some.library").warning("extra", extra={"thing": secret})
    said = sink.getvalue()
    assert "got" in said
    assert not [name for name, secret in marked.items() if secret in said]


def test_a_secret_by_its_name_whatever_its_shape(sink: Sink) -> None:
    plain = secrets.token_hex(12)
    log = logs.logger("evergrant.tests")
    log.info("named", client_secret=plain, password=plain, refresh_token=plain)
    log.info("in a mapping", headers={"Authorization": f"Bearer {plain}", "cookie": plain})
    log.info("in pairs", form=[("client_secret", plain), ("grant_type", "refresh_token")])
    log.info("by type", thing=Secret(plain), more=[Secret(plain)])
    log.info("in text", body=f'{{"access_token": "{plain}"}}', form=f"client_secret={plain}&a=b")
    assert plain not in sink.getvalue()
    assert "grant_type" in sink.getvalue()


def test_a_password_in_an_address(sink: Sink) -> None:
    password = secrets.token_hex(8)
    logs.logger("evergrant.tests").error(
        f"no answer from postgresql://evergrant:{password}@db.example/evergrant"
    )
    assert password not in sink.getvalue()
    assert "db.example" in sink.getvalue()


def test_identifiers_stay_readable(json_sink: Sink) -> None:
    logs.logger("evergrant.tests").info(
        "seen", merchant_token="A2EXAMPLE", account_id="acc_01", secret_expires_at="2027-01-01"
    )
    (line,) = lines(json_sink)
    assert line["merchant_token"] == "A2EXAMPLE"
    assert line["account_id"] == "acc_01"
    assert line["secret_expires_at"] == "2027-01-01"


def _chain(token: str, local: str) -> None:
    hidden_local = local
    try:
        raise ValueError(f"Amazon said {token}")
    except ValueError as error:
        raise RuntimeError(f"could not use {token}", len(hidden_local)) from error


def test_tracebacks_are_kept_but_hold_no_secret_and_no_locals(sink: Sink) -> None:
    token, local = made_up()["refresh token"], secrets.token_hex(12)
    log = logs.logger("evergrant.tests")
    with pytest.raises(RuntimeError) as caught:
        _chain(token, local)
    log.warning("it broke", exc_info=caught.value)
    log.error("by hand", exc_info=(caught.type, caught.value, caught.tb))
    try:
        _chain(token, local)
    except RuntimeError:
        logging.getLogger("some.library").exception("it broke there")
    said = sink.getvalue()
    assert said.count("_chain") >= 3, "the stack is of use"
    assert said.count("could not use") >= 3
    assert token not in said
    assert local not in said


def test_whatever_nobody_caught_is_scrubbed_too(json_sink: Sink) -> None:
    token = made_up()["access token"]
    error = ValueError(f"with {token}")
    sys.excepthook(ValueError, error, None)
    thread = threading.Thread(target=_break, args=(token,))
    thread.start()
    thread.join()
    with asyncio.Runner() as runner:
        logs.uncaught_in_loop(runner.get_loop(), {"message": "task", "exception": error})
        logs.uncaught_in_loop(runner.get_loop(), {"message": f"no exception, {token}"})
    messages = [line["message"] for line in lines(json_sink)]
    assert messages == [
        "uncaught",
        "uncaught in a thread",
        "uncaught in the event loop",
        "uncaught in the event loop",
    ]
    assert token not in json_sink.getvalue()


def _break(token: str) -> None:
    raise RuntimeError(f"in a thread with {token}")


def test_warnings_are_lines(json_sink: Sink) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", stacklevel=1)
    assert any("old thing" in line["message"] for line in lines(json_sink))


def test_a_value_that_cannot_be_shown_costs_no_line(json_sink: Sink) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    circle: dict[str, Any] = {}
    circle["self"] = circle
    logs.logger("evergrant.tests").info("odd", broken=Broken(), circle=circle, long="x" * 100_000)
    (line,) = lines(json_sink)
    assert "without text" in line["broken"]
    assert len(line["long"]) < 30_000


def test_a_long_text_is_cut_between_words(json_sink: Sink) -> None:
    token = made_up()["access token"]
    for gap in range(0, 400, 7):
        logs.logger("evergrant.tests").info("long", said=f"{'a ' * 9000}{token} {'b' * gap}")
        logs.logger("evergrant.tests").info("long", said=f"{'a' * gap} {token} {'b ' * 9000}")
    assert token[-40:] not in json_sink.getvalue()
    assert token[5:45] not in json_sink.getvalue()


def test_one_event_never_becomes_two_lines(json_sink: Sink) -> None:
    logs.logger("evergrant.tests").info("a\nb\u2028c", name="x\r\n{}")
    assert len(json_sink.getvalue().splitlines()) == 1


# --- what happens often -------------------------------------------------------------------------


def test_a_quick_line_is_as_any_other(sink: Sink) -> None:
    facts: dict[str, Any] = {
        "request_id": 'a "word" = b',
        "operation": "orders.v0.getOrders",
        "status": 200,
        "error": "",
        "took_ms": 1.5,
        "restricted": False,
        "left": None,
        "separator": "a\u2028b",
        "by_shape": f"egk_{secrets.token_hex(16)}",
        "access_token": secrets.token_hex(16),
        "authorized": Secret(secrets.token_hex(16)),
    }
    with logs.about(job="one of many"):
        logs.logger("evergrant.here").info("call", **facts)
        logs.often("evergrant.here")("call", **facts)
    usual, quick, _ = sink.getvalue().split("\n")
    if usual.startswith("{"):
        told = [json.loads(line) for line in (usual, quick)]
        assert len({line.pop("timestamp")[:16] for line in told}) <= 2
        assert told[0] == told[1]
        assert "\\u2028" in quick
    else:
        assert usual.partition(" ")[2] == quick.partition(" ")[2]
        assert len(usual) == len(quick)
    assert quick.count("***") == 3


def test_a_quick_line_has_a_level(_as_before: None) -> None:
    sink = Sink()
    logs.configure("text", "warning", sink)
    logs.often("evergrant.here")("call", status=200)
    assert not sink.getvalue()


def test_a_quick_line_has_colours_at_a_terminal(
    _as_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Sink()
    monkeypatch.setattr(sink, "isatty", lambda: True)
    logs.configure("text", "info", sink)
    logs.often("evergrant.here")("call", status=200, access_token=secrets.token_hex(16))
    assert "\x1b[" in sink.getvalue()
    assert "200" in sink.getvalue()
    assert "***" in sink.getvalue()


async def test_quick_lines_are_written_together_and_in_their_order(
    json_sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_LATE_S", 0.02)
    say = logs.often("evergrant.here")
    for number in range(3):
        say("call", number=number)
    assert json_sink.getvalue() == "", "they wait for each other"
    async with asyncio.timeout(60):
        while not json_sink.getvalue():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)
    for number in range(3, 5):
        say("call", number=number)
    logs.logger("evergrant.here").warning("something else", number=5)
    assert [one["number"] for one in _lines(json_sink)] == [0, 1, 2, 3, 4, 5]
    say("call", number=6)
    logging.getLogger().handlers[0].flush()  # as at the end of a process
    assert [one["number"] for one in _lines(json_sink)][-1] == 6


def _lines(sink: Sink) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sink.getvalue().splitlines()]


async def test_quick_lines_do_not_wait_without_end(json_sink: Sink) -> None:
    say = logs.often("evergrant.here")
    for number in range(logs._MOST_WAITING):
        say("call", number=number)
    assert len(_lines(json_sink)) == logs._MOST_WAITING
