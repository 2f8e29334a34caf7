"""Settings: read once, every name known, everything that is wrong told at once."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from evergrant.errors import Misconfigured
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region
from evergrant.settings import SETTINGS, LogFormat, ServerRole, Setting, Settings

RELAY = {
    "EVERGRANT_SMTP_URL": "smtp://mail.internal:25",
    "EVERGRANT_PUBLIC_URL": "https://connect.northwind.example",
    "EVERGRANT_HOUSE_NAME": "Northwind",
    "EVERGRANT_MAIL_FROM": "Northwind <connect@northwind.example>",
    "EVERGRANT_SUPPORT_EMAIL": "support@northwind.example",
}


def read(**settings: str) -> Settings:
    return Settings.from_environment({f"EVERGRANT_{name}": text for name, text in settings.items()})


def refused(**settings: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        read(**settings)
    return f"{caught.value} {caught.value.hint or ''}"


LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'


def test_nothing_set_is_a_working_development_installation() -> None:
    settings = read()
    assert settings.home == Path("~/.evergrant").expanduser()
    assert settings.keyring_file == settings.home / "keyring"
    assert settings.database_url is None
    assert settings.keyring is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.login_uri == "http://127.0.0.1:8080/amazon/login"
    assert settings.redirect_uri == "http://127.0.0.1:8080/callback"
    assert settings.role is ServerRole.ALL
    assert settings.log_format is LogFormat.TEXT
    assert settings.log_level == "info"
    assert settings.invitation_life == timedelta(days=14)
    assert settings.body_limit == 1024 * 1024
    assert settings.metrics_accounts == 100
    assert settings.marketplaces == STANDARD
    assert settings.development
    assert "@" in settings.house.mail_from
    assert "@" in settings.house.support_email


def test_operators_have_a_language() -> None:
    assert read().house.operators_language == "en"
    assert read(OPERATORS_LANGUAGE="DE").house.operators_language == "de"
    assert read(OPERATORS_LANGUAGE="fr").house.operators_language == "fr"
    assert "en, de, fr, it, es" in refused(OPERATORS_LANGUAGE="nl")


def test_the_environment_of_the_process_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EVERGRANT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EVERGRANT_PORT", "9001")
    settings = Settings.from_environment()
    monkeypatch.setenv("EVERGRANT_PORT", "9002")
    assert settings.port == 9001
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 9003  # type: ignore[misc]


#: What is of no use alone.
BESIDE = {
    "oidc_issuer": {"EVERGRANT_OIDC_CLIENT_ID": "evergrant"},
    "oidc_client_id": {"EVERGRANT_OIDC_ISSUER": "https://login.house.example"},
}


@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: one.name)
def test_every_example_is_taken_as_value_and_from_a_file(one: Setting, tmp_path: Path) -> None:
    example = one.example
    if one.names_a_file:
        (tmp_path / "given").write_text(LOGO if one.into == "house_logo" else "{}")
        example = str(tmp_path / "given")
    environ = {**RELAY, **BESIDE.get(one.into, {}), one.name: example}
    if one.into == "clock_file":
        environ = {one.name: example}
    given = Settings.from_environment(environ)
    assert getattr(given, one.into) is not None
    if one.file_name:
        path = tmp_path / "value"
        path.write_text(f"{one.example}\n")
        del environ[one.name]
        from_file = Settings.from_environment({**environ, one.file_name: str(path)})
        assert getattr(from_file, one.into) == getattr(given, one.into)
        (shown,) = [row for row in from_file.shown if row.name == one.name]
        assert shown.source == str(path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EVERGRANT_PROT", "'EVERGRANT_PORT'"),
        ("EVERGRANT_KEYRING_FIEL", "'EVERGRANT_KEYRING_FILE'"),
        ("EVERGRANT_HOUSENAME", "'EVERGRANT_HOUSE_NAME'"),
        ("EVERGRANT_CLOCK_FILE_FILE", "'EVERGRANT_CLOCK_FILE'"),
    ],
)
def test_an_unknown_name_is_an_error_with_a_guess(name: str, meant: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings.from_environment({name: "1"})
    assert caught.value.setting == name
    assert meant in (caught.value.hint or "")


def test_single_sign_on_needs_both_halves() -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings.from_environment({"EVERGRANT_OIDC_ISSUER": "https://login.house.example/a"})
    assert caught.value.setting == "EVERGRANT_OIDC_CLIENT_ID"
    with pytest.raises(Misconfigured) as caught:
        Settings.from_environment({"EVERGRANT_OIDC_CLIENT_ID": "evergrant"})
    assert caught.value.setting == "EVERGRANT_OIDC_ISSUER"
    assert "https" in refused(OIDC_ISSUER="http://login.house.example", OIDC_CLIENT_ID="x")
    assert read().signing_in.second_factor_required
    assert not read(SECOND_FACTOR="optional").signing_in.second_factor_required


def test_names_of_others_are_left_alone() -> None:
    environ = {"PATH": "/bin", "EVERGRANT_AMAZON_MODELS": "/models", "EVERGRANTS": "x"}
    assert Settings.from_environment(environ) == read()


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = refused(PORT="http", ROLE="wep", LOG_LEVEL="loud", BODY_LIMIT="10", NOBODY="x")
    for name in ("PORT", "ROLE", "LOG_LEVEL", "BODY_LIMIT", "NOBODY"):
        assert f"EVERGRANT_{name}" in told
    assert "Did you mean 'web'?" in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "８０８０"),
        ("PORT", "1" * 5000),
        ("HOST", "two words"),
        ("DATABASE_POOL", "1"),
        ("DATABASE_URL", "mysql://db/evergrant"),
        ("SMTP_URL", "mail.internal:25"),
        ("SMTP_URL", "smtp://"),
        ("PUBLIC_URL", "http://connect.northwind.example"),
        ("PUBLIC_URL", "https://connect.northwind.example/evergrant"),
        ("PUBLIC_URL", "https://me:word@connect.northwind.example"),
        ("PUBLIC_URL", "connect.northwind.example"),
        ("MAIL_FROM", "Northwind"),
        ("MAIL_FROM", "a@b.example\r\nBcc: c@d.example"),
        ("SUPPORT_EMAIL", "support"),
        ("INVITATION_DAYS", "0"),
        ("INVITATION_DAYS", "7.5"),
        ("LWA_TIMEOUT_S", "nan"),
        ("LWA_TIMEOUT_S", "inf"),
        ("LWA_TIMEOUT_S", "soon"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    assert refused(**{name: value}).startswith(f"EVERGRANT_{name}: ")


def test_an_empty_value_counts_as_not_set() -> None:
    assert read(SMTP_URL="", PORT=" ", KEYRING_FILE="") == read()


def test_a_public_origin_is_settled() -> None:
    assert read(PUBLIC_URL="https://Connect.Northwind.example:443/").public_url == (
        "https://connect.northwind.example"
    )


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:81"), ("::1", "http://[::1]:81"), ("::", "http://127.0.0.1:81")],
)
def test_without_public_url_it_is_that_of_the_server(host: str, url: str) -> None:
    assert read(HOST=host, PORT="81").public_url == url


def test_the_port_that_the_server_got_moves_a_derived_address_only() -> None:
    assert read(PORT="0").at_port(4711).public_url == "http://127.0.0.1:4711"
    given = read(PORT="0", PUBLIC_URL="http://127.0.0.1:99").at_port(4711)
    assert (given.public_url, given.port) == ("http://127.0.0.1:99", 4711)


# --- files ----------------------------------------------------------------------------------


def test_a_value_and_a_file_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("80")
    told = refused(PORT="80", PORT_FILE=str(tmp_path / "port"))
    assert "both EVERGRANT_PORT and EVERGRANT_PORT_FILE are set" in told


def test_unreadable_files_are_fatal_and_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * (1024 * 1024 + 1))
    told = refused(
        KEYRING_FILE=str(tmp_path / "missing"),
        DATABASE_URL_FILE=str(tmp_path),
        SMTP_URL_FILE=str(tmp_path / "binary"),
        HOUSE_NAME_FILE=str(tmp_path / "empty"),
        MAIL_FROM_FILE=str(tmp_path / "large"),
    )
    for name in ("missing", "binary", "empty", "large", "EVERGRANT_DATABASE_URL_FILE"):
        assert name in told


# --- secrets --------------------------------------------------------------------------------


def test_secrets_are_shown_nowhere() -> None:
    secret = secrets.token_hex(16)
    settings = Settings.from_environment(
        {
            **RELAY,
            "EVERGRANT_DATABASE_URL": f"postgresql://evergrant:{secret}@db/evergrant",
            "EVERGRANT_SMTP_URL": f"smtp://user:{secret}@mail.internal",
            "EVERGRANT_KEYRING": f"k1:{secret}",
        }
    )
    assert secret not in repr(settings)
    assert secret not in repr(settings.shown)
    assert settings.database_url is not None
    assert secret in settings.database_url.reveal()
    (shown,) = [row for row in settings.shown if row.name == "EVERGRANT_KEYRING"]
    assert (shown.value, shown.source) == ("set, not shown", "environment")


@pytest.mark.parametrize("name", [one.name for one in SETTINGS if one.secret])
def test_a_wrong_secret_is_not_repeated_by_its_error(name: str) -> None:
    secret = secrets.token_hex(16)
    for wrong in (f"mysql://user:{secret}@host", f"[{secret}", f"smtp://[{secret}"):
        with pytest.raises(Misconfigured) as caught:
            Settings.from_environment({name: wrong, "EVERGRANT_PORT": "wrong as well"})
        assert secret not in f"{caught.value} {caught.value.hint} {caught.value.facts}"


def test_what_is_shown_is_what_is_in_force() -> None:
    rows = {row.name: row for row in read(PORT="81").shown}
    assert [*rows] == [one.name for one in SETTINGS]
    assert (rows["EVERGRANT_PORT"].value, rows["EVERGRANT_PORT"].source) == ("81", "environment")
    assert rows["EVERGRANT_PUBLIC_URL"].value == "http://127.0.0.1:81"
    assert rows["EVERGRANT_BODY_LIMIT"].source == "default"
    assert rows["EVERGRANT_KEYRING"].value == "not set"
    assert "@" in rows["EVERGRANT_MAIL_FROM"].value


# --- together -------------------------------------------------------------------------------


def test_a_relay_needs_to_know_who_writes() -> None:
    told = refused(SMTP_URL="smtp://mail.internal")
    for name in ("PUBLIC_URL", "HOUSE_NAME", "MAIL_FROM", "SUPPORT_EMAIL"):
        assert f"EVERGRANT_{name}" in told
    settings = Settings.from_environment(RELAY)
    assert not settings.development
    assert settings.house.name == "Northwind"
    assert settings.house.public_url == "https://connect.northwind.example"


def test_a_moved_clock_and_a_real_relay_do_not_go_together(tmp_path: Path) -> None:
    clock = {"EVERGRANT_CLOCK_FILE": str(tmp_path / "clock")}
    assert Settings.from_environment(clock).clock_file == tmp_path / "clock"
    with pytest.raises(Misconfigured, match="EVERGRANT_CLOCK_FILE"):
        Settings.from_environment({**RELAY, **clock})


# --- marketplaces ---------------------------------------------------------------------------


def test_marketplaces_are_overridden_by_json(tmp_path: Path) -> None:
    path = tmp_path / "marketplaces.json"
    path.write_text(
        json.dumps(
            {
                "lwa_url": "http://127.0.0.1:9/auth/o2/token",
                "all_vendor_central": "http://127.0.0.1:8",
                "regions": {"eu": {"endpoint": "http://127.0.0.1:7"}},
            }
        )
    )
    settings = read(MARKETPLACES_FILE=str(path))
    assert settings.marketplaces_file == path
    assert settings.marketplaces.lwa_url == "http://127.0.0.1:9/auth/o2/token"
    assert settings.marketplaces.endpoint(Region.EU) == "http://127.0.0.1:7"
    assert settings.marketplaces.consent_origin("IE", PartnerKind.VENDOR) == "http://127.0.0.1:8"


def test_marketplaces_are_overridden_by_toml(tmp_path: Path) -> None:
    path = tmp_path / "marketplaces.toml"
    path.write_text('[countries.IE]\nvendor_central = "https://vendorcentral.amazon.ie"\n')
    marketplaces = read(MARKETPLACES_FILE=str(path)).marketplaces
    assert marketplaces.by_country("IE").vendor_central == "https://vendorcentral.amazon.ie"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.json", "{", "JSON"),
        ("m.toml", "= 1", "TOML"),
        ("m.json", "[1]", "table"),
        ("m.json", "[" * 50_000, "JSON"),
        ("m.json", "", "empty"),
        ("m.json", '{"regoins": {}}', "regoins"),
        ("m.json", '{"regions": {"eu": {"endpoint": "http://evil.example"}}}', "regions.eu"),
    ],
)
def test_a_broken_marketplaces_file_is_named(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    told = refused(MARKETPLACES_FILE=str(path))
    assert told.startswith("EVERGRANT_MARKETPLACES_FILE: ")
    assert says in told
    assert str(path) in told


def test_a_missing_marketplaces_file_is_fatal(tmp_path: Path) -> None:
    assert "No such file" in refused(MARKETPLACES_FILE=str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("given", "anywhere"),
    [
        ({}, True),
        ({"EVERGRANT_WEBHOOK_TARGETS": "public"}, False),
        ({**RELAY}, False),
        ({**RELAY, "EVERGRANT_WEBHOOK_TARGETS": "any"}, True),
    ],
)
def test_webhooks_stay_public_once_letters_leave_the_house(
    given: dict[str, str], anywhere: bool
) -> None:
    assert Settings.from_environment(given).webhooks_to_anywhere is anywhere
