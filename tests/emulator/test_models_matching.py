"""Which canned answer a request gets: odd shapes of cases, spellings of requests, priorities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_emulator.asking import Asking
from amazon_emulator.models import Canned, Described, answer, read
from amazon_emulator.models.matching import ask_the_same

Json = dict[str, Any]

PARAMETERS = [
    {"name": "thingId", "in": "path", "required": True, "type": "string"},
    {"name": "ids", "in": "query", "type": "array", "items": {"type": "string"}},
    {"name": "skus", "in": "query", "type": "array", "collectionFormat": "pipes", "items": {}},
    {"name": "since", "in": "query", "type": "string"},
    {"name": "size", "in": "query", "type": "integer"},
    {"name": "deep", "in": "query", "type": "boolean"},
    {"name": "X-Mode", "in": "header", "type": "string"},
]
BODY = {
    "name": "payload",
    "in": "body",
    "schema": {"type": "object", "properties": {"parcel": {"type": "object"}}},
}


def case(parameters: Any = None, response: Any = None, **rest: Any) -> Json:
    made: Json = {"request": {"parameters": {} if parameters is None else parameters}}
    if response is not None:
        made["response"] = response
    return {**made, **rest}


def described(
    tmp_path: Path,
    responses: dict[str, Any],
    *,
    body: bool = False,
    method: str = "get",
    item: Json | None = None,
    schemas: dict[str, Json] | None = None,
    **rest: Any,
) -> Described:
    """An operation with a list of cases for each status; a dict is the response as it is."""
    written = {}
    for status, cases in responses.items():
        given = cases if isinstance(cases, dict) else {"x-amzn-api-sandbox": {"static": cases}}
        written[status] = {"description": "", **given}
        if schemas and status in schemas:
            written[status]["schema"] = schemas[status]
    parameters = [*PARAMETERS, BODY] if body else PARAMETERS
    operation = {"operationId": "op", "parameters": parameters, "responses": written, **rest}
    path = {"/things/{thingId}": {method: operation, **(item or {})}}
    (tmp_path / "m.json").write_text(json.dumps({"swagger": "2.0", "paths": path}))
    (found,) = read(tmp_path).operations
    return found


def ask(*query: tuple[str, str], thing: str = "T1", body: Any = b"", **headers: str) -> Asking:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asking("GET", {"thingId": thing}, query, given, content)


def told(canned: Canned) -> Any:
    return canned.body["is"] if canned.how == "case" else canned.how


def is_(name: str) -> Json:
    return {"is": name}


class TestParameters:
    @pytest.mark.parametrize("wrapped", [True, False])
    @pytest.mark.parametrize(
        ("name", "value", "fitting", "other"),
        [
            ("thingId", "T2", ask(thing="T2"), ask(thing="t2")),
            ("since", "2026-01-01", ask(("since", "2026-01-01")), ask(("since", "2026-01-02"))),
            ("since", "a,b", ask(("since", "a,b")), ask(("since", "b,a"))),
            ("size", 5, ask(("size", "5")), ask(("size", "6"))),
            ("size", "5", ask(("size", "5")), ask(("size", ""))),
            ("size", 5.0, ask(("size", "5")), ask()),
            ("deep", True, ask(("deep", "true")), ask(("deep", "1"))),
            ("deep", "true", ask(("deep", "true")), ask(("deep", "false"))),
            ("X-Mode", "fast", ask(x_mode="fast"), ask(x_mode="slow")),
            ("ids", ["a", "b"], ask(("ids", "a,b")), ask(("ids", "a"))),
            ("ids", ["a", "b"], ask(("ids", "b"), ("ids", "a")), ask(("ids", "a"), ("ids", "a"))),
            ("ids", ["a", "b"], ask(("ids", "b,a")), ask(("ids", "a,b,c"))),
            ("ids", "a,b", ask(("ids", "b"), ("ids", "a")), ask(("ids", "a b"))),
            ("ids", "a", ask(("ids", "a")), ask()),
            ("ids", [1, 2], ask(("ids", "2,1")), ask(("ids", "3"))),
            ("ids", ["a,b"], ask(("ids", "a,b")), ask(("ids", "c"))),
            ("skus", ["a,1", "b"], ask(("skus", "a,1|b")), ask(("skus", "a|1|b"))),
            ("since", None, ask(), ask(("since", "now"))),
            ("undeclared", "x", ask(("undeclared", "x")), ask(("undeclared", "y"))),
            ("undeclared", ["x", "y"], ask(("undeclared", "y,x")), ask()),
            ("x-undeclared", "x", ask(x_undeclared="x"), ask(("x-Undeclared", "x"))),
        ],
    )
    def test_value_is_compared_as_it_travels(
        self, tmp_path: Path, name: str, value: Any, fitting: Asking, other: Asking, wrapped: bool
    ) -> None:
        found = described(
            tmp_path, {"200": [case({name: {"value": value} if wrapped else value}, is_("it"))]}
        )
        assert told(answer(found, fitting)) == "it"
        assert told(answer(found, other)) == "none"

    def test_parameters_that_a_case_does_not_name_do_not_hinder(self, tmp_path: Path) -> None:
        found = described(tmp_path, {"200": [case({"size": {"value": 5}}, is_("it"))]})
        more = ask(("size", "5"), ("since", "now"), ("and", "more"), x_mode="fast", body={"a": 1})
        assert told(answer(found, more)) == "it"

    @pytest.mark.parametrize("written", ["500", "500.0", "500.00", "5e2"])
    def test_numbers_are_compared_as_numbers(self, tmp_path: Path, written: str) -> None:
        found = described(tmp_path, {"200": [case({"size": {"value": 500.0}}, is_("it"))]})
        assert told(answer(found, ask(("size", written)))) == "it"
        assert told(answer(found, ask(("size", "500.01")))) == "none"
        assert told(answer(found, ask(("size", "NaN")))) == "none"

    def test_parameter_named_without_a_value_is_any(self, tmp_path: Path) -> None:
        found = described(tmp_path, {"200": [case({"since": {}}, is_("it"))]})
        assert told(answer(found, ask())) == "it"

    @pytest.mark.parametrize("written", [{}, {"request": None}, {"request": {}}, case({})])
    def test_case_without_parameters_matches_anything(self, tmp_path: Path, written: Json) -> None:
        found = described(tmp_path, {"200": [{**written, "response": is_("it")}]})
        assert told(answer(found, ask(("what", "ever"), body=b"no json"))) == "it"

    @given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5), st.randoms())
    def test_order_and_spelling_of_a_list_never_matter(
        self, tmp_path_factory: pytest.TempPathFactory, values: list[str], dice: Any
    ) -> None:
        found = described(
            tmp_path_factory.mktemp("m"), {"200": [case({"ids": {"value": values}}, is_("it"))]}
        )
        mixed = list(values)
        dice.shuffle(mixed)
        cut = dice.randint(0, len(mixed))
        query = [("ids", value) for value in mixed[:cut]]
        if mixed[cut:]:
            query.append(("ids", ",".join(mixed[cut:])))
        assert told(answer(found, ask(*query))) == "it"
        assert told(answer(found, ask(*query, ("ids", "e")))) == "none"


class TestBodies:
    @pytest.mark.parametrize("name", ["body", "payload"])
    @pytest.mark.parametrize(
        ("written", "fitting", "other"),
        [
            ({"value": {"a": 1, "b": [1, 2]}}, {"b": [1, 2], "a": 1}, {"a": 1}),
            (
                {"value": {"a": 1, "b": [1, 2]}},
                {"a": "1", "b": [2, 1]},
                {"a": 1, "b": [1, 2], "c": 1},
            ),
            ({"value": {"a": True}}, {"a": "true"}, {"a": 1}),
            ({"value": {"a": None}}, {"a": None}, {}),
            ({"value": [{"a": 1}]}, [{"a": 1}], {"a": 1}),
            ({"value": '{"a": [1]}'}, {"a": [1]}, {"a": [2]}),
            ({"value": {}}, {}, {"a": 1}),
            ({"value": {}}, b"", {"a": 1}),
            ({"a": 1, "b": {"value": 2}}, {"a": 1, "b": 2}, {"a": 1}),
            ({"value": {"a": 1}}, {"a": 1.0}, b"{'a': 1}"),
        ],
    )
    def test_body_is_compared_as_a_value(
        self, tmp_path: Path, name: str, written: Any, fitting: Any, other: Any
    ) -> None:
        found = described(tmp_path, {"200": [case({name: written}, is_("it"))]}, body=True)
        assert told(answer(found, ask(body=fitting))) == "it"
        assert told(answer(found, ask(body=other))) == "none"

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"a": 1}', b"not json"])
    @pytest.mark.parametrize("takes_body", [True, False])
    def test_empty_body_is_any_body(self, tmp_path: Path, body: bytes, takes_body: bool) -> None:
        found = described(tmp_path, {"200": [case({"body": {}}, is_("it"))]}, body=takes_body)
        assert told(answer(found, ask(body=body))) == "it"

    @pytest.mark.parametrize("depth", [300, 900])
    def test_deep_body_matches_nothing(self, tmp_path: Path, depth: int) -> None:
        found = described(tmp_path, {"200": [case({"body": {"value": {"a": 1}}}, is_("it"))]})
        assert told(answer(found, ask(body=b"[" * depth + b"]" * depth))) == "none"

    def test_parameters_below_body_are_parameters(self, tmp_path: Path) -> None:
        below = {"thingId": "T7", "parcel": {"value": {"kg": 1}}}
        found = described(tmp_path, {"200": [case({"body": below}, is_("it"))]}, body=True)
        assert told(answer(found, ask(thing="T7", body={"parcel": {"kg": 1}}))) == "it"
        assert told(answer(found, ask(thing="T8", body={"parcel": {"kg": 1}}))) == "none"
        assert told(answer(found, ask(thing="T7", body={**below, "parcel": {"kg": 1}}))) == "none"

    def test_body_beside_the_parameters_counts_too(self, tmp_path: Path) -> None:
        written = {
            "request": {"parameters": {}, "body": {"value": {"a": 1}}},
            "response": is_("it"),
        }
        found = described(tmp_path, {"200": [written]}, body=True)
        assert told(answer(found, ask(body={"a": 1}))) == "it"
        assert told(answer(found, ask(body={"a": 2}))) == "none"

    def test_body_counts_where_the_model_forgot_to_declare_one(self, tmp_path: Path) -> None:
        found = described(tmp_path, {"200": [case({"body": {"value": {"a": 1}}}, is_("it"))]})
        assert told(answer(found, ask(body={"a": 1}))) == "it"
        assert told(answer(found, ask())) == "none"


class TestPriorities:
    def test_more_parameters_win_then_success_then_the_order_of_the_file(
        self, tmp_path: Path
    ) -> None:
        found = described(
            tmp_path,
            {
                "400": [case({"size": {"value": 5}}, is_("error")), case({}, is_("any error"))],
                "200": [
                    case({}, is_("any")),
                    case({"size": {"value": 5}}, is_("size")),
                    case({"since": {"value": "now"}}, is_("since")),
                    case({"size": {"value": 5}, "since": {"value": "now"}}, is_("both")),
                ],
            },
        )
        assert told(answer(found, ask())) == "any"
        assert told(answer(found, ask(("size", "5")))) == "size"
        assert told(answer(found, ask(("since", "now"), ("size", "6")))) == "since"
        assert told(answer(found, ask(("since", "now"), ("size", "5")))) == "both"

    def test_body_to_the_letter_wins_over_another_spelling_and_over_any(
        self, tmp_path: Path
    ) -> None:
        found = described(
            tmp_path,
            {
                "200": [
                    case({"body": {}}, is_("any")),
                    case({"body": {"value": {"n": 1}}}, is_("number")),
                ],
                "400": [case({"body": {"value": {"n": "1"}}}, is_("text"))],
            },
            body=True,
        )
        assert told(answer(found, ask(body={"n": 1}))) == "number"
        assert told(answer(found, ask(body={"n": "1"}))) == "text"
        assert told(answer(found, ask(body={"n": 2}))) == "any"

    def test_twins_are_found_and_reached_by_name(self, tmp_path: Path) -> None:
        found = described(
            tmp_path,
            {
                "200": [case({"ids": {"value": ["a", "b"]}}, is_("first"))],
                "400": [
                    case({"ids": {"value": "b,a"}}, is_("second")),
                    case({"ids": ["b", "a"]}, is_("third")),
                    case({"ids": ["a"]}, is_("alone")),
                ],
            },
        )
        (group,) = ask_the_same(found)
        assert [one.body["is"] for one in group] == ["first", "second", "third"]
        asking = ask(("ids", "a,b"))
        assert told(answer(found, asking)) == "first"
        assert told(answer(found, asking, wanted="400")) == "second"
        assert told(answer(found, asking, wanted=" 400/2 ")) == "third"
        assert told(answer(found, asking, wanted="200/1")) == "first"
        assert told(answer(found, ask(), wanted="400/3")) == "alone"

    def test_what_is_not_there_is_told_with_what_is(self, tmp_path: Path) -> None:
        found = described(tmp_path, {"200": [case({}, is_("a")), case({}, is_("b"))], "404": []})
        for wanted in ("200/3", "200/0", "300", "all", "200/x", "²"):
            said = answer(found, ask(), wanted=wanted)
            assert (said.status, said.how) == (400, "none")
            (error,) = said.body["errors"]
            assert error["code"] == "InvalidInput"
            assert error["details"].endswith("op has no case of that name; it has: 200, 200/2, 404")
        assert told(answer(found, ask(), wanted="")) == "a"

    def test_declared_status_without_a_case_can_be_wanted(self, tmp_path: Path) -> None:
        errors = {"type": "object", "required": ["errors"], "properties": {"errors": {}}}
        found = described(
            tmp_path, {"200": [case({}, is_("a"))], "429": []}, schemas={"429": errors}
        )
        said = answer(found, ask(), wanted="429")
        assert (said.status, said.how) == (429, "example")
        assert said.body["errors"][0]["code"] == "QuotaExceeded"


class TestAnswers:
    def test_no_match_has_amazons_shape(self, tmp_path: Path) -> None:
        found = described(tmp_path, {"200": [case({"size": {"value": 5}}, is_("it"))]})
        said = answer(found, ask())
        assert (said.status, said.how, said.headers) == (400, "none", {})
        assert said.body == {
            "errors": [
                {
                    "code": "InvalidInput",
                    "message": "Could not match input arguments",
                    "details": "",
                }
            ]
        }

    def test_case_without_response_has_no_body_or_one_of_the_schema(self, tmp_path: Path) -> None:
        schema = {"type": "object", "required": ["n"], "properties": {"n": {"minimum": 3}}}
        found = described(
            tmp_path,
            {"200": [case({"size": {"value": 1}})], "202": [case({"size": {"value": 2}})],
             "204": [case({"size": {"value": 3}}, {})]},
            schemas={"202": schema, "204": schema},
        )  # fmt: skip
        bodies = [answer(found, ask(("size", str(size)))).body for size in (1, 2, 3)]
        assert bodies == [None, {"n": 3}, None]

    def test_headers_of_a_case_travel(self, tmp_path: Path) -> None:
        headers = {"Location": "https://example.com/1", "X-Count": {"value": 5}}
        found = described(tmp_path, {"201": [case({}, is_("it"), responseHeaders=headers)]})
        said = answer(found, ask())
        assert said.status == 201
        assert said.headers == {"Location": "https://example.com/1", "X-Count": "5"}

    def test_older_spelling_is_read_like_the_new_one(self, tmp_path: Path) -> None:
        old = [case({"size": {"value": 5}}, is_("old"))]
        new = {"static": [case({"size": {"value": 6}}, is_("new"))]}
        found = described(
            tmp_path,
            {"200": {"x-amazon-spds-sandbox-behaviors": old, "x-amzn-api-sandbox": new}},
        )
        assert told(answer(found, ask(("size", "5")))) == "old"
        assert told(answer(found, ask(("size", "6")))) == "new"
        assert [one.older for one in found.cases] == [False, True]

    @pytest.mark.parametrize("where", ["operation", "item"])
    @pytest.mark.parametrize("key", ["x-amzn-api-sandbox", "x-amazon-spds-sandbox-behaviors"])
    def test_cases_may_hang_on_the_operation_or_the_path(
        self, tmp_path: Path, where: str, key: str
    ) -> None:
        cases: Any = [
            case({"size": {"value": 1}}, is_("fine")),
            case({"size": {"value": 2}}, {"errors": [{"code": "x"}], "is": "bad"}),
            case({"size": {"value": 3}}, is_("told"), statusCode=409),
        ]
        holder = {key: {"static": cases} if key.startswith("x-amzn") else cases}
        item = holder if where == "item" else None
        rest: dict[str, Any] = holder if where == "operation" else {}
        found = described(
            tmp_path, {"404": {}, "201": {}, "400": {}, "default": {}}, item=item, **rest
        )
        said = [answer(found, ask(("size", str(size)))) for size in (1, 2, 3)]
        assert [(told(one), one.status) for one in said] == [
            ("fine", 201),
            ("bad", 400),
            ("told", 409),
        ]

    def test_broken_cases_are_passed_over(self, tmp_path: Path) -> None:
        cases: list[Any] = ["no", None, 5, case({}, is_("it"))]
        found = described(tmp_path, {"200": cases, "default": {"x-amzn-api-sandbox": []}})
        assert told(answer(found, ask())) == "it"
        assert len(found.cases) == 1
