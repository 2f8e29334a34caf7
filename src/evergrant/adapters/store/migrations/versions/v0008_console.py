"""The console: sessions of people, their second factors, invitations, failed attempts."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPERATORS = """
ALTER TABLE operators
    ADD COLUMN second_factor_at timestamptz,
    ADD COLUMN code_step integer NOT NULL DEFAULT 0,
    ADD COLUMN sso_subject text NOT NULL DEFAULT '',
    ADD COLUMN signed_in_at timestamptz;
ALTER TABLE operators
    ALTER COLUMN code_step DROP DEFAULT,
    ALTER COLUMN sso_subject DROP DEFAULT;
CREATE UNIQUE INDEX operators_sso_subject_key ON operators (sso_subject) WHERE sso_subject <> '';
"""

SIGNING_IN = """
CREATE TABLE operator_sessions (
    id text COLLATE "C" NOT NULL,
    operator_id text COLLATE "C" NOT NULL,
    secret_digest text NOT NULL,
    method text NOT NULL,
    proved_at timestamptz,
    address text NOT NULL,
    agent text NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text NOT NULL,
    CONSTRAINT operator_sessions_pkey PRIMARY KEY (id),
    CONSTRAINT operator_sessions_secret_digest_key UNIQUE (secret_digest),
    CONSTRAINT operator_sessions_operator_id_fkey
        FOREIGN KEY (operator_id) REFERENCES operators (id)
);
CREATE INDEX operator_sessions_operator_id_idx ON operator_sessions (operator_id, id);
CREATE INDEX operator_sessions_ends_at_idx ON operator_sessions (ends_at);

CREATE TABLE operator_invitations (
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    link_digest text NOT NULL,
    invited_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    operator_id text COLLATE "C",
    withdrawn_at timestamptz,
    CONSTRAINT operator_invitations_pkey PRIMARY KEY (id),
    CONSTRAINT operator_invitations_link_digest_key UNIQUE (link_digest),
    CONSTRAINT operator_invitations_operator_id_fkey
        FOREIGN KEY (operator_id) REFERENCES operators (id)
);
CREATE UNIQUE INDEX operator_invitations_open_key ON operator_invitations (email)
    WHERE accepted_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX operator_invitations_operator_id_idx ON operator_invitations (operator_id);

CREATE TABLE recovery_codes (
    id text COLLATE "C" NOT NULL,
    operator_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (id),
    CONSTRAINT recovery_codes_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators (id)
);
CREATE INDEX recovery_codes_operator_id_idx ON recovery_codes (operator_id);

CREATE TABLE sign_in_counts (
    id text COLLATE "C" NOT NULL,
    failures integer NOT NULL,
    locks integer NOT NULL,
    locked_until timestamptz,
    tried_at timestamptz NOT NULL,
    CONSTRAINT sign_in_counts_pkey PRIMARY KEY (id)
);
CREATE INDEX sign_in_counts_tried_at_idx ON sign_in_counts (tried_at);
"""


def upgrade() -> None:
    # Straight to the driver: several statements at once, and "%" means nothing to it.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for statements in (OPERATORS, SIGNING_IN):
        driver.execute(statements)
