"""Integration credentials: going in, tried with Amazon, replaced; never coming out."""

from __future__ import annotations

import secrets

import pytest

from evergrant.errors import AmazonUnavailable
from evergrant.ports.things import IntegrationCredentials
from evergrant.ports.watched import RotationSource
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.conftest import Console, text_of
from tests.doors.test_console.register_ground import (
    NOTIFICATIONS,
    QUEUE,
    application,
    assert_no_secret,
    client_secret,
    every_secret,
    queued,
)


def home(console: Console) -> str:
    return f"/console/applications/{console.house.application_id}"


async def credentials(console: Console) -> IntegrationCredentials:
    return await console.desk.registry.credentials(console.house.application_id, by=SYSTEM)


async def in_force(console: Console) -> Secret:
    client = await console.desk.registry.lwa_client(console.house.application_id)
    return client.lwa_client_secret


# --- in and not out -------------------------------------------------------------------------------


async def test_credentials_go_in_and_never_come_out(console: Console) -> None:
    window = await console.as_()
    made = await application(console, "Shop")
    base = f"/console/applications/{made.id}"
    client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
    secret = client_secret()
    console.fakes.lwa.add_client(client_id, secret)
    access_key, secret_key = f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20)
    page = await window.did(
        f"{base}/credentials",
        {
            "lwa_client_id": client_id,
            "lwa_client_secret": f" {secret.reveal()}\n",
            "secret_created_at": "2026-02-01",
            "queue_url": QUEUE,
            "notifications_queue_url": NOTIFICATIONS,
            "role_arn": "arn:aws:iam::123456789012:role/reader",
            "access_key": access_key,
            "secret_key": secret_key,
        },
    )
    told = text_of(page)
    assert "Login with Amazon accepts client id and client secret." in told
    assert "The queue of client secrets can be read." in told
    kept = await console.desk.registry.credentials(made.id, by=SYSTEM)
    assert kept.secret_created_at is not None
    assert f"{kept.secret_created_at:%Y-%m-%d %H:%M}" == "2026-02-01 00:00"
    client = await console.desk.registry.lwa_client(made.id)
    assert client.lwa_client_secret == secret
    assert access_key[-4:] in told
    pages = [page, *[await window.read(f"{base}{rest}") for rest in ("", "/credentials", "/edit")]]
    pages += [await window.read("/console/journal"), await window.read("/console/applications")]
    kept_secrets = await every_secret(console)
    assert {secret.reveal(), access_key, secret_key} <= set(kept_secrets)
    assert_no_secret(pages, kept_secrets)


async def test_an_empty_field_leaves_what_is_there(console: Console) -> None:
    await queued(console)
    before, secret = await credentials(console), await in_force(console)
    window = await console.as_()
    await window.did(
        f"{home(console)}/credentials",
        {
            "lwa_client_id": before.lwa_client_id,
            "lwa_client_secret": "",
            "access_key": "",
            "secret_key": " ",
            "queue_url": before.queue_url,
            "role_arn": "arn:aws:iam::123456789012:role/reader",
            "notifications_queue_url": before.notifications_queue_url,
        },
    )
    after = await credentials(console)
    assert await in_force(console) == secret
    assert (after.access_key_hint, after.secret_key_set) == (before.access_key_hint, True)
    assert after.secret_expires_at == before.secret_expires_at
    assert after.role_arn == "arn:aws:iam::123456789012:role/reader"


async def test_aws_keys_and_queues_can_be_taken_away(console: Console) -> None:
    await queued(console)
    window = await console.as_()
    await window.did(
        f"{home(console)}/credentials",
        {"queue_url": "", "role_arn": "", "notifications_queue_url": "", "drop_aws": "on"},
    )
    after = await credentials(console)
    assert (after.queue_url, after.notifications_queue_url) == ("", "")
    assert (after.access_key_hint, after.secret_key_set) == ("", False)
    assert after.secret_set


async def test_a_flawed_secret_does_not_come_back(console: Console) -> None:
    window = await console.as_()
    made = await application(console, "Shop")
    wrong = f"Atza|{secrets.token_hex(20)}"
    answer = await window.post(
        f"/console/applications/{made.id}/credentials",
        {"lwa_client_id": "not one", "lwa_client_secret": wrong, "secret_key": wrong},
    )
    assert answer.status_code == 422
    assert 'id="w-lwa_client_secret"' in answer.text
    assert 'value="not one"' in answer.text
    assert wrong not in answer.text


@pytest.mark.parametrize("text", ["yesterday", "2026-13-40", "31.12.2026"])
async def test_a_day_that_is_none(console: Console, text: str) -> None:
    window = await console.as_()
    answer = await window.post(
        f"{home(console)}/credentials",
        {"secret_expires_at": text, "lwa_client_secret": client_secret().reveal()},
    )
    assert answer.status_code == 422
    assert 'id="w-secret_expires_at"' in answer.text


