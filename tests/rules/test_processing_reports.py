"""Amazon's processing reports, in all shapes in which sellers showed them, and in none."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.rules.processing_reports import ProcessingReport, ReportLine, read

Json = dict[str, Any]


def listings(*issues: Json, counts: tuple[int, int, int] | None = (4, 3, 1), **more: Any) -> Json:
    """A report on a JSON feed. ``counts``: processed, accepted, invalid."""
    document: Json = {
        "header": {"sellerId": "A1", "version": "2.0", "feedId": "amzn1.spfeed.0"},
        "issues": list(issues),
        **more,
    }
    if counts is not None:
        names = ("messagesProcessed", "messagesAccepted", "messagesInvalid")
        document["summary"] = {"errors": 1, "warnings": 0, **dict(zip(names, counts, strict=True))}
    return document


def of(document: Any) -> ProcessingReport:
    return read(json.dumps(document).encode(), "application/json")


def error(message_id: Any = 4, **more: Any) -> Json:
    told = {"messageId": message_id, "sku": "SKU-4", "code": "90220", "severity": "ERROR"}
    return {**told, "message": "'[brand]' is required but not supplied.", **more}


def xml(*results: str, counts: tuple[int, int, int] | None = (3, 2, 1), root: str = "") -> str:
    """A report on an order feed. ``counts``: processed, successful, with error."""
    names = ("MessagesProcessed", "MessagesSuccessful", "MessagesWithError")
    told = "".join(f"<{n}>{c}</{n}>" for n, c in zip(names, counts or (), strict=False))
    report = (
        "<ProcessingReport><DocumentTransactionID>50</DocumentTransactionID>"
        f"<StatusCode>Complete</StatusCode><ProcessingSummary>{told}</ProcessingSummary>"
        f"{''.join(results)}</ProcessingReport>"
    )
    return (
        root.format(report)
        if root
        else (
            '<?xml version="1.0" encoding="UTF-8"?><AmazonEnvelope><Header/><MessageType>'
            "ProcessingReport</MessageType><Message><MessageID>1</MessageID>"
            f"{report}</Message></AmazonEnvelope>"
        )
    )


def result(
    message_id: str = "2", kind: str = "Error", code: str = "18028", words: str = "No such order."
) -> str:
    return (
        f"<Result><MessageID>{message_id}</MessageID><ResultCode>{kind}</ResultCode>"
        f"<ResultMessageCode>{code}</ResultMessageCode><ResultDescription>{words}"
        "</ResultDescription><AdditionalInfo><AmazonOrderID>302-1-2</AmazonOrderID>"
        "<SKU>S</SKU></AdditionalInfo></Result>"
    )


# --- JSON -----------------------------------------------------------------------------------------


def test_accepted_messages_are_not_named() -> None:
    report = of(listings(error(), error(5, severity="WARNING", attributeName="brand", code=None)))
    assert (report.readable, report.fault, report.reason) == (True, "", "")
    assert (report.processed, report.accepted, report.refused) == (4, 3, 1)
    assert report.lines == (
        ReportLine(
            message_id=4,
            severity="error",
            code="90220",
            message="'[brand]' is required but not supplied.",
            sku="SKU-4",
        ),
        ReportLine(
            message_id=5,
            severity="warning",
            message="'[brand]' is required but not supplied.",
            attribute="brand",
            sku="SKU-4",
        ),
    )


def test_a_document_that_amazon_could_not_parse() -> None:
    issue = {"code": "4002001", "severity": "ERROR", "message": "Item 'Feed' cannot be parsed."}
    report = of(listings(issue, counts=(0, 0, 0), header={"sellerId": ""}))
    assert report.fault == "Item 'Feed' cannot be parsed."
    assert report.fault_code == "4002001"
    assert report.readable


def test_nothing_processed_and_no_reason_is_a_fault_of_the_whole() -> None:
    assert of(listings(counts=(0, 0, 0))).fault
    assert not of(listings(counts=(1, 1, 0))).fault
    assert not of(listings(counts=None)).fault, "nobody says that nothing was processed"


@pytest.mark.parametrize("counts", [(4, 3, 1), (4, 4, 0)])
def test_an_error_without_a_message_beside_taken_ones_is_a_line(
    counts: tuple[int, int, int],
) -> None:
    report = of(listings({"severity": "ERROR", "message": "Something."}, counts=counts))
    assert report.fault == ""
    assert report.lines[0].message_id is None


def test_a_warning_about_the_whole_is_no_fault() -> None:
    issue = {"severity": "WARNING", "message": "Old."}
    assert not of(listings(issue, counts=(0, 0, 0))).fault


def test_an_error_without_words_is_a_fault_all_the_same() -> None:
    report = of(listings({"severity": "ERROR", "code": "77"}, counts=(0, 0, 0)))
    assert report.fault_code == "77"
    assert "77" in report.fault


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        (7, 7), ("7", 7), (" 7 ", 7), (7.0, 7), (0, None), ("0", None), (-1, None), (1.5, None),
        (True, None), (None, None), ("seven", None), (10**30, None), (1e300, None), ([7], None),
        ("٧", None),
    ],
)  # fmt: skip
def test_message_ids(given_: Any, wanted: int | None) -> None:
    (line,) = of(listings(error(given_))).lines
    assert line.message_id == wanted


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [("ERROR", "error"), ("error", "error"), (" Warning ", "warning"), ("INFO", "info"),
     ("FATAL", "error"), (None, "error"), (3, "error")],
)  # fmt: skip
def test_severities(given_: Any, wanted: str) -> None:
    (line,) = of(listings(error(severity=given_))).lines
    assert line.severity == wanted


def test_names_of_several_attributes() -> None:
    (line,) = of(listings(error(attributeNames=["a", "b.c"]))).lines
    assert line.attribute == "a, b.c"


def test_words_are_fit_for_a_database_and_a_page() -> None:
    (line,) = of(listings(error(message="a\u0000b\ud800\nc" + "x" * 9_000, sku="s" * 900))).lines
    assert line.message.startswith("a\ufffdb\ufffd c")
    assert len(line.message) == 2_000
    assert len(line.sku) == 200


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "no processing report"),
        ({"errors": [{"code": "QuotaExceeded", "message": "Slow down."}]}, "QuotaExceeded Slow"),
        ({"errors": []}, "no processing report"),
        ({"header": {}, "summary": {}}, "no list of issues"),
        ({"issues": {}}, "no list of issues"),
        ({"issues": ["an error"]}, "no object"),
    ],
)
def test_json_that_is_no_report(document: Any, words: str) -> None:
    report = of(document)
    assert not report.readable
    assert words in report.reason


def test_json_that_is_cut_off_anywhere() -> None:
    whole = json.dumps(listings(error(), error(5)))
    for length in range(1, len(whole)):
        report = read(whole[:length].encode())
        assert not report.readable
        assert "cut off" in report.reason or "not JSON" in report.reason, whole[:length]


@pytest.mark.parametrize("tail", ["}", " {}", "x", "<r/>"])
def test_what_follows_the_document_makes_it_unreadable(tail: str) -> None:
    assert not read(json.dumps(listings()).encode() + tail.encode()).readable


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, f"[{'9' * 10_000}]"])
def test_json_without_end(text: str) -> None:
    assert not read(text.encode()).readable


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_json_in_any_encoding_packed_or_not(encoding: str) -> None:
    raw = json.dumps(listings(error(message="Größe")), ensure_ascii=False).encode(encoding)
    for content in (raw, gzip.compress(raw), raw + b"\0\0" * 2):
        (line,) = read(content, "application/json; charset=utf-8").lines
        assert line.message == "Größe"


# --- XML ------------------------------------------------------------------------------------------


def test_an_order_report() -> None:
    report = read(xml(result(), result("3", "Warning", "1", "Late.")).encode())
    assert (report.processed, report.accepted, report.refused) == (3, 2, 1)
    first, second = report.lines
    assert first == ReportLine(
        message_id=2,
        severity="error",
        code="18028",
        message="No such order.",
        sku="S",
        order_id="302-1-2",
    )
    assert (second.message_id, second.severity) == (3, "warning")
    assert report.fault == ""


def test_success_has_no_result() -> None:
    report = read(xml(counts=(3, 3, 0)).encode())
    assert (report.readable, report.lines, report.fault) == (True, (), "")


@pytest.mark.parametrize("counts", [(0, 0, 0), (0, 0, 1), (1, 0, 1), None])
def test_message_zero_is_the_whole_document(counts: tuple[int, int, int] | None) -> None:
    report = read(xml(result("0", code="5001", words="Not valid XML."), counts=counts).encode())
    assert (report.fault, report.fault_code) == ("Not valid XML.", "5001")
    assert report.lines[0].message_id is None


def test_message_zero_beside_success_is_not() -> None:
    assert read(xml(result("0"), counts=(3, 3, 0)).encode()).fault == ""


def test_nothing_processed_without_a_result() -> None:
    assert read(xml(counts=(0, 0, 0)).encode()).fault
    assert read(xml(counts=None).encode()).fault == ""


def test_a_report_without_an_envelope_and_that_of_easy_ship() -> None:
    assert read(xml(result(), root="{}").encode()).lines[0].message_id == 2
    easy = (
        "<EasyShipProcessingReport><FeedSubmissionID>3</FeedSubmissionID><MessagesProcessed>1"
        "</MessagesProcessed><MessagesSuccessful>1</MessagesSuccessful><MessagesWithError>0"
        "</MessagesWithError></EasyShipProcessingReport>"
    )
    report = read(easy.encode())
    assert (report.processed, report.accepted, report.refused) == (1, 1, 0)


def test_several_reports_in_one_envelope_are_one() -> None:
    inner = xml(result(), root="{}")
    report = read(f"<AmazonEnvelope><Message>{inner}{inner}</Message></AmazonEnvelope>".encode())
    assert (report.processed, report.accepted, len(report.lines)) == (6, 4, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<Error><Code>AccessDenied</Code><Message>No.</Message></Error>", "<Error>.*AccessDenied"),
        ("<html><body>Service Unavailable</body></html>", "<html>"),
        ("<AmazonEnvelope/>", "<AmazonEnvelope>"),
        ("<!DOCTYPE html><html/>", "document type"),
    ],
)
def test_other_xml_is_no_report(text: str, words: str) -> None:
    report = read(text.encode())
    assert not report.readable
    assert re.search(words, report.reason)


def test_xml_that_is_cut_off_anywhere() -> None:
    whole = xml(result())
    for length in range(1, len(whole)):
        report = read(whole[:length].encode())
        assert not report.readable
        assert report.reason


def test_an_odd_summary_is_not_believed() -> None:
    text = xml().replace("<MessagesProcessed>3<", "<MessagesProcessed>many<")
    report = read(text.encode())
    assert (report.readable, report.processed, report.accepted) == (True, None, 2)


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("iso-8859-1", "iso-8859-1"),
        ("iso-8859-1", "utf-8"),
        ("utf-8", "iso-8859-1"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-8"),
        ("UTF-8", "utf-8-sig"),
    ],
)
def test_xml_whose_declaration_may_be_wrong(declared: str, written: str) -> None:
    text = xml(result(words="Größe")).replace("UTF-8", declared)
    for content in (text.encode(written), gzip.compress(text.encode(written))):
        assert read(content, "text/xml").lines[0].message == "Größe"


# --- text -----------------------------------------------------------------------------------------

FLAT = (
    "Feed Processing Summary:\n\tNumber of records processed\t\t{0}\n"
    "\tNumber of records successful\t\t{1}\n\n{2}"
)
HEAD = "original-record-number\tsku\terror-code\terror-type\terror-message\n"


def test_a_report_on_a_flat_file() -> None:
    rows = '3\tSKU-3\t99001\tError\t"A value is missing."\n7\tSKU-7\t5000\tWarning\tSkipped.\n'
    report = read(FLAT.format(11, 10, HEAD + rows).encode("iso-8859-1"), "text/plain")
    assert (report.processed, report.accepted, report.refused) == (11, 10, 1)
    first, second = report.lines
    assert first == ReportLine(
        message_id=3, severity="error", code="99001", message="A value is missing.", sku="SKU-3"
    )
    assert (second.message_id, second.severity, second.code) == (7, "warning", "5000")


def test_all_records_of_a_flat_file_were_taken() -> None:
    report = read(FLAT.format(2, 2, "").replace("\n", "\r\n").encode())
    assert (report.readable, report.processed, report.lines) == (True, 2, ())


def test_the_header_of_a_flat_file_is_at_fault() -> None:
    head = "original-record-number\torder-id\terror-code\terror-type\terror-message\n"
    report = read(FLAT.format(0, 0, f"{head}0\t\t90000\tFatal\tNo header.\n").encode())
    assert (report.fault, report.fault_code) == ("No header.", "90000")


def test_a_text_that_was_cut_off_within_its_counts_is_no_report() -> None:
    whole = FLAT.format(2, 1, "")
    assert not read(whole[: whole.index("successful")].encode()).readable


def test_counts_with_colons() -> None:
    text = (
        "Feed Processing Summary:\nNumber of records processed: 5\nNumber of records successful: 4"
    )
    report = read(text.encode())
    assert (report.processed, report.accepted, report.refused) == (5, 4, 1)


@pytest.mark.parametrize(
    "text", ["", "   ", "\ufeff", "The feed was aborted by a fatal error.", "%PDF-1.7", "\x89PNG"]
)
def test_what_is_no_report(text: str) -> None:
    report = read(text.encode())
    assert not report.readable
    assert report.reason


# --- anything -------------------------------------------------------------------------------------

PIECES = some.sampled_from(
    [
        b"{", b"}", b"[", b"]", b'"issues":', b'"messageId":', b"-0", b"1e999", b'"', b",", b"NaN",
        b"<ProcessingReport>", b"</ProcessingReport>", b"<Result>", b"</Result>", b"&#0;", b"&lt;",
        b"<MessageID>", b"</MessageID>", b"<!DOCTYPE a>", b"<?xml version='1.0' encoding='x'?>",
        b"Number of records processed\t", b"error-code\t", b"\n", b"\x1f\x8b\x08", b"\xff\xfe",
        b"\xef\xbb\xbf", b"\0", b"\xc3\x28", b"9" * 50, b"\xed\xa0\x80", b"\\ud800",
    ]
)  # fmt: skip


@given(
    some.one_of(
        some.binary(max_size=300),
        some.lists(PIECES, max_size=30).map(b"".join),
        some.binary(max_size=100).map(gzip.compress),
        some.lists(PIECES, max_size=12).map(b"".join).map(gzip.compress),
    ),
    some.text(max_size=40),
)
def test_reading_never_raises(content: bytes, content_type: str) -> None:
    report = read(content, content_type)
    assert report.readable or report.reason
    assert not (report.readable and report.reason)


@given(some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=9),
    lambda inner: some.one_of(
        some.lists(inner, max_size=4),
        some.dictionaries(
            some.sampled_from(
                ["issues", "summary", "messageId", "severity", "code", "message", "sku",
                 "attributeNames", "messagesProcessed", "messagesAccepted", "errors"]
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=20,
))  # fmt: skip
def test_any_json_is_read_or_refused(document: Any) -> None:
    for told in (document, {"issues": [document]}, {"issues": [], "summary": document}):
        report = read(json.dumps(told).encode())
        for line in report.lines:
            assert f"{line.code}{line.message}{line.attribute}{line.sku}".isprintable()
