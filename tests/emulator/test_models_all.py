"""All of Amazon's models in the folder, as they stand: what is written there is what is answered.

The expectation is read from the JSON by this file's own few lines, not by the emulator's reader.
Nothing here knows a model: another folder brings other figures, and the same proof.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from amazon_emulator.asking import Asking
from amazon_emulator.models import Described, Library, answer, faults_of_answer, find_folder, read
from amazon_emulator.models.examples import example_of, example_response

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}
NEW = "x-amzn-api-sandbox"
OLD = "x-amazon-spds-sandbox-behaviors"
NONE = "no models"

Json = dict[str, Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item for each file; a single one, which the fixture skips loudly, without a folder."""
    if "model" in metafunc.fixturenames:
        named = os.environ.get("EVERGRANT_AMAZON_MODELS")
        environ = {"AMAZON_EMULATOR_MODELS": named} if named and Path(named).is_dir() else {}
        folder = find_folder(None, environ, [Path(__file__).parent])
        metafunc.parametrize("model", names_in(folder) if folder else [NONE])


def names_in(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.json"))]


# --- the models, read naively ---------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A case as it is written, with what stands around it."""

    method: str
    path: str
    name: str
    status: int
    place: int  # among the cases of this status
    parameters: tuple[Json, ...]
    case: Json
    schema: Json | None
    older: bool

    @property
    def title(self) -> str:
        return f"{self.name} {self.status}/{self.place}"

    @property
    def asked(self) -> str:
        return json.dumps((self.case.get("request") or {}).get("parameters") or {}, sort_keys=True)


def load(folder: Path, name: str) -> Json:
    content: Json = json.loads((folder / name).read_text("utf-8"))
    return content


def operations_of(content: Json) -> Iterator[tuple[str, str, Json, Json]]:
    for path, item in content["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, item, operation


def deref(content: Json, thing: Any) -> Any:
    while isinstance(thing, dict) and "$ref" in thing:
        found: Any = content
        for step in thing["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        thing = found
    return thing


def written_cases(content: Json) -> list[Written]:
    found = []
    base = (content.get("basePath") or "").rstrip("/")
    for method, path, item, operation in operations_of(content):
        parameters = tuple(
            deref(content, one)
            for one in [*item.get("parameters", []), *operation.get("parameters", [])]
        )
        places: Counter[int] = Counter()
        for status, referred in operation["responses"].items():
            response = deref(content, referred)
            for older, cases in (
                (False, (response.get(NEW) or {}).get("static", [])),
                (True, response.get(OLD, [])),
            ):
                for case in cases:
                    places[int(status)] += 1
                    found.append(
                        Written(
                            method,
                            base + path,
                            operation["operationId"],
                            int(status),
                            places[int(status)],
                            parameters,
                            case,
                            response.get("schema"),
                            older,
                        )
                    )
    return found


def walked(thing: Any) -> Counter[str]:
    """Every case at any depth, by nothing but its name."""
    found: Counter[str] = Counter()
    if isinstance(thing, dict):
        for key, value in thing.items():
            if key == NEW and isinstance(value, dict):
                found["new"] += len(value.get("static", []))
            elif key == OLD and isinstance(value, list):
                found["old"] += len(value)
            else:
                found += walked(value)
    elif isinstance(thing, list):
        for value in thing:
            found += walked(value)
    return found


# --- a request from a case alone ------------------------------------------------------------------


def unwrapped(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and "value" in value else value


def request_for(written: Written, described: Described, *, other_spelling: bool) -> Asking:
    """What the case names, and for all else that is required a value of its schema.

    ``other_spelling``: lists backwards and repeated, fields of objects backwards.
    """
    given, named_body = asked_for(written)
    path: dict[str, str] = {}
    query: list[tuple[str, str]] = []
    headers = {"content-type": "application/json"}
    body = spelled(unwrapped(named_body), other_spelling) if named_body else b""
    for rules in written.parameters:
        name, place = rules["name"], rules["in"]
        if place == "body":
            if not body and rules.get("required"):
                body = spelled(example_of(described.document, rules["schema"], told=False), False)
            continue
        if name in given and given[name] != {}:
            value = unwrapped(given[name])
        elif rules.get("required") or place == "path":
            value = filler(rules, described)
        else:
            continue
        if place == "path":
            path[name] = str(value)
        elif place == "header":
            headers[name.lower()] = str(value)
        else:
            query += in_query(rules, value, other_spelling)
    return Asking(written.method, path, tuple(query), headers, body)


def asked_for(written: Written) -> tuple[Json, Any]:
    """The parameters of a case, and its body, which goes by its own name or by that of `body`."""
    given = dict((written.case.get("request") or {}).get("parameters") or {})
    own = [rules["name"] for rules in written.parameters if rules["in"] == "body"]
    body = next((given[name] for name in [*own, "body"] if given.get(name)), None)
    if isinstance(body, dict) and "value" not in body:
        # Some cases hold other parameters below the body.
        below = {rules["name"] for rules in written.parameters if rules["in"] != "body"}
        given |= {name: body[name] for name in below & set(body)}
        body = {name: body[name] for name in body if name not in below}
    return given, body


def filler(rules: Json, described: Described) -> Any:
    """A value that fits, and that no case of the operation asks for."""
    named = {
        json.dumps(wanted)
        for case in described.cases
        for _, name, wanted in case.parameters
        if name == rules["name"]
    }
    made = example_of(described.document, rules)
    if made == []:  # no address can say "none of them"
        made = [example_of(described.document, rules["items"])]
    others = [made, example_of(described.document, rules, told=False), *rules.get("enum", [])]
    free = [value for value in others if json.dumps(value) not in named]
    return free[0] if free else "other"


def in_query(rules: Json, value: Any, other_spelling: bool) -> list[tuple[str, str]]:
    name = rules["name"]
    if not isinstance(value, list):
        return [(name, str(value).lower() if isinstance(value, bool) else str(value))]
    texts = [str(one) for one in value]
    if other_spelling or rules.get("collectionFormat") == "multi":
        return [(name, text) for text in reversed(texts)]
    return [(name, ",".join(texts))]


def spelled(value: Any, backwards: bool) -> bytes:
    return json.dumps(turned(value) if backwards else value).encode()


def turned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(one) for one in value] if isinstance(value, list) else value


# --- the proof ------------------------------------------------------------------------------------


@dataclass
class Proof:
    operations: int = 0
    cases: int = 0
    older: int = 0
    picked: list[str] = field(default_factory=list)
    examples: int = 0
    amazons_own: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


@cache
def library(folder: Path) -> Library:
    return read(folder)


@cache
def prove(folder: Path, name: str) -> Proof:
    """Every operation is described, every case answers as written, every example is valid."""
    proof = Proof()
    content = load(folder, name)
    known = {(o.method, o.path): o for o in library(folder).operations if o.model == name}
    base = (content.get("basePath") or "").rstrip("/")
    for method, path, _, operation in operations_of(content):
        described = known.get((method, base + path))
        if described is None or described.name != operation["operationId"]:
            proof.troubles.append(f"{method} {path} is not described")
            continue
        proof.operations += 1
        prove_examples(proof, described)
    groups: dict[tuple[str, str, str], list[Written]] = {}
    for case in written_cases(content):
        groups.setdefault((case.method, case.path, case.asked), []).append(case)
    for twins in groups.values():
        # Of cases that ask for the same, a success answers, else the first in the file.
        twins.sort(key=lambda case: case.status >= 400)
        for place, case in enumerate(twins):
            prove_case(proof, name, content, case, known[case.method, case.path], place > 0)
    return proof


def prove_case(
    proof: Proof, name: str, content: Json, case: Written, described: Described, is_twin: bool
) -> None:
    wanted = f"{case.status}/{case.place}"
    ways = [wanted] if is_twin else [wanted, None]
    if is_twin:
        proof.picked.append(f"{name}: {case.title}")
    for way in ways:
        for other_spelling in (False, True):
            asking = request_for(case, described, other_spelling=other_spelling)
            said = answer(described, asking, wanted=way)
            expected = expected_body(case, said.body)
            if (said.how, said.status) != ("case", case.status) or said.body != expected:
                proof.troubles.append(
                    f"{case.title} ({way=}, {other_spelling=}): {said.how} {said.status}"
                    f"\n    asked {asking}\n    wanted {expected}\n    got    {said.body}"
                )
                return
    if case.older:
        proof.older += 1
    else:
        proof.cases += 1
    if "response" not in case.case:
        return
    faults = [
        fault
        for fault in faults_of_answer(described, case.status, {}, case.case["response"])
        if fault.grave
    ]
    if bool(faults) == is_valid(content, case):
        proof.troubles.append(f"{case.title}: the contract and a plain validator differ: {faults}")
    if faults:
        first = faults[0]
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        proof.amazons_own.append(f"{name}: {case.title}: {first.where} {first.what}{more}")


def expected_body(case: Written, said: Any) -> Any:
    """What is written; where a case has no response but its status a schema, that is proven as
    an example. HTTP knows no body with a 204, whatever a model writes there."""
    if case.status == 204:
        return None
    if "response" not in case.case and case.schema is not None:
        return said
    return case.case.get("response")


def prove_examples(proof: Proof, described: Described) -> None:
    for status, response in described.responses.items():
        if response.schema is None:
            continue
        made = example_response(described, int(status), response)
        faults = faults_of_answer(described, int(status), {}, made)
        if [fault for fault in faults if fault.grave]:
            proof.troubles.append(f"{described.name} {status}: its example is not valid: {faults}")
        if made != example_response(described, int(status), response):
            proof.troubles.append(f"{described.name} {status}: its example is another each time")
        proof.examples += 1
    if not described.cases:
        said = answer(described, Asking(described.method))
        if said.how != "example" or not 200 <= said.status < 300:
            proof.troubles.append(f"{described.name} has no case and answers {said}")


def is_valid(content: Json, case: Written) -> bool:
    """By the model's definitions as they are, without the emulator's reading of them."""
    if case.schema is None:
        return False
    schema = {"allOf": [case.schema], "definitions": content["definitions"]}
    validator = jsonschema_rs.Draft4Validator(schema, validate_formats=True)
    return validator.is_valid(case.case["response"])


def test_model(models: Path, model: str) -> None:
    """Each operation of one file, each of its cases, each example."""
    assert model != NONE, "the fixture found models that the collection did not find"
    proof = prove(models, model)
    assert not proof.troubles, "\n".join(proof.troubles)
    content = load(models, model)
    assert proof.operations == sum(1 for _ in operations_of(content))
    assert Counter(new=proof.cases, old=proof.older) == walked(content["paths"])


def test_whole_folder_is_read(models: Path) -> None:
    """No file is left out, doubled or unreadable."""
    shelf = library(models)
    assert shelf.models == tuple(names_in(models))
    assert not shelf.unreadable
    assert not shelf.doubled


def test_how_much_was_proven(models: Path, record_property: Callable[[str, object], None]) -> None:
    """The sums, against a walk that knows nothing but the names of the extensions."""
    names = names_in(models)
    proofs = [prove(models, name) for name in names]
    contents = [load(models, name) for name in names]
    operations, cases, older, examples = (
        sum(getattr(proof, what) for proof in proofs)
        for what in ("operations", "cases", "older", "examples")
    )
    naive = sum((walked(content) for content in contents), Counter[str]())
    paths = [item for content in contents for item in content["paths"].values()]
    assert operations == sum(len(METHODS & set(item)) for item in paths) > 0
    assert (cases, older) == (naive["new"], naive["old"])
    assert len(library(models).operations) == operations

    counted = f"{operations} operations, {cases} static cases and {older} of the older spelling"
    lines = [f"{counted} in {len(names)} models answer as written; {examples} made examples fit"]
    for words, told in (
        ("asked for as another case is, so picked by header", [p.picked for p in proofs]),
        ("Amazon's own case breaks Amazon's own schema", [p.amazons_own for p in proofs]),
    ):
        named = [one for many in told for one in many]
        lines.append(f"  {words}: {len(named)}")
        lines += [f"    {one}" for one in named]
    print("\n".join(lines))
    record_property("summary", "\n".join(lines))  # shown at the end of the run, from any process
