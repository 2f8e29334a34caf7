"""Files of changes: however they are written, a row means one thing or is refused."""

from __future__ import annotations

import codecs
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.errors import InvalidInput
from evergrant.feeds.beside import beside
from evergrant.feeds.files import ReadFile, read_csv, read_json
from evergrant.rules.faults import Fault
from evergrant.rules.wishes import Refused
from evergrant.rules.wishes.invoice import LARGEST_PDF

ORDER = "302-1234567-1234567"


def csv(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def lines(read: ReadFile) -> list[dict[str, Any]]:
    assert not [one for one in read.lines if isinstance(one, Refused)]
    return [dict(one) for one in read.lines if not isinstance(one, Refused)]


def refused(read: ReadFile) -> list[dict[str | None, str]]:
    return [
        {fault.field: fault.code for fault in one.faults}
        for one in read.lines
        if isinstance(one, Refused)
    ]


def flaw(content: bytes, **more: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_csv(content, **more)
    return " ".join(f"{one.code} {one.message}" for one in caught.value.flaws)


# --- how it is written ------------------------------------------------------------------------

STOCK = ("kind;sku;quantity", "stock;MUG-1;12", "", "stock;Töpfe;0")
MEANT = [
    {"kind": "stock", "sku": "MUG-1", "quantity": "12"},
    {"kind": "stock", "sku": "Töpfe", "quantity": "0"},
]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_way_to_write_it(separator: str, line_end: str, encoding: str) -> None:
    text = line_end.join(row.replace(";", separator) for row in STOCK) + line_end
    read = read_csv(text.encode(encoding))
    assert lines(read) == MEANT
    assert read.rows == ((2,), (4,))


def test_names_and_cells_are_trimmed_and_empty_ones_are_absent() -> None:
    read = read_csv(csv("Kind , SKU,Quantity,Reference,,", " stock , A , 1 ,,,", "stock,B,2,r"))
    assert lines(read) == [
        {"kind": "stock", "sku": "A", "quantity": "1"},
        {"kind": "stock", "sku": "B", "quantity": "2", "reference": "r"},
    ]
    spaced = read_csv(csv("kind,order id,Order-Item-ID,reason", f"cancellation,{ORDER},1,x"))
    assert lines(spaced)[0]["items"] == [{"order_item_id": "1"}]


def test_a_kind_for_the_whole_file_and_one_of_a_row() -> None:
    read = read_csv(csv("kind,sku,quantity,price", ",A,1,", "price,B,,2.00"), kind="stock")
    assert [line["kind"] for line in lines(read)] == ["stock", "price"]


def test_quoted_cells() -> None:
    read = read_csv(csv("sku,quantity,reference", '"A,B",1,"say ""hi"""', '"C\nD",2,x', "E,3,y"))
    assert [line["sku"] for line in lines(read)] == ["A,B", "C\nD", "E"]
    assert read.rows == ((2,), (3,), (5,))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "names no field"),
        (b"\n\n", "names no field"),
        (b"a,b\n1,2\n", "names no field"),
        (b"sku,quantity\n", "no row below"),
        (b"sku,quantity,sku\nA,1,B\n", "repeated"),
        (b"sku,,quantity\nA,x,1\n", "no name"),
        (b'sku,quantity\nA,1\n"B,2\nC,3\n', "From row 3"),
        (b"sku,quantity\nA,1\nB,\x00\n", "not a text file"),
        (b"sku,quantity\nA\x81,1\n", "not a text file"),
        (b"%PDF-1.7\x00\x01", "not a text file"),
        (b"sku," + b",".join(b"c%d" % n for n in range(300)) + b"\n", "more than 200"),
    ],
)
def test_what_is_no_file_of_changes(content: bytes, why: str) -> None:
    assert why in flaw(content)


def test_a_row_with_more_cells_than_columns_is_refused() -> None:
    read = read_csv(csv("kind,sku,quantity,reference", "stock,A,1,r1,oops", "stock,B,2"))
    assert refused(read) == [{None: "too_many_cells"}]
    assert isinstance(read.lines[0], Refused)
    assert read.lines[0].given == {"kind": "stock", "reference": "r1"}
    assert read.rows == ((2,), (3,))


