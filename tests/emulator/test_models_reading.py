"""Finding and reading models: any folder, odd and broken files, plans, values from schemas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from amazon_emulator.asking import Asking
from amazon_emulator.models import Described, Library, ModelsUnreadable, answer, find_folder, read
from amazon_emulator.models.document import Dangling, Document
from amazon_emulator.models.examples import example_of, example_response
from amazon_emulator.models.patterns import text_for
from amazon_emulator.models.plans import plan_of

Json = dict[str, Any]

OK = {"200": {"description": "Success."}}


def model(paths: Json, **rest: Any) -> Json:
    return {"swagger": "2.0", "info": {"title": "Made up"}, "paths": paths, **rest}


def operation(name: str = "getThing", **rest: Any) -> Json:
    return {"operationId": name, "responses": OK, **rest}


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(text)
    return path


def library(folder: Path, *contents: Json) -> Library:
    for number, content in enumerate(contents):
        write(folder, f"m{number}.json", content)
    return read(folder)


def only(folder: Path, content: Json) -> Described:
    (found,) = library(folder, content).operations
    return found


SMALL = model({"/things": {"get": operation()}})


class TestFinding:
    def test_named_folder_wins_over_all_else(self, tmp_path: Path) -> None:
        write(tmp_path, "named/a.json", SMALL)
        write(tmp_path, "other/a.json", SMALL)
        environ = {"AMAZON_EMULATOR_MODELS": str(tmp_path / "other")}
        assert find_folder(tmp_path / "named", environ, [tmp_path]) == tmp_path / "named"
        assert find_folder(None, environ, [tmp_path]) == tmp_path / "other"

    @pytest.mark.parametrize("shape", ["models/x-model/x.json", "x-model/x.json", "x.json"])
    def test_root_models_and_one_models_own_folder_are_all_taken(
        self, tmp_path: Path, shape: str
    ) -> None:
        path = write(tmp_path, shape, SMALL)
        found = find_folder(tmp_path, {}, [])
        assert found is not None
        assert path.is_relative_to(found)
        assert [o.name for o in read(found).operations] == ["getThing"]

    def test_root_of_a_repository_means_its_models(self, tmp_path: Path) -> None:
        write(tmp_path, "models/x/x.json", SMALL)
        write(tmp_path, "clients/copies/x.json", SMALL)
        assert find_folder(tmp_path, {}, []) == tmp_path / "models"

    @pytest.mark.parametrize("how", ["--models", "AMAZON_EMULATOR_MODELS"])
    @pytest.mark.parametrize("what", ["empty", "missing"])
    def test_named_folder_without_models_is_an_error(
        self, tmp_path: Path, how: str, what: str
    ) -> None:
        folder = tmp_path / what
        if what == "empty":
            write(folder, "package.json", {"name": "no model", "swagger": "is only mentioned"})
        given = folder if how == "--models" else None
        with pytest.raises(ModelsUnreadable, match=how):
            find_folder(given, {"AMAZON_EMULATOR_MODELS": str(folder)}, [])

    @pytest.mark.parametrize(
        "place", ["selling-partner-api-models/models", "amazon-models/models", "amazon-models"]
    )
    @pytest.mark.parametrize("beside", ["", "vendor"])
    def test_usual_names_are_found_here_above_and_in_children(
        self, tmp_path: Path, place: str, beside: str
    ) -> None:
        folder = tmp_path / beside / place
        write(folder, "x-model/x.json", SMALL)
        deep = tmp_path / "one" / "two"
        deep.mkdir(parents=True)
        assert find_folder(None, {}, [deep]) == folder

    def test_folder_with_the_name_but_without_models_is_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "here" / "amazon-models").mkdir(parents=True)
        write(tmp_path, "amazon-models/x.json", SMALL)
        assert find_folder(None, {}, [tmp_path / "here"]) == tmp_path / "amazon-models"

    def test_nothing_is_none(self, tmp_path: Path) -> None:
        # Not `is None`: the machine may have models in the folders above.
        found = find_folder(None, {"AMAZON_EMULATOR_MODELS": " "}, [tmp_path])
        assert found is None or not found.is_relative_to(tmp_path)


class TestReading:
    def test_operation_is_described_in_full(self, tmp_path: Path) -> None:
        content = model(
            {
                "/things/{thingId}": {
                    "parameters": [
                        {"$ref": "#/parameters/thingId"},
                        {"name": "expand", "in": "query", "type": "string"},
                    ],
                    "put": operation(
                        "putThing",
                        description="Puts.\n\n| Rate (requests per second) | Burst |\n"
                        "| ---- | ---- |\n| 0.5 | 30 |",
                        deprecated=True,
                        consumes=["text/xml"],
                        parameters=[
                            {"name": "expand", "in": "query", "type": "integer"},
                            {"name": "body", "in": "body", "schema": {"type": "object"}},
                        ],
                        responses={
                            "200": {"$ref": "#/responses/Fine"},
                            "404": {"description": "None."},
                        },
                        **{"x-amzn-api-sandbox-only": True},
                    ),
                }
            },
            basePath="/base/",
            produces=["application/json"],
            consumes=["application/json"],
            parameters={
                "thingId": {"name": "thingId", "in": "path", "required": True, "type": "string"}
            },
            responses={
                "Fine": {
                    "description": "Fine.",
                    "schema": {"type": "object"},
                    "headers": {"x-amzn-RateLimit-Limit": {"type": "string"}},
                }
            },
        )
        found = only(tmp_path, content)
        assert (found.name, found.method) == ("putThing", "PUT")
        assert (found.path, found.model) == ("/base/things/{thingId}", "m0.json")
        assert [(p.name, p.place, p.required) for p in found.parameters] == [
            ("thingId", "path", True),
            ("expand", "query", False),
            ("body", "body", False),
        ]
        assert found.parameters[1].rules["type"] == "integer", "the operation's own word counts"
        assert (found.consumes, found.produces) == (("text/xml",), ("application/json",))
        assert (found.plan, found.deprecated, found.sandbox_only) == ((0.5, 30), True, True)
        assert found.responses["200"].schema == {"type": "object"}
        assert found.rate_limited == {200}
        assert not found.greedy

    def test_greedy_parameter_and_dynamic_mark(self, tmp_path: Path) -> None:
        greedy = {
            "name": "resource",
            "in": "path",
            "required": True,
            "type": "string",
            "x-amazon-spds-greedy-path-parameter": True,
        }
        content = model(
            {
                "/uploads/{resource}": {
                    "post": operation("upload", parameters=[greedy]),
                    "x-amzn-api-sandbox": {"dynamic": {}},
                },
                "/other": {"get": operation("other", **{"x-amzn-api-sandbox": {"dynamic": {}}})},
                "/plain": {"get": operation("plain")},
            }
        )
        upload, other, plain = library(tmp_path, content).operations
        assert (upload.greedy, upload.dynamic) == (True, True)
        assert (other.dynamic, plain.dynamic) == (True, False)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b'{"swagger": "2.0", "paths": {', "no JSON.*line 1"),
            (b'{"swagger": "2.0", "paths": "\xff"}', "UTF-8"),
            (b'{"swagger": "1.2", "paths": {}}', "Swagger 1.2"),
            (b'{"openapi": "3.0.1", "paths": {}}', "OpenAPI 3.0.1"),
            (b'{"swagger": "2.0", "paths": []}', "no paths"),
            (b'{"swagger": "2.0", "paths": ' + b"[" * 200_000, "deeply"),
        ],
    )
    def test_broken_file_is_named_and_the_others_are_read(
        self, tmp_path: Path, content: bytes, words: str
    ) -> None:
        write(tmp_path, "a/broken.json", content)
        write(tmp_path, "b/good.json", SMALL)
        shelf = read(tmp_path)
        assert [o.model for o in shelf.operations] == ["b/good.json"]
        assert shelf.models == ("b/good.json",)
        ((name, told),) = shelf.unreadable
        assert name == "a/broken.json"
        assert re.search(words, told), told

    def test_file_that_may_not_be_opened_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, "a.json", SMALL)
        write(tmp_path, "b.json", SMALL)
        plain = Path.read_bytes

        def refuse(path: Path) -> bytes:
            if path.name == "a.json":
                raise PermissionError(13, "Permission denied")
            return plain(path)

        monkeypatch.setattr(Path, "read_bytes", refuse)
        shelf = read(tmp_path)
        assert shelf.models == ("b.json",)
        assert shelf.unreadable == (("a.json", "cannot be opened: Permission denied"),)

    def test_other_json_is_no_business_of_ours(self, tmp_path: Path) -> None:
        write(tmp_path, "package.json", {"paths": {}, "dependencies": {"swagger": "1"}})
        write(tmp_path, "list.json", ["swagger", "paths"])
        shelf = read(tmp_path)
        assert (shelf.models, shelf.unreadable, shelf.operations) == ((), (), ())

    def test_missing_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ModelsUnreadable):
            read(tmp_path / "none")

    def test_first_file_keeps_a_place_and_the_second_is_told(self, tmp_path: Path) -> None:
        first = model({"/things/{a}": {"get": operation("first")}})
        second = model({"/things/{b}": {"get": operation("second"), "put": operation("put")}})
        shelf = library(tmp_path, first, second)
        assert [o.name for o in shelf.operations] == ["first", "put"]
        ((name, words),) = shelf.doubled
        assert name == "m1.json"
        assert "m0.json" in words
        assert "second" in words

    def test_slips_of_an_author_are_told_and_cost_only_themselves(self, tmp_path: Path) -> None:
        content = model(
            {
                "/things/{thingId}": {
                    "get": operation(
                        parameters=[
                            {"$ref": "#/parameters/none"},
                            {"in": "query"},
                            "nothing",
                            {"name": "q", "in": "query", "type": "string"},
                        ],
                        responses={"200": {"$ref": "#/responses/circle"}, "400": None},
                    ),
                    "put": "no operation",
                },
                "/bad": None,
                "x-extension": {},
            },
            responses={"circle": {"$ref": "#/responses/circle"}},
        )
        shelf = library(tmp_path, content)
        (found,) = shelf.operations
        assert {p.name for p in found.parameters} == {"thingId", "q"}
        told = " / ".join(words for _, words in shelf.unreadable)
        for wanted in ("#/parameters/none", "#/responses/circle", "PUT", "thingId", "/bad"):
            assert wanted in told
        assert shelf.models == ("m0.json",)
        assert answer(found, Asking("GET")).status == 200

    def test_references_may_circle_and_escape(self) -> None:
        document = Document(
            {"a/b": {"c~d": [{"x": 1}]}, "circle": {"$ref": "#/loop"}, "loop": {"$ref": "#/circle"}}
        )
        assert document.at("#/a~1b/c~0d/0/x") == 1
        for wrong in ("#/a", "other.json#/a", "#/a~1b/c~0d/1", "#/circle"):
            with pytest.raises(Dangling):
                document.resolved({"$ref": wrong})


@pytest.mark.parametrize(
    ("rows", "plan"),
    [
        (["| Rate (requests per second) | Burst |", "| ---- | ---- |", "| 0.0167 | 20 |"],
         (0.0167, 20)),
        (["|Plan type|Rate (requests per second)|Burst|", "|---|---|---|",
          "|Selling partner specific|Variable|Variable|", "|Default| 5 | 10 |"], (5.0, 10)),
        (["|Plan type|Rate|Burst|", "|---|---|---|", "|Other|1|2|", "|**Default**|**5**|10|"],
         (5.0, 10)),
        (["Rate (requests per second) | Burst", "---|---", "1|1"], (1.0, 1)),
        (["| Rate (requests per second) | Burst |", "| ---- | ---- |", "| n | n |"], None),
        (["| Rate (requests per second) | Burst |", "| ---- | ---- |", "| 0 | 5 |"], None),
        (["| Rate (requests per second) | Burst |", "| ---- | ---- |", "| 5 |"], None),
        (["| Name | Value |", "| a | 1 |"], None),
        (["No table."], None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_plan_of_a_description(
    rows: list[str], plan: tuple[float, int] | None, newline: str
) -> None:
    assert plan_of(newline.join(["Returns things.", "", *rows, "", "The `header` | more."])) == plan


def test_plan_of_nothing() -> None:
    assert plan_of(None) is None
    assert plan_of(7) is None


class TestExamples:
    def test_models_own_example_comes_first(self, tmp_path: Path) -> None:
        schema = {
            "type": "object",
            "properties": {"payload": {"$ref": "#/definitions/Thing"}, "errors": {"type": "array"}},
        }
        things = {
            "Thing": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
        }
        shapes: tuple[tuple[Json, Json], ...] = (
            ({"application/json": {"payload": {"n": 5}}}, {"payload": {"n": 5}}),
            ({"application/json": {"n": 5}}, {"payload": {"n": 5}}),  # the wrapper was forgotten
            ({"application/json": {"payload": {"n": "5"}}}, {"payload": {"n": 0}}),  # not valid
            ({}, {"payload": {"n": 0}}),
        )
        for number, (examples, wanted) in enumerate(shapes):
            response = {"description": "", "schema": schema, "examples": examples}
            content = model(
                {"/x": {"get": operation(responses={"200": response})}}, definitions=things
            )
            said = answer(only(tmp_path / str(number), content), Asking("GET"))
            assert (said.status, said.body, said.how) == (200, wanted, "example")

    def test_errors_are_as_amazon_writes_them(self, tmp_path: Path) -> None:
        errors = {
            "type": "object",
            "required": ["errors"],
            "properties": {"errors": {"type": "array", "items": {"$ref": "#/definitions/Error"}}},
        }
        error = {"type": "object", "required": ["code", "message"],
                 "properties": {"code": {}, "message": {"type": "string"}}}  # fmt: skip
        responses = {"202": {"description": ""}, "404": {"description": "", "schema": errors}}
        content = model(
            {"/x": {"get": operation(responses=responses)}}, definitions={"Error": error}
        )
        found = only(tmp_path, content)
        assert (
            example_response(found, 404, found.responses["404"])["errors"][0]["code"] == "NotFound"
        )
        assert (answer(found, Asking("GET")).status, answer(found, Asking("GET")).body) == (
            202,
            None,
        )

    def test_schema_that_contains_itself_ends(self) -> None:
        definitions = {
            "Tree": {
                "type": "object",
                "required": ["name", "branches"],
                "properties": {
                    "name": {"type": "string"},
                    "branches": {"type": "array", "items": {"$ref": "#/definitions/Tree"}},
                    "parent": {"$ref": "#/definitions/Tree"},
                },
            },
            "Endless": {
                "type": "object",
                "required": ["inner"],
                "properties": {"inner": {"$ref": "#/definitions/Endless"}},
            },
            "Circle": {"allOf": [{"$ref": "#/definitions/Circle"}]},
        }
        document = Document({"definitions": definitions})
        assert example_of(document, {"$ref": "#/definitions/Tree"}) == {
            "name": "text",
            "branches": [],
        }
        assert example_of(document, {"$ref": "#/definitions/Endless"}) is None
        assert example_of(document, {"$ref": "#/definitions/Circle"}) is None

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "string", "pattern": "^[A-Z]{2}$"},
            {"type": "string", "pattern": "^arn:aws:sqs:\\S+:\\S+:\\S+"},
            {"type": "string", "pattern": "^[a-zA-Z0-9\\-]*$", "minLength": 38, "maxLength": 38},
            {"type": "string", "pattern": "^wf\\w{8}-\\w{4}$"},
            {"type": "string", "pattern": "(?=.*[0-9])[a-z0-9]{3,}"},
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "date"},
            {"type": "string", "format": "uri"},
            {"type": "string", "format": "int64", "maxLength": 2},
            {"type": "integer", "minimum": 3, "exclusiveMinimum": True, "multipleOf": 5},
            {"type": "number", "minimum": 0.2, "maximum": 0.4},
            {"type": "integer", "maximum": -3},
            {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
            {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}},
             "minItems": 3, "uniqueItems": True},
            {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
            {"allOf": [{"type": "object", "required": ["a"], "properties": {"a": {"minimum": 2}}},
                       {"properties": {"a": {"type": "integer", "multipleOf": 7}}}]},
            {"oneOf": [{"type": "object", "required": ["a"]}, {"required": ["b"]}],
             "properties": {"a": {"type": "string"}}},
            {"type": "string", "x-nullable": True},
            {"type": ["null", "string"], "enum": ["x"]},
        ],
    )  # fmt: skip
    def test_odd_rules_are_kept(self, schema: Json) -> None:
        document = Document()
        made = example_of(document, schema)
        assert document.validator(schema).is_valid(made), made

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.deferred(lambda: schemas))
    def test_example_is_always_valid(self, schema: Json) -> None:
        made = example_of(Document(), schema)
        plain = jsonschema_rs.Draft4Validator(schema, validate_formats=True)
        assert plain.is_valid(made), (schema, made)
        assert example_of(Document(), schema) == made

    @settings(max_examples=100, deadline=None)
    @given(st.deferred(lambda: regexes()), st.integers(0, 12))
    def test_text_of_a_pattern_fits_it(self, pattern: str, least: int) -> None:
        text = text_for(pattern, least)
        assume(text is not None)
        assert text is not None
        assert len(text) >= least
        assert jsonschema_rs.Draft4Validator({"pattern": pattern}).is_valid(text), (pattern, text)

    @pytest.mark.parametrize(
        "pattern", ["(a", "[z-a]", "a{9999999}", "(a)\\1", "*", "\\", "[", "(?i)a"]
    )
    def test_pattern_beyond_us_is_none(self, pattern: str) -> None:
        assert text_for(pattern) is None


@st.composite
def _bounds(draw: st.DrawFn, low: str, high: str, most: int) -> Json:
    least = draw(st.integers(0, most))
    return draw(
        st.sampled_from([{}, {low: least}, {high: least}, {low: least, high: least + most}])
    )


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Json]) -> Json:
    properties = draw(st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4))
    schema: Json = {"type": "object", "properties": properties}
    if properties:
        required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
        if required:
            schema["required"] = required
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.one_of(st.just(False), inner))
        if schema["additionalProperties"] is not False:
            schema["minProperties"] = draw(st.integers(0, 6))
    return schema


_texts = st.builds(
    lambda bounds, form: {"type": "string", **bounds, **form},
    _bounds("minLength", "maxLength", 9),
    st.just({}),
) | st.sampled_from(
    [{"type": "string", "format": form} for form in ("date", "date-time", "ipv4", "uri", "email")]
)
_numbers = st.builds(
    lambda bounds, kind: {"type": kind, **bounds},
    _bounds("minimum", "maximum", 50),
    st.sampled_from(["integer", "number"]),
)
_choices = st.builds(
    lambda values: {"enum": values},
    st.lists(st.integers() | st.text(max_size=5), min_size=1, max_size=4, unique_by=repr),
)
schemas: st.SearchStrategy[Json] = st.recursive(
    _texts | _numbers | _choices | st.just({"type": "boolean"}),
    lambda inner: (
        _objects(inner)
        | st.builds(
            lambda items, bounds: {"type": "array", "items": items, **bounds},
            inner,
            _bounds("minItems", "maxItems", 4),
        )
        | st.builds(lambda first, second: {"anyOf": [first, second]}, inner, inner)
        | st.builds(
            lambda first, second: {"allOf": [first, {"description": "more"}], "title": second},
            inner,
            st.text(max_size=3),
        )
    ),
    max_leaves=8,
)


def regexes() -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(
            ["a", "[A-Z]", "[^a-z]", "\\d", "\\w", ".", "\\S", "[a-f0-9-]", "\\.", "-"]
        ),
        lambda inner: (
            st.builds("{}{}".format, inner, inner)
            | st.builds("(?:{}|{})".format, inner, inner)
            | st.builds(
                "({}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}"])
            )
        ),
        max_leaves=6,
    ).map("^{}".format)
