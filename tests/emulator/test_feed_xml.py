"""The XML of feeds: what is refused as a whole, encodings, reports; and text files alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_emulator.trade.orders import feed_xml
from amazon_emulator.trade.orders.feeds_errands import REASON_CODES
from amazon_emulator.trade.orders.orders import Refusal
from tests.emulator.orders_desk import Shop, adjusted, adjustment, envelope, read_report
from tests.searching import cases

ACK = "POST_ORDER_ACKNOWLEDGEMENT_DATA"
ACK_FLAT = "POST_FLAT_FILE_ORDER_ACKNOWLEDGEMENT_DATA"
REFUND = "POST_PAYMENT_ADJUSTMENT_DATA"


@pytest.fixture
def shop() -> Shop:
    return Shop.open()


GOOD = envelope(
    "OrderAcknowledgement", "<AmazonOrderID>1</AmazonOrderID><StatusCode>X</StatusCode>"
)


@pytest.mark.parametrize(
    ("content", "content_type", "code"),
    [
        (b"", "text/xml", "5001"),
        (b"<AmazonEnvelope>", "text/xml", "5001"),
        (GOOD.encode() + b"rest", "text/xml", "5001"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "text/xml", "5001"),
        (GOOD.encode(), "text/xml; charset=iso-8859-1", "5001"),
        (GOOD.replace("UTF-8", "idna").encode(), "text/xml", "5001"),
        (GOOD.replace("<Header>", "<Header>\xff").encode("latin-1"), "text/xml", "5001"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><AmazonEnvelope>&b;</AmazonEnvelope>", "", "5001"),
        (b"<!DOCTYPE a SYSTEM 'http://127.0.0.1/a.dtd'><AmazonEnvelope/>", "", "5001"),
        (b"<a>" * 40 + b"</a>" * 40, "text/xml", "5000"),
        (b"<Other/>", "text/xml", "5000"),
        (GOOD.replace("<DocumentVersion>1.01</DocumentVersion>", "").encode(), "", "5000"),
        (GOOD.replace("<StatusCode>X</StatusCode>", "").encode(), "", "5000"),
        (GOOD.replace("StatusCode", "Status").encode(), "", "5000"),
        (GOOD.replace("<MessageID>1</MessageID>", "").encode(), "", "5000"),
        (GOOD.replace("OrderAcknowledgement</M", "Inventory</M").encode(), "", "5000"),
        (envelope("OrderAcknowledgement").encode(), "", "5000"),
        (GOOD.replace("</MessageType>", "</MessageType><Mesage/>").encode(), "", "5000"),
        (GOOD.replace("</MessageType>", "</MessageType>words").encode(), "", "5000"),
        (GOOD.replace("</Header>", "<Sender>x</Sender></Header>").encode(), "", "5000"),
        (GOOD.replace("</MessageID>", "</MessageID><MessageID>2</MessageID>").encode(), "", "5000"),
        (GOOD.replace("<StatusCode>", "<y:StatusCode>").encode(), "", "5001"),
        (GOOD.replace("<AmazonEnvelope>", '<AmazonEnvelope xsi:x="">').encode(), "", "5001"),
        (GOOD.replace("<StatusCode>X", "<StatusCode>&#0;").encode(), "", "5001"),
        (GOOD.replace("<StatusCode>X", "<StatusCode>&amazon;").encode(), "", "5001"),
        (GOOD.replace("UTF-8", "utf-7").encode(), "text/xml", "5001"),
        (GOOD.replace("UTF-8", "unicode_escape").encode(), "text/xml", "5001"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_documents_that_are_refused_as_a_whole(
    shop: Shop, content: bytes, content_type: str, code: str
) -> None:
    outcome = shop.process(ACK, content, content_type)
    report = read_report(outcome.report)
    assert outcome.status == "DONE"
    assert (report.processed, report.codes) == (0, [code])
    assert report.results[0]["MessageID"] == "0"


def test_a_missing_component_wrapper_is_malformed(shop: Shop) -> None:
    order = shop.order(status="SHIPPED")
    text = adjustment(order, adjusted(order.items[0].order_item_id, Principal="1.00"))
    bare = text.replace("<Component>", "").replace("</Component>", "")
    report = read_report(shop.process(REFUND, envelope("OrderAdjustment", text, bare)).report)
    assert (report.processed, report.codes) == (0, ["5000"])
    refunds = [known for known in order.bookings if known.kind == "Refund"]
    assert refunds == [], "not even the good message of a bad document"


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "shift_jis", "windows-1252"])
def test_encodings(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a>plain</a>'
    assert feed_xml.read(text.encode(encoding)).text == "plain"
    silent = "<a>é</a>".encode("iso-8859-1")
    assert feed_xml.read(silent, "text/xml; charset=ISO-8859-1").text == "é"


@settings(max_examples=cases(80), deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<a>{text}</a>".encode()))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        feed_xml.read(content, "text/xml")
        code = ""
    except feed_xml.BrokenDocument as broken:
        code = broken.code
    assert code in ("", "5000", "5001")


@settings(max_examples=cases(40), deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
def test_reports_are_xml_whatever_they_quote(words: str, order_id: str) -> None:
    result = feed_xml.Result(1, "1", words, order_id=order_id)
    report = read_report(feed_xml.report("1", "M", 1, [result]))
    assert len(report.results) == 1


def test_two_contents_in_a_message_are_not_one(shop: Shop) -> None:
    """The second would be lost without a word."""
    order = shop.order()
    one = f"<AmazonOrderID>{order.order_id}</AmazonOrderID><StatusCode>Failure</StatusCode>"
    both = f"{one}</OrderAcknowledgement><OrderAcknowledgement>{one}"
    report = read_report(shop.process(ACK, envelope("OrderAcknowledgement", both)).report)
    assert (report.processed, report.codes) == (0, ["5000"])
    assert order.status == "UNSHIPPED"


def test_namespaces_that_are_declared_do_no_harm(shop: Shop) -> None:
    order = shop.order()
    one = f"<AmazonOrderID>{order.order_id}</AmazonOrderID><StatusCode>Failure</StatusCode>"
    feed = envelope("OrderAcknowledgement", one).replace(
        "<AmazonEnvelope>",
        '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">',
    )
    assert read_report(shop.process(ACK, feed).report).results == []
    assert order.status == "CANCELLED"


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused long before it is built."""
    monkeypatch.setattr(feed_xml, "MAX_ELEMENTS", 20_000)
    quadratic = b"<!DOCTYPE a [<!ENTITY x '" + b"x" * 10**6 + b"'>]><a>" + b"&x;" * 10**6
    for bomb in (b"<a>" * 2_000_000, quadratic, b"<r>" + b"<a/>" * 2_000_000 + b"</r>"):
        with pytest.raises(feed_xml.BrokenDocument):
            feed_xml.read(bomb)
    with pytest.raises(feed_xml.BrokenDocument, match="larger than"):
        feed_xml.read(b"<a>" + b" " * feed_xml.MAX_BYTES + b"</a>")