# --- amounts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "meant"),
    [("19,99", "19.99"), ("19,9", "19.9"), ("19.99", "19.99"), ("1.234,56", "1.234,56"),
     ("1,234", "1,234"), ("1,", "1,"), ("-1,50", "-1,50"), ("1 234,56", "1 234,56")],
)  # fmt: skip
@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_comma_counts_only_where_it_can_mean_nothing_else(
    cell: str, meant: str, separator: str
) -> None:
    """What is left with its comma is refused by the line's reader."""
    rows = ("kind;sku;price;currency;reference", f"price;A;{cell};EUR;1,5")
    (line,) = lines(read_csv(csv(*(row.replace(";", separator) for row in rows))))
    assert line["price"] == meant
    assert line["reference"] == "1,5", "only amounts are looked at"


def test_between_commas_a_comma_is_left_alone() -> None:
    (line,) = lines(read_csv(csv("kind,sku,price,currency", 'price,A,"19,99",EUR')))
    assert line["price"] == "19,99"


@given(st.integers(0, 10**9), st.sampled_from([".", ","]))
def test_amounts_of_refunds_come_through_to_the_cent(cents: int, point: str) -> None:
    amount = f"{cents // 100}{point}{cents % 100:02}"
    content = csv("kind;order_id;reference;order_item_id;principal", f"refund;{ORDER};R;1;{amount}")
    (line,) = lines(read_csv(content))
    assert line["items"] == [
        {"order_item_id": "1", "principal": f"{cents // 100}.{cents % 100:02}"}
    ]


# --- rows that are one line -------------------------------------------------------------------


def test_items_of_one_package_are_one_line() -> None:
    head = "kind,order_id,package,carrier_code,tracking_number,order_item_id,quantity"
    read = read_csv(
        csv(
            head,
            f"shipment,{ORDER},,DHL,1,11,1",
            f"shipment,{ORDER},2,DHL,2,11,1",
            f"shipment,{ORDER},1,DHL,1,12,3",
        )
    )
    # The first package has no number in one row and its number in the other.
    assert refused(read) == [{"package": "rows_differ"}]
    read = read_csv(
        csv(
            head,
            f"shipment,{ORDER},,DHL,1,11,1",
            f"shipment,{ORDER},2,DHL,2,11,1",
            f"shipment,{ORDER},,DHL,1,12,3",
        )
    )
    assert [line["items"] for line in lines(read)] == [
        [{"order_item_id": "11", "quantity": "1"}, {"order_item_id": "12", "quantity": "3"}],
        [{"order_item_id": "11", "quantity": "1"}],
    ]
    assert read.rows == ((2, 4), (3,))


def test_items_of_one_refund_are_one_line() -> None:
    head = "kind,order_id,reference,currency,reason,order_item_id,principal,tax"
    good = csv(
        head,
        f"refund,{ORDER},R1,EUR,CustomerReturn,11,5.00,0.95",
        f"refund,{ORDER},R2,EUR,CustomerReturn,11,1.00,",
        f"refund,{ORDER},R1,EUR,CustomerReturn,12,7.00,",
    )
    read = read_csv(good)
    assert [line["reference"] for line in lines(read)] == ["R1", "R2"]
    assert lines(read)[0]["items"] == [
        {"order_item_id": "11", "principal": "5.00", "tax": "0.95"},
        {"order_item_id": "12", "principal": "7.00"},
    ]
    for other in (
        "refund,302-7654321-7654321,R1,EUR,CustomerReturn,12,7.00,",
        f"refund,{ORDER},R1,EUR,Exchange,12,7.00,",
        f"refund,{ORDER},R1,,CustomerReturn,12,7.00,",
    ):
        bad = read_csv(good + csv(other))
        assert list(refused(bad)[0].values()) == ["rows_differ"]
        assert len(bad.lines) == 2
        assert bad.rows[0] == (2, 4, 5)


def test_rows_without_a_name_of_their_own_stay_apart() -> None:
    head = "kind,order_id,reference,order_item_id,principal"
    read = read_csv(csv(head, f"refund,{ORDER},,11,5.00", f"refund,{ORDER},,12,5.00"))
    assert len(read.lines) == 2
    read = read_csv(csv("kind,sku,quantity", "stock,A,1", "stock,A,2", "nonsense,A,2"))
    assert len(read.lines) == 3


def test_the_same_order_said_twice_is_one_cancellation() -> None:
    row = f"cancellation,{ORDER},NoInventory"
    read = read_csv(csv("kind,order_id,reason", row, row))
    assert lines(read) == [{"kind": "cancellation", "order_id": ORDER, "reason": "NoInventory"}]
    assert read.rows == ((2, 3),)


def test_item_fields_by_their_path() -> None:
    read = read_csv(
        csv(
            "kind,shipment_id,items.sku,item.quantity,items.lot_number",
            "shipment,S1,A,1,L1",
            "shipment,S1,B,2,",
        )
    )
    assert lines(read)[0]["items"] == [
        {"sku": "A", "quantity": "1", "lot_number": "L1"},
        {"sku": "B", "quantity": "2"},
    ]


