"""AWS's clients, made of nothing but what they are given.

Answers for: botocore without its surroundings: no environment variable, no ``~/.aws``, no instance
metadata, no proxy of the environment, a bounded number of tries, and no line of its own in the
logs. Does not answer for: whose credentials they are.

boto3 is an extra. It is imported when the first queue is read, and its absence is told then.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

from evergrant.errors import Misconfigured
from evergrant.rules.secrecy import Secret

__all__ = ["Clients", "Keys"]

#: Its debug lines hold whole requests and answers: keys, and new client secrets.
_LOUD = ("boto3", "botocore", "urllib3")
_CONNECT_S = 5.0
_TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """With a session token: temporary ones."""

    access_key: Secret
    secret_key: Secret
    session_token: Secret | None = None


class Clients:
    """Makes clients; one thread at a time. Raises Misconfigured where boto3 is not installed."""

    def __init__(self, *, timeout_s: float, user_agent: str) -> None:
        self._timeout_s = timeout_s
        self._user_agent = user_agent
        self._session: Any = None

    def make(self, service: str, region: str, url: str, keys: Keys, *, patience_s: float) -> Any:
        """A client of ``sqs`` or ``sts``; ``patience_s`` is added to what an answer may take."""
        session = self._session or self._fresh_session()
        self._session = session
        from botocore.config import Config

        return session.create_client(
            service,
            region_name=region,
            endpoint_url=url,
            use_ssl=url.startswith("https:"),
            verify=True,
            aws_access_key_id=keys.access_key.reveal(),
            aws_secret_access_key=keys.secret_key.reveal(),
            aws_session_token=keys.session_token.reveal() if keys.session_token else None,
            config=Config(
                user_agent=self._user_agent,
                connect_timeout=min(_CONNECT_S, self._timeout_s),
                read_timeout=self._timeout_s + patience_s,
                retries={"mode": "standard", "total_max_attempts": _TRIES},
                proxies={},
                signature_version="v4",
                ignore_configured_endpoint_urls=True,
            ),
        )

    def _fresh_session(self) -> Any:
        try:
            import boto3  # noqa: F401  # what the extra is called after; botocore comes with it
            from botocore.configprovider import (
                BOTOCORE_DEFAUT_SESSION_VARIABLES,
                ConfigValueStore,
                ConstantProvider,
            )
            from botocore.loaders import Loader
            from botocore.session import Session
        except ImportError:
            raise Misconfigured(
                "evergrant[aws]",
                "a queue of new client secrets is read with boto3, which is not installed.",
                hint="pip install 'evergrant[aws]', or take the queue URL out of the "
                "application's credentials and rotate by hand: evergrant app rotate-secret.",
            ) from None
        for name in _LOUD:
            logging.getLogger(name).setLevel(logging.WARNING)
        session = Session()
        defaults = {name: entry[2] for name, entry in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
        # Paths of files that are none: None would mean to search.
        defaults |= {"config_file": os.devnull, "credentials_file": os.devnull}
        session.register_component(
            "config_store",
            ConfigValueStore({name: ConstantProvider(value) for name, value in defaults.items()}),
        )
        session.register_component(
            "data_loader",
            Loader(
                extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False
            ),
        )
        session.register_component("credential_provider", _Nobody())
        session.register_component("token_provider", _Nobody())
        return session


class _Nobody:
    """Knows no credentials: we bring ours."""

    def load_credentials(self) -> None:
        return None

    def load_token(self, **_: Any) -> None:
        return None
