"""Where requests and answers break a model; and the lever that tells of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator.asking import Asking
from amazon_emulator.faces.levers import contract as lever
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.models import (
    Contract,
    Described,
    Fault,
    faults_of_answer,
    faults_of_request,
    read,
)
from amazon_emulator.stage import Stage

Json = dict[str, Any]

JSON = {"content-type": "application/json; charset=utf-8"}

ITEM = {
    "type": "object",
    "required": ["sku"],
    "properties": {
        "sku": {"type": "string", "maxLength": 5, "pattern": "^[A-Z]+$"},
        "count": {"type": "integer", "format": "int32", "minimum": 1, "readOnly": True},
        "kind": {"type": "string", "enum": ["NEW", "USED"]},
        "at": {"type": "string", "format": "date-time"},
        "inside": {"$ref": "#/definitions/Item"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "closed": {"type": "object", "additionalProperties": False, "properties": {"a": {}}},
        "free": {"type": "object"},
        "either": {"oneOf": [{"type": "string"}, {"required": ["x"], "properties": {"x": {}}}]},
    },
}
BODY = {
    "allOf": [
        {"required": ["items"], "properties": {"items": {"$ref": "#/definitions/Items"}}},
        {"properties": {"note": {"type": "string"}}},
    ]
}  # fmt: skip
ITEMS = {"type": "array", "items": {"$ref": "#/definitions/Item"}, "maxItems": 2}
ANSWER = {
    "type": "object",
    "required": ["payload"],
    "properties": {"payload": {"$ref": "#/definitions/Item"}},
}
PARAMETERS = [
    {"name": "thingId", "in": "path", "required": True, "type": "string", "minLength": 2},
    {"name": "size", "in": "query", "type": "integer", "minimum": 1, "maximum": 100},
    {"name": "share", "in": "query", "type": "number", "maximum": 1},
    {"name": "deep", "in": "query", "type": "boolean"},
    {"name": "since", "in": "query", "type": "string", "format": "date-time"},
    {"name": "ids", "in": "query", "required": True, "type": "array", "maxItems": 2,
     "items": {"type": "string", "enum": ["A", "B", "C"]}},
    {"name": "many", "in": "query", "type": "array", "collectionFormat": "multi",
     "items": {"type": "integer"}},
    {"name": "X-Mode", "in": "header", "required": True, "type": "string", "enum": ["fast"]},
]  # fmt: skip

SECRET = "made-up-" + "street-1"


@pytest.fixture
def operations(tmp_path: Path) -> dict[str, Described]:
    body = {"name": "body", "in": "body", "required": True, "schema": BODY}
    empty = {"description": "", "schema": {"type": "object", "properties": {}}}
    content = {
        "swagger": "2.0",
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "definitions": {"Item": ITEM, "Items": ITEMS},
        "paths": {
            "/things/{thingId}": {
                "get": {
                    "operationId": "getThing",
                    "parameters": PARAMETERS,
                    "responses": {
                        "200": {"description": "", "schema": ANSWER},
                        "204": {"description": ""},
                        "400": empty,
                    },
                },
            },
            "/things": {
                "post": {
                    "operationId": "postThings",
                    "parameters": [body],
                    "responses": {"default": {"description": "", "schema": {}}},
                }
            },
        },
    }
    (tmp_path / "m.json").write_text(json.dumps(content))
    return {found.name: found for found in read(tmp_path).operations}


def get(*query: tuple[str, str], thing: str = "T1", mode: str | None = "fast") -> Asking:
    headers = {} if mode is None else {"x-mode": mode}
    return Asking("GET", {"thingId": thing}, query, headers)


def post(body: Any, headers: Json = JSON) -> Asking:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Asking("POST", {}, (), headers, content)


IDS = ("ids", "A,B")


class TestParameters:
    @pytest.mark.parametrize(
        "asking",
        [
            get(IDS),
            get(("ids", "A")),
            get(IDS, ("size", "100"), ("share", "0.5"), ("deep", "false")),
            get(IDS, ("share", "-1e-3")),
            get(IDS, ("since", "2026-01-01T00:00:00Z")),
            get(IDS, ("since", "2026-01-01T00:00:00.123+0100")),
            get(IDS, ("since", "2026-01-01")),
            get(IDS, ("since", "2026-01-01T10:00:00")),
            get(IDS, ("many", "1"), ("many", "2")),
            get(IDS, ("size", "")),
        ],
    )
    def test_what_the_model_allows_is_no_fault(
        self, operations: dict[str, Described], asking: Asking
    ) -> None:
        assert faults_of_request(operations["getThing"], asking) == []

    @pytest.mark.parametrize(
        ("asking", "where", "what", "kind"),
        [
            (get(), "query.ids", "is missing", "missing"),
            (get(("ids", "")), "query.ids", "is empty", "missing"),
            (get(IDS, mode=None), "header.X-Mode", "is missing", "missing"),
            (get(IDS, mode="slow"), "header.X-Mode", "must be fast", "value"),
            (get(IDS, thing="T"), "path.thingId", "must have at least 2 characters", "value"),
            (get(IDS, ("size", "0")), "query.size", "must be at least 1", "value"),
            (get(IDS, ("size", "101")), "query.size", "must be at most 100", "value"),
            (get(IDS, ("size", "5.5")), "query.size", "must be integer, is string", "value"),
            (get(IDS, ("size", "9" * 60)), "query.size", "must be integer, is string", "value"),
            (get(IDS, ("share", "2")), "query.share", "must be at most 1", "value"),
            (get(IDS, ("share", "nan")), "query.share", "must be number, is string", "value"),
            (get(IDS, ("deep", "True")), "query.deep", "must be boolean, is string", "value"),
            (get(IDS, ("since", "today")), "query.since", "must be of the format date-time",
             "value"),
            (get(IDS, ("since", "2026-13-01")), "query.since", "must be of the format date-time",
             "value"),
            (get(("ids", "A,D")), "query.ids[1]", "must be A, B or C", "value"),
            (get(("ids", "A,B,C")), "query.ids", "must have at most 2 entries", "value"),
            (get(IDS, ("size", "1"), ("size", "2")), "query.size",
             "is one value, but was given 2 times", "value"),
            (get(("ids", "A"), ("ids", "B")), "query.ids",
             "is one list (csv), but was given 2 times", "style"),
            (get(IDS, ("many", "1,2")), "query.many",
             "is to be repeated for each value, but came as one list with commas", "style"),
            (get(IDS, ("nope", SECRET)), "query.nope",
             "is not known to the model, which knows deep, ids, many, share, since, size",
             "unknown parameter"),
        ],
    )  # fmt: skip
    def test_fault_is_named_by_place_and_rule(
        self,
        operations: dict[str, Described],
        asking: Asking,
        where: str,
        what: str,
        kind: Any,
    ) -> None:
        assert faults_of_request(operations["getThing"], asking) == [Fault(where, what, kind)]

    def test_body_on_a_get(self, operations: dict[str, Described]) -> None:
        asking = Asking("GET", {"thingId": "T1"}, (IDS,), {"x-mode": "fast"}, b'{"a": 1}')
        (fault,) = faults_of_request(operations["getThing"], asking)
        assert (fault.where, fault.kind) == ("body", "body")

    def test_an_empty_object_on_a_get_is_mild(self, operations: dict[str, Described]) -> None:
        """Amazon's own SDK for Python sends one wherever the model has no body."""
        asking = Asking("GET", {"thingId": "T1"}, (IDS,), {"x-mode": "fast"}, b" {} ")
        (fault,) = faults_of_request(operations["getThing"], asking)
        assert (fault.where, fault.grave) == ("body", False)


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            {"items": []},
            {"items": [{"sku": "A", "count": 1, "at": "2026-01-01", "inside": {"sku": "B"}}]},
            {"items": [{"sku": "A", "labels": {"any": "x"}, "free": {"any": 1}}], "note": ""},
            {"items": [{"sku": "A", "either": "x"}, {"sku": "A", "either": {"x": 1}}]},
        ],
    )
    def test_what_the_model_allows_is_no_fault(
        self, operations: dict[str, Described], body: Any
    ) -> None:
        assert faults_of_request(operations["postThings"], post(body)) == []

    @pytest.mark.parametrize(
        ("item", "where", "what", "kind"),
        [
            ({}, "body.items[0].sku", "is missing", "missing"),
            ({"sku": 5}, "body.items[0].sku", "must be string, is integer", "value"),
            ({"sku": None}, "body.items[0].sku", "must be string, is null", "value"),
            ({"sku": "ABCDEF"}, "body.items[0].sku", "must have at most 5 characters", "value"),
            ({"sku": "a"}, "body.items[0].sku", "must match ^[A-Z]+$", "value"),
            ({"sku": "A", "count": 2**31}, "body.items[0].count", "must be at most 2147483647",
             "value"),
            ({"sku": "A", "count": True}, "body.items[0].count", "must be integer, is boolean",
             "value"),
            ({"sku": "A", "kind": SECRET}, "body.items[0].kind", "must be NEW or USED", "value"),
            ({"sku": "A", "inside": {"sku": "B", "inside": []}}, "body.items[0].inside.inside",
             "must be object, is array", "value"),
            ({"sku": "A", "labels": {"x": 1}}, "body.items[0].labels.x",
             "must be string, is integer", "value"),
            ({"sku": "A", "either": 5}, "body.items[0].either",
             "must fit exactly one of the shapes that the model allows", "value"),
            ({"sku": "A", "more": SECRET}, "body.items[0].more", "is not known to the model",
             "unknown field"),
            ({"sku": "A", "inside": {"sku": "B", "more": 1}}, "body.items[0].inside.more",
             "is not known to the model", "unknown field"),
        ],
    )  # fmt: skip
    def test_fault_is_named_by_place_and_rule(
        self, operations: dict[str, Described], item: Json, where: str, what: str, kind: Any
    ) -> None:
        faults = faults_of_request(operations["postThings"], post({"items": [item]}))
        assert Fault(where, what, kind) in faults
        assert {fault.kind for fault in faults} == {kind}
        assert SECRET not in repr(faults)

    def test_closed_object_tells_each_field_that_is_too_many(
        self, operations: dict[str, Described]
    ) -> None:
        body = {"items": [{"sku": "A", "closed": {"a": 1, "b": 2, "c": 3}}]}
        faults = faults_of_request(operations["postThings"], post(body))
        assert {f.where for f in faults} == {
            "body.items[0].closed.b",
            "body.items[0].closed.c",
        }
        assert {f.kind for f in faults} == {"unknown field"}

    def test_grave_faults_come_first(self, operations: dict[str, Described]) -> None:
        body = {"a": 1, "items": [{}], "z": 1}
        faults = faults_of_request(operations["postThings"], post(body))
        assert [fault.grave for fault in faults] == [True, False, False]

    @pytest.mark.parametrize(
        ("body", "headers", "where", "kind"),
        [
            (b"", JSON, "body", "missing"),
            (b"  ", JSON, "body", "missing"),
            (b"{'a'", JSON, "body", "body"),
            (b'{"items": [NaN]}', JSON, "body", "body"),
            (b'{"items": []}', {}, "header.content-type", "content type"),
            (b'{"items": []}', {"content-type": "text/plain"}, "header.content-type",
             "content type"),
            (b"[]", JSON, "body", "value"),
            (b"null", JSON, "body", "value"),
        ],
    )  # fmt: skip
    def test_body_as_a_whole(
        self,
        operations: dict[str, Described],
        body: bytes,
        headers: Json,
        where: str,
        kind: str,
    ) -> None:
        faults = faults_of_request(operations["postThings"], post(body, headers))
        assert [(f.where, f.kind) for f in faults] == [(where, kind)]

    @pytest.mark.parametrize("depth", [300, 900])
    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"items":', b"}")])
    def test_depth_is_a_fault_and_no_accident(
        self, operations: dict[str, Described], depth: int, opening: bytes, closing: bytes
    ) -> None:
        body = opening * depth + b"1" + closing * depth
        (fault,) = faults_of_request(operations["postThings"], post(body))
        assert (fault.where, fault.what) == ("body", "is nested too deeply")

    def test_faults_are_bounded_and_hold_no_long_names(
        self, operations: dict[str, Described]
    ) -> None:
        body = {"items": [], **{f"{'x' * 500}{n}\n": n for n in range(500)}}
        faults = faults_of_request(operations["postThings"], post(body))
        assert 0 < len(faults) <= 50
        assert max(len(f.where) for f in faults) < 100
        assert "\n" not in repr(faults).replace("\\n", "")


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "headers", "body", "faults"),
        [
            (200, {}, {"payload": {"sku": "A"}}, []),
            (200, {"Content-Type": "application/json"}, {"payload": {"sku": "A"}}, []),
            (204, {}, None, []),
            (200, {}, None, [("body", "body")]),
            (204, {}, {}, [("body", "body")]),
            (418, {}, {}, [("status", "status")]),
            (200, {}, {"payload": {}}, [("body.payload.sku", "missing")]),
            (200, {}, {"payload": {"sku": "A", "at": "2026-01-01"}},
             [("body.payload.at", "value")]),
            (200, {}, {"payload": {"sku": "A"}, "more": 1}, [("body.more", "unknown field")]),
            (200, {"content-type": "text/html"}, {"payload": {"sku": "A"}},
             [("header.content-type", "content type")]),
            (400, {}, {"errors": []}, []),
        ],
    )  # fmt: skip
    def test_answer_is_held_against_its_response(
        self,
        operations: dict[str, Described],
        status: int,
        headers: Json,
        body: Any,
        faults: list[tuple[str, str]],
    ) -> None:
        found = faults_of_answer(operations["getThing"], status, headers, body)
        assert [(f.where, f.kind) for f in found] == faults

    def test_default_response_stands_for_all_others(self, operations: dict[str, Described]) -> None:
        assert faults_of_answer(operations["postThings"], 503, {}, {"any": "thing"}) == []


