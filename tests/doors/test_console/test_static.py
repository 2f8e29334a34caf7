"""The files that pages use: kept by browsers, small on the way, never squeezed together with a
page."""

from __future__ import annotations

import re

from tests.doors.test_console.conftest import Console

SQUEEZED = {"accept-encoding": "gzip, br"}


async def test_a_file_with_its_version_is_kept_for_good(console: Console) -> None:
    window = await console.as_()
    page = await window.read("/console/accounts")
    addresses = re.findall(r'"(/console/static/[^"]+)"', page)
    assert len(addresses) > 3
    for address in addresses:
        answer = await window.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


async def test_a_file_that_scripts_import_by_its_name_is_sent_again_only_when_it_changed(
    console: Console,
) -> None:
    window = await console.stranger()
    first = await window.get("/console/static/reading.js")
    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-cache"
    kept = {"if-none-match": first.headers["etag"]}
    again = await window.get("/console/static/reading.js", headers=kept)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = await window.get("/console/static/live.js", headers=kept)
    assert other.status_code == 200


async def test_files_come_squeezed_to_whoever_can_read_that_and_pages_never(
    console: Console,
) -> None:
    window = await console.as_()
    plain = await window.get("/console/static/console.css", headers={"accept-encoding": "identity"})
    squeezed = await window.get("/console/static/console.css", headers=SQUEEZED)
    assert "content-encoding" not in plain.headers
    assert squeezed.headers["content-encoding"] == "gzip"
    assert squeezed.content == plain.content
    assert int(squeezed.headers["content-length"]) < len(plain.content) / 2
    assert squeezed.headers["vary"] == "accept-encoding"
    page = await window.get("/console/accounts", headers=SQUEEZED)
    assert "content-encoding" not in page.headers