async def test_saved_credentials_that_amazon_refuses_are_told(console: Console) -> None:
    window = await console.as_()
    page = await window.did(
        f"{home(console)}/credentials", {"lwa_client_secret": client_secret().reveal()}
    )
    told = text_of(page)
    assert "Saved. Login with Amazon refuses them" in told
    assert 'class="said bad"' in page


# --- does it work ---------------------------------------------------------------------------------


async def test_verifying_asks_amazon_each_time(console: Console) -> None:
    window = await console.as_()
    before = console.fakes.lwa.count()
    for times in (1, 2):
        page = await window.did(f"{home(console)}/verify")
        assert "Login with Amazon accepts" in text_of(page)
        assert console.fakes.lwa.count() == before + times


async def test_verifying_a_secret_that_amazon_refuses(console: Console) -> None:
    own = await credentials(console)
    console.fakes.lwa.drop_secrets(own.lwa_client_id)
    window = await console.as_()
    page = await window.did(f"{home(console)}/verify")
    assert "Login with Amazon refuses them: invalid_client" in text_of(page)
    assert (await credentials(console)).trouble
    console.fakes.lwa.add_client(own.lwa_client_id, await in_force(console))
    await window.did(f"{home(console)}/verify")
    assert not (await credentials(console)).trouble


async def test_verifying_when_amazon_does_not_answer(console: Console) -> None:
    console.fakes.lwa.fail(AmazonUnavailable)
    window = await console.as_()
    page = await window.did(f"{home(console)}/verify")
    assert "Login with Amazon does not answer" in text_of(page)
    assert not (await credentials(console)).trouble


async def test_verifying_without_credentials(console: Console) -> None:
    made = await application(console, "Shop")
    window = await console.as_()
    page = await window.did(f"/console/applications/{made.id}/verify")
    assert "no credentials yet" in text_of(page)


async def test_verifying_a_queue_that_cannot_be_read(console: Console) -> None:
    await queued(console)
    console.fakes.secrets_queue.refuse()
    window = await console.as_()
    page = await window.did(f"{home(console)}/verify")
    assert "The queue of client secrets cannot be read" in text_of(page)
    assert 'class="said bad"' in page


# --- another client secret ------------------------------------------------------------------------


async def test_a_pasted_secret_is_tried_and_put_into_force(console: Console) -> None:
    await queued(console)
    await console.house.account()
    own, new = await credentials(console), client_secret()
    console.fakes.lwa.add_client(own.lwa_client_id, new)
    window = await console.as_()
    page = await window.did(
        f"{home(console)}/client-secret",
        {"lwa_client_secret": new.reveal(), "secret_expires_at": "2026-08-20"},
    )
    assert "Login with Amazon takes it. It is in force now." in text_of(page)
    assert "It ends on 20 August 2026." in text_of(page)
    assert await in_force(console) == new
    assert "pasted by an operator" in text_of(page)
    kept = await every_secret(console)
    assert_no_secret([page, await window.read(f"{home(console)}/client-secret")], kept)


async def test_a_pasted_secret_that_amazon_refuses_changes_nothing(console: Console) -> None:
    old, wrong = await in_force(console), client_secret()
    window = await console.as_()
    answer = await window.post(
        f"{home(console)}/client-secret", {"lwa_client_secret": wrong.reveal()}
    )
    assert answer.status_code == 422
    assert "refuses it" in text_of(answer.text)
    assert wrong.reveal() not in answer.text
    assert await in_force(console) == old


async def test_a_secret_pasted_while_amazon_does_not_answer(console: Console) -> None:
    console.fakes.lwa.fail(AmazonUnavailable)
    window = await console.as_()
    answer = await window.post(
        f"{home(console)}/client-secret", {"lwa_client_secret": client_secret().reveal()}
    )
    assert answer.status_code == 502
    assert "nothing was changed" in text_of(answer.text)


async def test_rotating_needs_the_box_and_says_how_far_it_is(console: Console) -> None:
    await queued(console)
    await console.house.account()
    window = await console.as_()
    page = await window.did(f"{home(console)}/rotate")
    assert "Nothing was rotated" in text_of(page)
    assert not await console.desk.rotations.history(console.house.application_id, by=SYSTEM)
    page = await window.did(f"{home(console)}/rotate", {"sure": "on"})
    (rotation,) = await console.desk.rotations.history(console.house.application_id, by=SYSTEM)
    assert rotation.source is RotationSource.ASKED
    # This Amazon knows nothing of rotating, which is what the page says.
    assert "Amazon did not rotate the client secret" in text_of(page)
    assert "Evergrant asked Amazon for it" in text_of(page)
    page = await window.did(f"{home(console)}/rotate", {"sure": "on"})
    assert "is under way" in text_of(page)
    assert "evergrant app" not in text_of(page.partition("<main")[2])


async def test_what_cannot_rotate_by_itself_says_why(console: Console) -> None:
    window = await console.as_()
    page = await window.read(home(console))
    assert "It is rotated by hand" in text_of(page)
    assert f"{home(console)}/rotate" not in page
    page = await window.did(f"{home(console)}/rotate", {"sure": "on"})
    assert 'class="said bad"' in page
