"""The ground: every shelf of the first version, the journal, and Procrastinate's tables.

The work queue lives in a schema of its own. Its tables come from Procrastinate's own migrations,
up to a named one: a newer release of it changes nothing here, and a later migration of ours
applies what it adds.
"""

from __future__ import annotations

from importlib import resources

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

QUEUE = "procrastinate"
PROCRASTINATE_UP_TO = "03.04.00_50_post_add_retry_failed_job_procedure.sql"

TABLES = """
CREATE TABLE applications (
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    partner_kinds text[] NOT NULL,
    status text NOT NULL,
    application_id text NOT NULL,
    developer_name text NOT NULL,
    developer_id text NOT NULL,
    login_uri text NOT NULL,
    redirect_uri text NOT NULL,
    beta_for_sellers boolean,
    beta_for_vendors boolean,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT applications_pkey PRIMARY KEY (id),
    CONSTRAINT applications_name_key UNIQUE (name),
    CONSTRAINT applications_application_id_key UNIQUE (application_id)
);

CREATE TABLE credentials (
    id text COLLATE "C" NOT NULL,
    lwa_client_id text NOT NULL,
    secret_set boolean NOT NULL,
    secret_created_at timestamptz,
    secret_expires_at timestamptz,
    previous_secret_ends_at timestamptz,
    lwa_url text NOT NULL,
    role_arn text NOT NULL,
    queue_url text NOT NULL,
    access_key_hint text NOT NULL,
    secret_key_set boolean NOT NULL,
    trouble text NOT NULL,
    trouble_since timestamptz,
    changed_at timestamptz NOT NULL,
    CONSTRAINT credentials_pkey PRIMARY KEY (id),
    CONSTRAINT credentials_id_fkey FOREIGN KEY (id) REFERENCES applications (id)
);

CREATE TABLE instances (
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    base_url text NOT NULL,
    return_url text NOT NULL,
    webhook_url text NOT NULL,
    last_seen_at timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT instances_pkey PRIMARY KEY (id),
    CONSTRAINT instances_name_key UNIQUE (name)
);

CREATE TABLE accounts (
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    partner_kind text NOT NULL,
    vendor_kind text,
    client_email text NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    client_instance_id text COLLATE "C" NOT NULL,
    region text NOT NULL,
    home_marketplace text NOT NULL,
    merchant_token text NOT NULL,
    vendor_codes text[] NOT NULL,
    flags jsonb NOT NULL,
    language text NOT NULL,
    notes text NOT NULL,
    oauth_began boolean NOT NULL,
    oauth_began_at timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT accounts_pkey PRIMARY KEY (id),
    CONSTRAINT accounts_name_key UNIQUE (name),
    CONSTRAINT accounts_application_id_fkey
        FOREIGN KEY (application_id) REFERENCES applications (id),
    CONSTRAINT accounts_client_instance_id_fkey
        FOREIGN KEY (client_instance_id) REFERENCES instances (id)
);
CREATE INDEX accounts_application_id_idx ON accounts (application_id);
CREATE INDEX accounts_client_instance_id_idx ON accounts (client_instance_id);

CREATE TABLE invitations (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    link_digest text NOT NULL,
    email text NOT NULL,
    language text NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    opened_at timestamptz,
    spent_at timestamptz,
    CONSTRAINT invitations_pkey PRIMARY KEY (id),
    CONSTRAINT invitations_link_digest_key UNIQUE (link_digest),
    CONSTRAINT invitations_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX invitations_account_id_idx ON invitations (account_id);

CREATE TABLE handshakes (
    id text COLLATE "C" NOT NULL,
    invitation_id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    step text NOT NULL,
    state_digest text NOT NULL,
    browser_digest text NOT NULL,
    consent_origin text NOT NULL,
    redirect_uri text NOT NULL,
    selling_partner_id text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    spent_at timestamptz,
    ended_at timestamptz,
    outcome text NOT NULL,
    reference text NOT NULL,
    CONSTRAINT handshakes_pkey PRIMARY KEY (id),
    CONSTRAINT handshakes_state_digest_key UNIQUE (state_digest),
    CONSTRAINT handshakes_invitation_id_fkey
        FOREIGN KEY (invitation_id) REFERENCES invitations (id),
    CONSTRAINT handshakes_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT handshakes_application_id_fkey
        FOREIGN KEY (application_id) REFERENCES applications (id)
);
CREATE INDEX handshakes_account_id_idx ON handshakes (account_id);
CREATE INDEX handshakes_invitation_id_idx ON handshakes (invitation_id);
CREATE INDEX handshakes_step_idx ON handshakes (step, expires_at);
CREATE INDEX handshakes_created_at_idx ON handshakes (created_at);

CREATE TABLE authorizations (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    region text NOT NULL,
    state text NOT NULL,
    selling_partner_id text NOT NULL,
    grant_id text COLLATE "C",
    granted_at timestamptz,
    term_ends_at timestamptz,
    refused_at timestamptz,
    refused_reason text NOT NULL,
    first_refused_at timestamptz,
    checked_at timestamptz,
    finding text NOT NULL,
    look_due_at timestamptz,
    looks integer NOT NULL,
    version integer NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT authorizations_pkey PRIMARY KEY (id),
    CONSTRAINT authorizations_account_id_key UNIQUE (account_id),
    CONSTRAINT authorizations_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT authorizations_application_id_fkey
        FOREIGN KEY (application_id) REFERENCES applications (id)
);
CREATE UNIQUE INDEX authorizations_selling_partner_key
    ON authorizations (application_id, region, selling_partner_id)
    WHERE state IN ('active', 'lapsed') AND selling_partner_id <> '';
CREATE INDEX authorizations_term_ends_at_idx ON authorizations (state, term_ends_at);
CREATE INDEX authorizations_look_due_at_idx ON authorizations (look_due_at)
    WHERE look_due_at IS NOT NULL;

CREATE TABLE grants (
    id text COLLATE "C" NOT NULL,
    authorization_id text COLLATE "C" NOT NULL,
    source text NOT NULL,
    selling_partner_id text NOT NULL,
    granted_at timestamptz,
    term_ends_at timestamptz,
    handshake_id text COLLATE "C",
    token_digest text NOT NULL,
    superseded_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (id),
    CONSTRAINT grants_authorization_id_fkey
        FOREIGN KEY (authorization_id) REFERENCES authorizations (id),
    CONSTRAINT grants_handshake_id_fkey FOREIGN KEY (handshake_id) REFERENCES handshakes (id)
);
CREATE INDEX grants_authorization_id_idx ON grants (authorization_id);
CREATE INDEX grants_handshake_id_idx ON grants (handshake_id);
CREATE INDEX grants_token_digest_idx ON grants (token_digest);
ALTER TABLE authorizations
    ADD CONSTRAINT authorizations_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES grants (id);

CREATE TABLE participations (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    marketplace_id text NOT NULL,
    country_code text NOT NULL,
    name text NOT NULL,
    store_name text NOT NULL,
    domain_name text NOT NULL,
    currency text NOT NULL,
    participating boolean NOT NULL,
    suspended boolean NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT participations_pkey PRIMARY KEY (id),
    CONSTRAINT participations_account_id_marketplace_id_key UNIQUE (account_id, marketplace_id),
    CONSTRAINT participations_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);

CREATE TABLE outbox (
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    topic text NOT NULL,
    subject text NOT NULL,
    "to" text NOT NULL,
    language text NOT NULL,
    account_id text COLLATE "C",
    facts jsonb NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    next_at timestamptz NOT NULL,
    last_error text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX outbox_account_id_idx ON outbox (account_id);
CREATE INDEX outbox_next_at_idx ON outbox (state, next_at);
CREATE INDEX outbox_ended_at_idx ON outbox (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE reports (
    id text COLLATE "C" NOT NULL,
    reference text NOT NULL,
    at timestamptz NOT NULL,
    reason text NOT NULL,
    blame text NOT NULL,
    account_id text COLLATE "C",
    handshake_id text COLLATE "C",
    facts jsonb NOT NULL,
    resolved_at timestamptz,
    CONSTRAINT reports_pkey PRIMARY KEY (id),
    CONSTRAINT reports_reference_key UNIQUE (reference),
    CONSTRAINT reports_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT reports_handshake_id_fkey FOREIGN KEY (handshake_id) REFERENCES handshakes (id)
);
CREATE INDEX reports_account_id_idx ON reports (account_id);
CREATE INDEX reports_handshake_id_idx ON reports (handshake_id);

CREATE TABLE operators (
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    CONSTRAINT operators_pkey PRIMARY KEY (id),
    CONSTRAINT operators_email_key UNIQUE (email)
);

CREATE TABLE api_keys (
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    rights text[] NOT NULL,
    client_instance_id text COLLATE "C",
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_digest_key UNIQUE (digest),
    CONSTRAINT api_keys_client_instance_id_fkey
        FOREIGN KEY (client_instance_id) REFERENCES instances (id)
);

CREATE TABLE connection_keys (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT connection_keys_pkey PRIMARY KEY (id),
    CONSTRAINT connection_keys_digest_key UNIQUE (digest),
    CONSTRAINT connection_keys_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX connection_keys_account_id_idx ON connection_keys (account_id);

CREATE TABLE safe (
    id text COLLATE "C" NOT NULL,
    key_id text NOT NULL,
    ciphertext bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    expires_at timestamptz,
    CONSTRAINT safe_pkey PRIMARY KEY (id)
);
CREATE INDEX safe_key_id_idx ON safe (key_id);
CREATE INDEX safe_expires_at_idx ON safe (expires_at);

CREATE TABLE journal (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    caller text NOT NULL,
    verb text NOT NULL,
    subject text NOT NULL,
    account_id text,
    facts jsonb NOT NULL,
    CONSTRAINT journal_pkey PRIMARY KEY (id)
);
CREATE INDEX journal_account_id_idx ON journal (account_id, id);
CREATE INDEX journal_subject_idx ON journal (subject, id);
CREATE INDEX journal_verb_idx ON journal (verb, id);
"""

APPEND_ONLY = """
CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: % is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
"""


def upgrade() -> None:
    _run(TABLES)
    _run(APPEND_ONLY)
    _make_queue()


def _make_queue() -> None:
    ours = op.get_bind().exec_driver_sql("SELECT current_setting('search_path')").scalar_one()
    _run(f"CREATE SCHEMA {QUEUE}; SET LOCAL search_path TO {QUEUE};")
    shipped = resources.files("procrastinate") / "sql" / "migrations"
    steps = sorted(
        (file for file in shipped.iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    for step in steps:
        if step.name <= PROCRASTINATE_UP_TO:
            _run(step.read_text(encoding="utf-8"))
    _run(f"SET LOCAL search_path TO {ours}")


def _run(script: str) -> None:
    # Straight to the driver: several statements at once, and "%" means nothing to it.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(script)
