from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules import ids
from evergrant.rules.faults import Fault
from evergrant.rules.ids import Kind

instants = st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
entropy = st.binary(min_size=10, max_size=10)


@given(kind=st.sampled_from(Kind), now=instants, noise=entropy)
def test_an_id_says_what_it_names(kind: Kind, now: datetime, noise: bytes) -> None:
    made = ids.make(kind, now, noise)
    assert ids.check(kind, made) == made
    assert ids.kind_of(made) is kind
    assert len(made) == 30
    assert timedelta() <= now - ids.made_at(made) < timedelta(milliseconds=2)
    for other in set(Kind) - {kind}:
        with pytest.raises(Fault):
            ids.check(other, made)


@given(
    now=instants,
    later=st.timedeltas(timedelta(milliseconds=2), timedelta(days=900)),
    a=entropy,
    b=entropy,
)
def test_ids_sort_by_time(now: datetime, later: timedelta, a: bytes, b: bytes) -> None:
    assert ids.make(Kind.ACCOUNT, now, a) < ids.make(Kind.ACCOUNT, now + later, b)


@given(now=instants, a=entropy, b=entropy)
def test_entropy_makes_ids_differ(now: datetime, a: bytes, b: bytes) -> None:
    assert (ids.make(Kind.GRANT, now, a) == ids.make(Kind.GRANT, now, b)) == (a == b)


@pytest.mark.parametrize("noise", [b"", b"123456789", b"12345678901"])
def test_entropy_of_another_length_is_our_mistake(noise: bytes) -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        ids.make(Kind.GRANT, datetime(2026, 1, 1, tzinfo=UTC), noise)


def test_a_naive_instant_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="aware"):
        ids.make(Kind.GRANT, datetime(2026, 1, 1), b"0123456789")  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acc",
        "acc_",
        "acc_short",
        "acc_01J9Z3K4M5N6P7Q8R9S0T1V2W3",
        "acc_01j9z3k4m5n6p7q8r9s0t1v2w3\n",
        "ACC_01j9z3k4m5n6p7q8r9s0t1v2w3",
        "acc_01j9z3k4m5n6p7q8r9s0t1v2wi",
        "acc_01j9z3k4m5n6p7q8r9s0t1v2w3x",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(Fault):
        ids.check(Kind.ACCOUNT, text)


def test_the_id_of_another_thing_is_named() -> None:
    grant = ids.make(Kind.GRANT, datetime(2026, 1, 1, tzinfo=UTC), b"0123456789")
    with pytest.raises(Fault) as caught:
        ids.check(Kind.ACCOUNT, grant)
    assert caught.value.message == "This is not the id of an account."
    assert caught.value.hint == "It is the id of a grant."


# --- reference numbers ----------------------------------------------------------------------

references = st.binary(min_size=5, max_size=5).map(ids.reference)


@given(
    references,
    st.sampled_from(
        [
            str.lower,
            lambda t: t.replace("-", " "),
            lambda t: t[3:],
            lambda t: t.replace("0", "O").replace("1", "l"),
            lambda t: f"  {t} ",
        ]
    ),
)
def test_a_reference_is_understood_as_people_type_it(number: str, typed: object) -> None:
    assert ids.check_reference(typed(number)) == number  # type: ignore[operator]


