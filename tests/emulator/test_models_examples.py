"""Values made from schemas: the model's own examples, and else the least that is valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from amazon_emulator.asking import Asking
from amazon_emulator.models import Described, answer, read
from amazon_emulator.models.document import Document
from amazon_emulator.models.examples import example_of, example_response
from amazon_emulator.models.patterns import text_for
from tests.searching import cases

Json = dict[str, Any]


def only(folder: Path, responses: Json, definitions: Json) -> Described:
    """The one operation of a model."""
    folder.mkdir(exist_ok=True)
    operation = {"operationId": "getThing", "responses": responses}
    paths = {"/x": {"get": operation}}
    content = {"swagger": "2.0", "paths": paths, "definitions": definitions}
    (folder / "m.json").write_text(json.dumps(content))
    (found,) = read(folder).operations
    return found


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
            found = only(tmp_path / str(number), {"200": response}, things)
            said = answer(found, Asking("GET"))
            assert (said.status, said.body, said.how) == (200, wanted, "example")

    def test_errors_are_as_amazon_writes_them(self, tmp_path: Path) -> None:
        errors = {
            "type": "object",
            "required": ["errors"],
            "properties": {"errors": {"type": "array", "items": {"$ref": "#/definitions/Error"}}},
        }
        error = {"required": ["code", "message"], "properties": {"code": {}, "message": {}}}
        responses = {"202": {"description": ""}, "404": {"description": "", "schema": errors}}
        found = only(tmp_path, responses, {"Error": error})
        (told,) = example_response(found, 404, found.responses["404"])["errors"]
        assert told["code"] == "NotFound"
        said = answer(found, Asking("GET"))
        assert (said.status, said.body) == (202, None)

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

    @settings(max_examples=cases(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.deferred(lambda: schemas))
    def test_example_is_always_valid(self, schema: Json) -> None:
        made = example_of(Document(), schema)
        plain = jsonschema_rs.Draft4Validator(schema, validate_formats=True)
        assert plain.is_valid(made), (schema, made)
        assert example_of(Document(), schema) == made

    @settings(max_examples=cases(40), deadline=None)
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
