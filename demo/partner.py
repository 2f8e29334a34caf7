"""A shop owner with a browser: follows links, fills in forms, presses buttons.

Answers for: cookies, redirects, HTML forms, the way a browser without JavaScript treats them. It
is a person's hand, not a test: it knows pages only by their words and labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx2


@dataclass
class Form:
    """One form: where it goes, what it already holds, and the buttons that can be pressed."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)  # name -> type
    buttons: list[tuple[str, str, str]] = field(default_factory=list)  # words, name, value


@dataclass
class Page:
    url: str
    status: int
    html: str
    words: str
    forms: list[Form]
    links: list[tuple[str, str]]  # words, address
    heading: str = ""  # of the first h1


class Browser:
    """Keeps cookies per host as browsers do and remembers every address it visited."""

    def __init__(self) -> None:
        self._http = httpx2.Client(
            follow_redirects=False,
            timeout=30,
            trust_env=False,
            # A person is slow: nothing is gained by keeping connections open between two pages.
            limits=httpx2.Limits(max_keepalive_connections=0),
            headers={
                "user-agent": "Mozilla/5.0 (Linux; Android 15) Evergrant-Demo",
                "accept-language": "en",
            },
        )
        self.visited: list[str] = []
        self.page: Page | None = None

    def close(self) -> None:
        self._http.close()

    def open(self, url: str) -> Page:
        return self._go("GET", url)

    def follow(self, words: str) -> Page:
        """Clicks the link that says ``words``."""
        page = self._here()
        for said, address in page.links:
            if words.lower() in said.lower():
                return self._go("GET", urljoin(page.url, address))
        raise LookupError(f"no link says {words!r} on {page.url}: {[w for w, _ in page.links]}")

    def press(self, words: str, **answers: str) -> Page:
        """Fills in ``answers`` (by field name) and presses the button that says ``words``."""
        page = self._here()
        for form in page.forms:
            for said, name, value in form.buttons:
                if words.lower() in said.lower():
                    data = {**form.values, **answers}
                    if name:
                        data[name] = value
                    address = urljoin(page.url, form.action)
                    if form.method == "post":
                        return self._go("POST", address, data)
                    return self._go("GET", str(httpx2.URL(address, params=data)))
        said_all = [said for form in page.forms for said, _, _ in form.buttons]
        raise LookupError(f"no button says {words!r} on {page.url}: {said_all}\n{page.words[:800]}")

    def _here(self) -> Page:
        if self.page is None:
            raise LookupError("no page is open yet")
        return self.page

    def _go(self, method: str, url: str, data: dict[str, str] | None = None) -> Page:
        origin = self.page.url if self.page else ""
        for _ in range(15):
            self.visited.append(url)
            headers = {}
            if method == "POST" and origin:
                parts = httpx2.URL(origin)
                headers["origin"] = f"{parts.scheme}://{parts.netloc.decode()}"
            answer = self._http.request(method, url, data=data, headers=headers)
            if answer.status_code in (301, 302, 303, 307, 308) and "location" in answer.headers:
                url = urljoin(url, answer.headers["location"])
                if answer.status_code not in (307, 308):
                    method, data = "GET", None
                continue
            self.page = _read(url, answer.status_code, answer.text)
            return self.page
        raise LookupError(f"too many redirects, the last one to {url}")


def _read(url: str, status: int, html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    words, heading = " ".join(reader.words), " ".join(reader.heading)
    return Page(url, status, html, words, reader.forms, reader.links, heading)


class _Reader(HTMLParser):
    _SILENT = frozenset({"script", "style", "title", "template"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.heading: list[str] = []
        self._headings = 0  # begun so far
        self._in_heading = False
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self._silent = 0
        self._form: Form | None = None
        self._button: tuple[str, str] | None = None
        self._link: str | None = None
        self._caught: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in self._SILENT:
            self._silent += 1
        elif tag == "h1":
            self._headings += 1
            self._in_heading = True
        elif tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "input":
            self._input(given)
        elif tag == "button":
            self._button = (given.get("name", ""), given.get("value", ""))
            self._caught = []
        elif tag == "a" and "href" in given:
            self._link = given["href"]
            self._caught = []

    def _input(self, given: dict[str, str]) -> None:
        if self._form is None:
            return
        kind, name = given.get("type", "text"), given.get("name", "")
        if kind == "submit":
            self._form.buttons.append((given.get("value", ""), name, given.get("value", "")))
        elif kind in ("checkbox", "radio"):
            self._form.fields[name] = kind
            if "checked" in given:
                self._form.values[name] = given.get("value", "on")
        elif name:
            self._form.fields[name] = kind
            self._form.values[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "h1":
            self._in_heading = False
        elif tag == "form":
            self._form = None
        elif tag == "button" and self._button is not None:
            if self._form is not None:
                self._form.buttons.append((" ".join(self._caught), *self._button))
            self._button = None
        elif tag == "a" and self._link is not None:
            self.links.append((" ".join(self._caught), self._link))
            self._link = None

    def handle_data(self, data: str) -> None:
        said = " ".join(data.split())
        if said and not self._silent:
            self.words.append(said)
            self._caught.append(said)
            if self._in_heading and self._headings == 1:
                self.heading.append(said)