# --- PDFs beside it ---------------------------------------------------------------------------


def test_a_pdf_lies_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "R-1.pdf").write_bytes(b"%PDF-1.7")
    content = csv("kind,order_id,invoice_number,pdf", f"invoice,{ORDER},R-1,R-1.pdf")
    with beside(tmp_path) as attachments:
        (line,) = lines(read_csv(content, attachments=attachments))
        assert line["pdf"] == b"%PDF-1.7"
        document = [{"kind": "invoice", "pdf_file": "R-1.pdf"}]
        (line,) = lines(read_json(json.dumps(document).encode(), attachments=attachments))
        assert line == {"kind": "invoice", "pdf": b"%PDF-1.7"}
        both = [{"kind": "invoice", "pdf_file": "R-1.pdf", "pdf": "JVBERg=="}]
        read = read_json(json.dumps(both).encode(), attachments=attachments)
        assert refused(read) == [{"pdf_file": "repeated"}]
    assert refused(read_csv(content)) == [{"pdf": "no_files"}]


def test_names_of_files_are_not_trusted(tmp_path: Path) -> None:
    secret = tmp_path / "secret.pdf"
    secret.write_bytes(b"%PDF of somebody else")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.pdf").symlink_to(secret)
    (folder / "below").mkdir()
    (folder / "below" / "x.pdf").write_bytes(b"%PDF")
    (folder / ".hidden.pdf").write_bytes(b"%PDF")
    (folder / "large.pdf").write_bytes(b"%PDF" + bytes(LARGEST_PDF))
    names = [
        "../secret.pdf", str(secret), "link.pdf", "below/x.pdf", "below", ".", "..", "",
        ".hidden.pdf", "large.pdf", "none.pdf", "a\0b.pdf", "..\\secret.pdf", "x" * 300,
    ]  # fmt: skip
    with beside(folder) as attachments:
        for name in names:
            with pytest.raises(Fault):
                attachments(name)
    with pytest.raises(InvalidInput), beside(tmp_path / "nowhere"):
        raise AssertionError


# --- JSON -------------------------------------------------------------------------------------


def test_json() -> None:
    changes = [{"sku": "A"}, {"kind": "price"}, "nonsense", None]
    for document in (changes, {"changes": changes}):
        for encoding in ("utf-8", "utf-8-sig"):
            read = read_json(json.dumps(document).encode(encoding), kind="stock")
            assert read.lines[:2] == ({"kind": "stock", "sku": "A"}, {"kind": "price"})
            assert refused(read) == [{None: "wrong_type"}] * 2
            assert read.rows == ((1,), (2,), (3,), (4,))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"7", b'{"changes": 7}', b'{"changes": [], "x": 1}', b'[{"a": 1, "a": 2}]',
     codecs.BOM_UTF16_LE + b"x", b"[" * 100_000, b"\xff"],
)  # fmt: skip
def test_what_is_no_document_of_changes(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_json(content)


def test_what_was_kept_from_being_a_formula_is_plain_again() -> None:
    content = (
        "kind,sku,quantity,remark\n"
        "stock,'=A1,1,8541: no such thing\n"
        "stock,'-1,2,\n"
        "stock,''@x,3,=1+1\n"
        "stock,'plain,4,\n"
        "stock,a'=b,5,\n"
        "stock,'\uff1dwide,6,\n"
    )
    read = read_csv(content.encode())
    assert [line["sku"] for line in read.lines if not isinstance(line, Refused)] == [
        *("=A1", "-1", "'@x", "'plain", "a'=b", "\uff1dwide")
    ]
    assert not [line for line in read.lines if isinstance(line, Refused) or "remark" in line]


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(content: bytes) -> None:
    for text in (content, b"kind,sku,quantity\n" + content, b"\xff\xfe" + content):
        try:
            read = read_csv(text)
        except InvalidInput:
            continue
        assert len(read.lines) == len(read.rows) > 0


def test_a_file_of_separators_stays_small() -> None:
    names = b"kind,sku,quantity\n"
    content = names + b"".join(b"stock,A%d,1%s\n" % (n, b"," * 3_000) for n in range(1_000))
    tracemalloc.start()
    try:
        found = read_csv(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.lines) == 1_000
    assert peak < 12 * len(content)
    (line,) = read_csv(names + b"stock,A,1" + b"," * 1_000_000 + b"x").lines
    assert isinstance(line, Refused)
