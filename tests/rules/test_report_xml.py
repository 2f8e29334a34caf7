"""XML from outside: what is read of it, and what is refused."""

from __future__ import annotations

from time import process_time

import pytest

from evergrant.rules import report_xml
from evergrant.rules.faults import Fault
from evergrant.rules.report_xml import tree_of


def test_a_tree() -> None:
    root = tree_of(
        '<?xml version="1.0" encoding="utf-16"?><!-- first --><r xmlns="urn:x" xmlns:p="urn:y">'
        "<p:a> one <![CDATA[& two]]> </p:a><b><a>three</a></b><b/><a></a></r>"
    )
    assert (root.name, root.value("a"), root.value("none")) == ("r", "one & two", "")
    assert [node.text for node in root.below("a")] == ["one & two", "three", ""]
    assert len(root.all("b")) == 2


def test_a_prefix_that_nobody_declared_is_let_through() -> None:
    assert tree_of("<x:r><x:a>1</x:a></x:r>").value("a") == "1"


def test_what_xml_forbids_is_read_as_a_replacement() -> None:
    assert tree_of("<r>a\x0bb\x00c</r>").text == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE r><r/>",
        '<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>',
        '<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>',
        '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1/x"> %x;]><r/>',
    ],
)
def test_document_types_are_refused(text: str) -> None:
    with pytest.raises(Fault) as caught:
        tree_of(text)
    assert caught.value.code == "hostile_xml"


def test_depth_and_number_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tree_of("<r>" * 64 + "</r>" * 64).name == "r"
    with pytest.raises(Fault) as caught:
        tree_of("<r>" * 65 + "</r>" * 65)
    assert caught.value.code == "too_large"
    monkeypatch.setattr(report_xml, "MOST_ELEMENTS", 10)
    with pytest.raises(Fault) as caught:
        tree_of(f"<r>{'<a/>' * 10}</r>")
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("piece", ["<?xml ", "<!--", "<![CDATA[", "<a ", "&", "<a>", "x"])
def test_a_megabyte_of_nothing_takes_no_time(piece: str) -> None:
    began = process_time()
    with pytest.raises(Fault):
        tree_of(piece * (1_000_000 // len(piece)))
    assert process_time() - began < 2.0


@pytest.mark.parametrize("text", ["<r><a>", "<r><a", "<r>text", "<r><![CDATA[x", "<", "<r a='"])
def test_cut_off(text: str) -> None:
    with pytest.raises(Fault, match="cut off") as caught:
        tree_of(text)
    assert caught.value.code == "broken_xml"


@pytest.mark.parametrize(
    "text", ["<r></s>", "<r/>tail", "<r/><r/>", "<r>&undeclared;</r>", "<r>&</r>"]
)
def test_not_well_formed(text: str) -> None:
    with pytest.raises(Fault, match="not well-formed"):
        tree_of(text)