@given(references, st.integers(3, 11), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_one_wrong_character_is_found(number: str, place: int, character: str) -> None:
    if number[place] in {"-", character}:
        return
    wrong = number[:place] + character + number[place + 1 :]
    with pytest.raises(Fault, match="not a reference"):
        ids.check_reference(wrong)


@pytest.mark.parametrize("text", ["", "EG", "EG-1234", "hello", "EG-UUUU-UUUU", "EG-0000-00000"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Fault, match="not a reference"):
        ids.check_reference(text)


# --- Amazon's shapes ------------------------------------------------------------------------

UUID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("prefix", ["amzn1.sellerapps.app.", "amzn1.sp.solution."])
def test_both_shapes_of_application_ids(prefix: str) -> None:
    assert ids.check_application_id(prefix + UUID)


def test_a_pasted_lwa_client_id_is_recognised() -> None:
    with pytest.raises(Fault) as caught:
        ids.check_application_id("amzn1.application-oa2-client." + "a" * 32)
    assert "MD1000" in (caught.value.hint or "")


def test_a_pasted_secret_is_recognised_and_not_repeated() -> None:
    secret = "amzn1.oa2-cs.v1." + "b" * 64
    for check in (ids.check_application_id, ids.check_lwa_client_id):
        with pytest.raises(Fault) as caught:
            check(secret)
        told = f"{caught.value.message} {caught.value.hint}"
        assert "client secret" in told
        assert "bbbb" not in told


@pytest.mark.parametrize(
    "text",
    [
        "",
        UUID,
        "amzn1.sp.solution.",
        f"amzn1.sp.solution.{UUID}x",
        f" amzn1.sp.solution.{UUID}",
        f"amzn1.sp.solution.{UUID}\n",
        "amzn1.sp.solution." + UUID.replace("1", "G"),
    ],
)
def test_other_application_ids_are_refused(text: str) -> None:
    with pytest.raises(Fault) as caught:
        ids.check_application_id(text)
    assert caught.value.field == "application_id"


FINE = [
    (ids.check_lwa_client_id, "amzn1.application-oa2-client.0123456789abcdef0123456789abcdef"),
    (ids.check_selling_partner_id, "A2EXAMPLE7SELLER"),
    (ids.check_selling_partner_id, "VENDOR_GROUP-12"),
    (ids.check_merchant_token, "A2EXAMPLE7SELLR"),
    (ids.check_vendor_code, "ABC12"),
    (ids.check_role_arn, "arn:aws:iam::123456789012:role/service/Selling-Partner"),
    (ids.check_queue_url, "https://sqs.eu-west-1.amazonaws.com/123456789012/secrets"),
    (ids.check_queue_url, "http://127.0.0.1:5000/123456789012/secrets"),
    (ids.check_email, "anna.o'neil+amazon@mail.example.co.uk"),
    (ids.check_email, "jürgen@exämple.de"),
    (ids.check_email, "root@localhost"),
    (ids.check_name, "Müller & Söhne GmbH"),
    (ids.check_language, "de"),
]


@pytest.mark.parametrize(("check", "text"), FINE)
def test_good_values_pass_unchanged(check: object, text: str) -> None:
    assert check(text) == text  # type: ignore[operator]


BAD = [
    (ids.check_lwa_client_id, "amzn1.sp.solution." + UUID),
    (ids.check_lwa_client_id, ""),
    (ids.check_selling_partner_id, ""),
    (ids.check_selling_partner_id, "A B"),
    (ids.check_selling_partner_id, "<script>"),
    (ids.check_merchant_token, "B2EXAMPLE7SELLR"),
    (ids.check_merchant_token, "a2example7sellr"),
    (ids.check_merchant_token, "Atzr|IwEBI"),
    (ids.check_vendor_code, "ab"),
    (ids.check_vendor_code, "ABC 12"),
    (ids.check_role_arn, "arn:aws:s3:::bucket"),
    (ids.check_role_arn, "arn:aws:iam::123:role/x"),
    (ids.check_queue_url, "https://example.com/queue"),
    (ids.check_queue_url, "https://sqs.eu-west-1.amazonaws.com/123456789012/secrets.fifo"),
    (ids.check_email, "anna"),
    (ids.check_email, "anna@"),
    (ids.check_email, "@example.com"),
    (ids.check_email, "anna@example"),
    (ids.check_email, "anna@example.com, bob@example.com"),
    (ids.check_email, "anna@example.com\nBcc: x@example.com"),
    (ids.check_email, "an na@example.com"),
    (ids.check_email, "anna@-example.com"),
    (ids.check_email, "anna@exa_mple.com"),
    (ids.check_email, "anna@example..com"),
    (ids.check_email, "a" * 65 + "@example.com"),
    (ids.check_name, ""),
    (ids.check_name, "   "),
    (ids.check_name, "a\x00b"),
    (ids.check_name, "a\nb"),
    (ids.check_name, "x" * 201),
    (ids.check_language, "xx"),
]


@pytest.mark.parametrize(("check", "text"), BAD)
def test_bad_values_are_refused_with_a_hint(check: object, text: str) -> None:
    with pytest.raises(Fault) as caught:
        check(text)  # type: ignore[operator]
    assert caught.value.field
    assert caught.value.hint


def test_blanks_around_names_and_case_of_languages_are_forgiven() -> None:
    assert ids.check_name("  Shop ") == "Shop"
    assert ids.check_language(" DE ") == "de"