class TestLever:
    @pytest.fixture
    def stage(self) -> Stage:
        return Stage.fresh(gentle=True, seed=1, start=datetime(2026, 1, 1, tzinfo=UTC))

    def pull(
        self, stage: Stage, body: Json | None = None, query: dict[str, str] | None = None
    ) -> Json:
        wish = Wish(body or {}, {}, query or {})
        if body is not None:
            return lever.set_contract(stage, wish)
        return lever.contract(stage, wish)

    def fill(self, stage: Stage, operations: dict[str, Described]) -> None:
        contract = Contract.of(stage)
        getting, posting = operations["getThing"], operations["postThings"]
        missing = [Fault("query.ids", "is missing", "missing")]
        unknown = [Fault("body.x", "is not known to the model", "unknown field")]
        now = datetime(2026, 1, 1, tzinfo=UTC)
        contract.tell(now, getting, "/things/T1", "sdk-one/1.0", "request", missing)
        contract.tell(now, posting, "/things", "sdk-two/1.0", "request", unknown)
        contract.tell(now, getting, "/things/T2", None, "answer", unknown)

    def test_mode_is_that_of_the_start_again_after_a_reset(self, stage: Stage) -> None:
        assert self.pull(stage)["mode"] == "off"
        assert self.pull(stage, {"mode": "refuse"})["mode"] == "refuse"
        assert self.pull(stage)["mode"] == "refuse"
        stage.reset()
        assert self.pull(stage)["mode"] == "off"
        stage.contract_mode = "report"
        stage.reset()
        assert self.pull(stage)["mode"] == "report"
        assert self.pull(stage, {"mode": "off"})["mode"] == "off"
        assert self.pull(stage)["mode"] == "off"

    def test_breaches_are_counted_and_filtered(
        self, stage: Stage, operations: dict[str, Described]
    ) -> None:
        self.fill(stage, operations)
        told = self.pull(stage)
        assert told["counts"] == {
            "getThing": {"request": 1, "answer": 1},
            "postThings": {"request": 1, "answer": 0},
        }
        assert told["count"] == 3
        assert told["breaches"][0] == {
            "at": "2026-01-01T00:00:00.000Z",
            "operation": "getThing",
            "method": "GET",
            "path": "/things/T1",
            "user_agent": "sdk-one/1.0",
            "side": "request",
            "faults": [{"where": "query.ids", "what": "is missing", "kind": "missing"}],
        }
        filters: tuple[tuple[dict[str, str], list[str]], ...] = (
            ({"operation": "getThing"}, ["/things/T1", "/things/T2"]),
            ({"side": "answer"}, ["/things/T2"]),
            ({"kind": "unknown field"}, ["/things", "/things/T2"]),
            ({"user_agent": "sdk-two"}, ["/things"]),
            ({"path": "/things/T1", "side": "answer"}, []),
            ({"limit": "1"}, ["/things/T2"]),
            ({"limit": "0"}, []),
        )
        for query, paths in filters:
            assert [b["path"] for b in self.pull(stage, query=query)["breaches"]] == paths
        json.dumps(told)

    def test_breaches_are_bounded_but_counted_all(
        self, stage: Stage, operations: dict[str, Described]
    ) -> None:
        for _ in range(400):
            self.fill(stage, operations)
        told = self.pull(stage, query={"limit": "5000"})
        assert told["count"] == len(told["breaches"]) == 1_000
        assert told["counts"]["getThing"] == {"request": 400, "answer": 400}

    def test_forgetting_keeps_the_mode(
        self, stage: Stage, operations: dict[str, Described]
    ) -> None:
        self.pull(stage, {"mode": "report"})
        self.fill(stage, operations)
        assert lever.forget_breaches(stage, Wish({})) == {"forgotten": 3}
        told = self.pull(stage)
        assert (told["mode"], told["counts"], told["breaches"]) == ("report", {}, [])

    @pytest.mark.parametrize(
        ("body", "query"),
        [
            ({"mode": "loud"}, {}),
            ({}, {}),
            ({"mode": "off", "more": 1}, {}),
            (None, {"limit": "-1"}),
            (None, {"limit": "x"}),
            (None, {"nope": "1"}),
        ],
    )
    def test_wrong_wish_is_told(self, stage: Stage, body: Json | None, query: Json) -> None:
        with pytest.raises(WrongWish):
            self.pull(stage, body, query)