def test_ten_mebibytes_are_read(shop: Shop) -> None:
    order = shop.order(status="SHIPPED")
    one = adjustment(order, adjusted(order.items[0].order_item_id, Principal="0.01", Tax="0.00"))
    feed = envelope("OrderAdjustment", *[one] * (10 * 2**20 // (len(one) + 110)))
    assert len(feed) > 9 * 2**20
    root = feed_xml.read(feed.encode(), "text/xml; charset=UTF-8")
    assert len(root.all("Message")) > 10_000


def test_reports_are_short_whatever_they_quote(shop: Shop) -> None:
    order = shop.order(status="SHIPPED")
    long = "9" * 10**6
    one = adjustment(order, adjusted(order.items[0].order_item_id, Principal=long))
    other = one.replace(order.order_id, long)
    report = shop.process(REFUND, envelope("OrderAdjustment", one, other)).report or b""
    assert len(read_report(report).results) == 2
    assert len(report) < 10_000


def test_reports_are_xml_whatever_a_lever_wished_for(shop: Shop) -> None:
    order = shop.order()
    shop.orders.refusals.append(Refusal("cancellation", "\x00<&", "\x01", 1, None))
    one = f"<AmazonOrderID>{order.order_id}</AmazonOrderID><StatusCode>Failure</StatusCode>"
    report = read_report(shop.process(ACK, envelope("OrderAcknowledgement", one)).report)
    assert report.codes == [" <&"]


def test_flat_files_with_empty_columns_at_the_end(shop: Shop) -> None:
    """As spreadsheets write them; a cell without any column is a fault of its row alone."""
    orders = [shop.order() for _ in range(3)]
    rows = [f"{order.order_id}\tNoInventory\t\t" for order in orders]
    rows[1] += "NoInventory"
    content = "\r\n".join(["order-id\tcancellation-reason-code\t\t", *rows, "", ""])
    text = (shop.process(ACK_FLAT, content, "text/plain").report or b"").decode()
    assert "Number of records successful\t\t2" in text
    assert "more cells than" in text
    assert [order.status for order in orders] == ["CANCELLED", "UNSHIPPED", "CANCELLED"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "order-id",
        "order-id\tcancellation-reason-code\tcolour\n1\tNoInventory\tred",
        "order-id\t\tcancellation-reason-code\n1\t\tNoInventory",
        "order-id\torder-id\tcancellation-reason-code\n1\t1\tNoInventory",
    ],
)
def test_flat_files_that_are_refused_as_a_whole(shop: Shop, content: str) -> None:
    text = (shop.process(ACK_FLAT, content, "text/plain").report or b"").decode()
    assert "Number of records processed\t\t0" in text
    assert f"0\t\t{REASON_CODES['document']}\tError" in text
