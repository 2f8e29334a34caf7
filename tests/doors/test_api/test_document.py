"""The description is complete, for programs and for people, and asks nobody else for anything."""

from __future__ import annotations

import re
import runpy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs

from evergrant.entrances.api import document, reading
from tests.doors.test_api.conftest import House

ROOT = Path(__file__).parents[3]
METHODS = {"get", "post", "put", "patch", "delete"}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, said)
        for path, methods in document.describe()["paths"].items()
        for method, said in methods.items()
    ]


def test_it_is_openapi_3_1() -> None:
    described = document.describe()
    assert described["openapi"].startswith("3.1.")
    for schema in described["components"]["schemas"].values():
        whole = {**schema, "components": described["components"]}
        jsonschema_rs.meta.validate(whole)
    text = document.as_json().decode()
    for name in re.findall(r'"#/components/schemas/([^"]+)"', text):
        assert name in described["components"]["schemas"]


def test_every_operation_is_told_fully() -> None:
    seen = set()
    tags = {tag["name"] for tag in document.describe()["tags"]}
    for method, path, said in operations():
        where = f"{method} {path}"
        assert method in METHODS, where
        assert re.fullmatch("[a-z][A-Za-z]+", said["operationId"]), where
        assert said["operationId"] not in seen, where
        seen.add(said["operationId"])
        assert set(said["tags"]) <= tags, where
        assert said["summary"], where
        assert len(said["summary"]) <= 60, where
        assert re.search(r"[Nn]eeds (the rights? )?(`\w+`|no right)", said["description"]), where
        assert {"401", "403", "422", "503"} <= set(said["responses"]), where
        if "{" in path:
            assert "404" in said["responses"], where
        if "requestBody" in said:
            assert {"400", "413", "415"} <= set(said["responses"]), where
        for status, answer in said["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], where


def test_what_changes_again_each_time_says_so() -> None:
    for method, path, said in operations():
        if method == "post" and "201" in said["responses"]:
            assert "Repeating it" in said["description"], path


def test_the_access_token_is_described() -> None:
    said = document.describe()["paths"]["/v1/accounts/{account_id}/access-token"]["get"]
    assert said["operationId"] == "getAccessToken"
    least = next(one for one in said["parameters"] if one["name"] == "min_ttl")
    assert least["schema"]["maximum"] == 3540
    assert set(document.describe()["components"]["schemas"]["AccessTokenView"]["required"]) == {
        "access_token",
        "token_type",
        "expires_in",
        "expires_at",
    }


def test_examples_have_the_shape_of_what_they_show() -> None:
    described = document.describe()
    shown = 0
    for name, schema in described["components"]["schemas"].items():
        rule = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        for example in schema.get("examples", ()):
            jsonschema_rs.validator_for(rule).validate(example)
            shown += 1
    bodies = [
        said["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for _, _, said in operations()
        if "requestBody" in said
    ]
    assert all(described["components"]["schemas"][body].get("examples") for body in bodies)
    assert shown > len(set(bodies))


async def test_every_described_operation_is_there(house: House, caller: httpx2.AsyncClient) -> None:
    for method, path, said in operations():
        if said["operationId"] == "getAccessToken":
            continue
        filled = path.replace("{reference}", "EG-7F3K-92QD").replace("{plan_id}", "all:made.up")
        filled = filled.replace("{item}", "local-settings").replace("{order_id}", "028-1-1")
        for prefix in ("acc", "app", "ins", "key", "con", "evt", "ntc", "arp", "itk", "chg", "run"):
            filled = re.sub(
                {
                    "acc": r"\{account_id\}",
                    "app": r"\{application_id\}",
                    "ins": r"\{instance_id\}",
                    "key": r"\{api_key_id\}",
                    "con": r"\{connection_key_id\}",
                    "evt": r"\{event_id\}",
                    "ntc": r"\{notice_id\}",
                    "arp": r"\{report_id\}",
                    "itk": r"\{intake_id\}",
                    "chg": r"\{change_id\}",
                    "run": r"\{run_id\}",
                }[prefix],
                f"{prefix}_{'0' * 26}",
                filled,
            )
        assert "{" not in filled
        answer = await caller.request(method.upper(), filled)
        assert str(answer.status_code) in said["responses"], (method, path, answer.text)
        assert answer.status_code != 405


class Asked(HTMLParser):
    """What a page would load, and what its links lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.inline = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline = True
            if name in ("src", "href", "action", "data") and value:
                (self.links if tag == "a" else self.loads).append(value)


async def test_the_page_for_people_needs_nobody_else(house: House) -> None:
    stranger = await house.stranger()
    page = await stranger.get("/v1/docs")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    asked = Asked()
    asked.feed(page.text)
    assert asked.loads == ["/v1/docs/style.css"]
    assert not asked.tags & {"script", "style", "img", "iframe", "object", "form"}
    assert not asked.inline
    for link in asked.links:
        assert link.startswith("#") or link == "/v1/openapi.json", link
    assert len(set(asked.ids)) == len(asked.ids)
    assert {link[1:] for link in asked.links if link.startswith("#")} <= set(asked.ids)
    for _, path, said in operations():
        assert path in page.text
        assert f'id="{said["operationId"]}"' in page.text
    for row in reading.read_problems():
        assert f"<code>{row.code}</code>" in page.text
    assert "`" not in re.sub(r"(?s)<pre>.*?</pre>", "", page.text)
    style = await stranger.get("/v1/docs/style.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "url(" not in style.text
    assert "@import" not in style.text


async def test_pages_are_asked_for_again_and_not_sent_again(house: House) -> None:
    stranger = await house.stranger()
    for path in ("/v1/docs", "/v1/openapi.json", "/openapi.json"):
        first = await stranger.get(path)
        assert first.status_code == 200
        again = await stranger.get(path, headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
    assert first.json() == document.describe()
    start = await stranger.get("/v1")
    assert start.status_code == 307
    assert start.headers["location"] == "/v1/docs"


def test_a_stale_reference_page_is_noticed(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    script = runpy.run_path(str(ROOT / "docs/api_page.py"))
    stale = tmp_path / "api.md"
    monkeypatch.setitem(script["main"].__globals__, "PAGE", stale)
    assert script["main"](["--check"]) == 1
    assert script["main"]([]) == 0
    assert script["main"](["--check"]) == 0
    stale.write_text(stale.read_text() + " ")
    assert script["main"](["--check"]) == 1
    assert "stale" in capsys.readouterr().err
