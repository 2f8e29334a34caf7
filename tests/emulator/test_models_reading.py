"""Finding and reading models: any folder, odd and broken files, plans."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator.asking import Asking
from amazon_emulator.models import (
    Described,
    Library,
    ModelsUnreadable,
    answer,
    faults_of_request,
    find_folder,
    read,
)
from amazon_emulator.models.document import Dangling, Document
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

    def test_folders_of_others_are_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, "b/amazon-models/x.json", SMALL)
        (tmp_path / "a").mkdir()
        plain = Path.is_dir

        def refuse(path: Path) -> bool:
            if path.is_relative_to(tmp_path / "a"):
                raise PermissionError(13, "Permission denied", str(path))
            return plain(path)

        monkeypatch.setattr(Path, "is_dir", refuse)
        assert find_folder(None, {}, [tmp_path]) == tmp_path / "b" / "amazon-models"

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
            (b'{"swagger": "1.2", "paths": {}}', "version 1.2"),
            (b'{"openapi": "4.0.0", "paths": {}}', "version 4.0.0"),
            (b'{"openapi": "3.0.1", "paths": []}', "no paths"),
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

    def test_openapi_3_is_read_as_well(self, tmp_path: Path) -> None:
        one = {"$ref": "#/components/schemas/Id"}
        many = {"type": "array", "items": one}
        ids = {"name": "ids", "in": "query", "required": True, "schema": many}
        thing = {"type": "object", "required": ["id"], "properties": {"id": one}}
        asked = {"parameters": {"ids": {"value": ["A"]}}}
        sandbox = {"static": [{"request": asked, "response": {"id": "A"}}]}
        referred = {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
        made = {"application/json": {"schema": thing, "example": {"id": "A"}}}
        csv = {"name": "csv", "in": "query", "explode": False, "schema": {"type": "array"}}
        content = {
            "openapi": "3.0.1",
            "servers": [{"url": "https://example.com/base"}],
            "paths": {
                "/things": {
                    "parameters": [{"$ref": "#/components/parameters/ids"}],
                    "post": {
                        "operationId": "postThings",
                        "parameters": [csv],
                        "requestBody": {"required": True, "content": referred},
                        "responses": {
                            "201": {
                                "description": "Made.",
                                "content": made,
                                "x-amzn-api-sandbox": sandbox,
                            },
                            "400": {"$ref": "#/components/responses/Bad"},
                        },
                    },
                }
            },
            "components": {
                "schemas": {"Id": {"type": "string", "pattern": "^[A-Z]$"}, "Thing": thing},
                "parameters": {"ids": ids},
                "responses": {"Bad": {"description": "Bad."}},
            },
        }
        shelf = library(tmp_path, content)
        assert not shelf.unreadable
        (found,) = shelf.operations
        assert (found.path, found.method) == ("/base/things", "POST")
        assert [(p.name, p.place, p.required, p.style) for p in found.parameters] == [
            ("ids", "query", True, "multi"),
            ("csv", "query", False, "csv"),
            ("body", "body", True, "csv"),
        ]
        assert (found.consumes, found.produces) == (("application/json",), ("application/json",))
        assert set(found.responses) == {"201", "400"}
        json_type = {"content-type": "application/json"}
        fine = Asking("POST", {}, (("ids", "A"),), json_type, b'{"id": "B"}')
        wrong = Asking("POST", {}, (("ids", "a"),), json_type, b'{"id": "b"}')
        assert faults_of_request(found, fine) == []
        assert [f.where for f in faults_of_request(found, wrong)] == ["body.id", "query.ids[0]"]
        assert (answer(found, fine).status, answer(found, fine).body) == (201, {"id": "A"})
        assert answer(found, wrong).how == "none"

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

    def test_folder_that_may_not_be_opened_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, "a/a.json", SMALL)
        write(tmp_path, "b/b.json", SMALL)
        plain = os.scandir

        def refuse(path: Any = ".") -> Any:
            if Path(path) == tmp_path / "a":
                raise PermissionError(13, "Permission denied", str(path))
            return plain(path)

        monkeypatch.setattr(os, "scandir", refuse)
        shelf = read(tmp_path)
        assert shelf.models == ("b/b.json",)
        assert shelf.unreadable == (("a", "cannot be opened: Permission denied"),)

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
