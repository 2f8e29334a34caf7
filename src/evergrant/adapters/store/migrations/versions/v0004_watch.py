"""The watch: reminders, notices, rotations, reviews, and events in the order of their commits."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FIELDS = """
ALTER TABLE applications ADD COLUMN reminder_days integer[];

ALTER TABLE authorizations ADD COLUMN probe_due_at timestamptz;
CREATE INDEX authorizations_probe_due_at_idx ON authorizations (probe_due_at)
    WHERE probe_due_at IS NOT NULL;
CREATE INDEX authorizations_probe_unset_idx ON authorizations (state, id)
    WHERE probe_due_at IS NULL;
CREATE INDEX authorizations_endless_idx ON authorizations (granted_at)
    WHERE state = 'active' AND term_ends_at IS NULL;

-- Webhooks of before have no event that could be read, and go before all that have one.
ALTER TABLE outbox
    ADD COLUMN event_id text COLLATE "C",
    ADD COLUMN position bigint NOT NULL DEFAULT 0;
ALTER TABLE outbox ALTER COLUMN position DROP DEFAULT;
CREATE INDEX outbox_event_id_idx ON outbox (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX outbox_to_idx ON outbox ("to", id) WHERE kind = 'webhook';
CREATE INDEX outbox_line_idx ON outbox ("to", account_id, position, id)
    WHERE state = 'waiting' AND kind = 'webhook';
"""

WATCHED = """
CREATE TABLE reminders (
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    account_id text COLLATE "C",
    ends_at timestamptz NOT NULL,
    days integer NOT NULL,
    at timestamptz NOT NULL,
    outbox_id text COLLATE "C",
    told_operators_at timestamptz,
    CONSTRAINT reminders_pkey PRIMARY KEY (id),
    CONSTRAINT reminders_window_key UNIQUE (kind, subject, ends_at, days),
    CONSTRAINT reminders_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX reminders_account_id_idx ON reminders (account_id);
CREATE INDEX reminders_ends_at_idx ON reminders (ends_at);
CREATE INDEX reminders_untold_idx ON reminders (id) WHERE told_operators_at IS NULL;

CREATE TABLE notices (
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    account_id text COLLATE "C",
    application_id text COLLATE "C",
    message text NOT NULL,
    facts jsonb NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    times integer NOT NULL,
    settled_at timestamptz,
    settled_by text NOT NULL,
    CONSTRAINT notices_pkey PRIMARY KEY (id),
    CONSTRAINT notices_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT notices_application_id_fkey
        FOREIGN KEY (application_id) REFERENCES applications (id)
);
CREATE UNIQUE INDEX notices_open_key ON notices (kind, subject) WHERE settled_at IS NULL;
CREATE INDEX notices_account_id_idx ON notices (account_id);
CREATE INDEX notices_application_id_idx ON notices (application_id);
CREATE INDEX notices_open_idx ON notices (id) WHERE settled_at IS NULL;
CREATE INDEX notices_settled_at_idx ON notices (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE rotations (
    id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    source text NOT NULL,
    step text NOT NULL,
    asked_at timestamptz,
    received_at timestamptz,
    promoted_at timestamptz,
    ended_at timestamptz,
    notification_id text NOT NULL,
    secret_digest text NOT NULL,
    secret_expires_at timestamptz,
    previous_ends_at timestamptz,
    tries integer NOT NULL,
    next_at timestamptz,
    last_error text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT rotations_pkey PRIMARY KEY (id),
    CONSTRAINT rotations_application_id_fkey
        FOREIGN KEY (application_id) REFERENCES applications (id)
);
CREATE UNIQUE INDEX rotations_open_key ON rotations (application_id) WHERE ended_at IS NULL;
CREATE INDEX rotations_application_id_idx ON rotations (application_id);

CREATE TABLE reviews (
    id text COLLATE "C" NOT NULL,
    item text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    digest text NOT NULL,
    by text NOT NULL,
    name text NOT NULL,
    at timestamptz NOT NULL,
    note text NOT NULL,
    CONSTRAINT reviews_pkey PRIMARY KEY (id)
);
"""

EVENTS = """
CREATE TABLE events (
    id text COLLATE "C" NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    at timestamptz NOT NULL,
    topic text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    client_instance_id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C",
    facts jsonb NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (id),
    CONSTRAINT events_position_key UNIQUE (position)
);
CREATE INDEX events_client_instance_id_idx ON events (client_instance_id, position);
CREATE INDEX events_account_id_idx ON events (account_id, position);
CREATE INDEX events_at_idx ON events (at);
"""


def upgrade() -> None:
    # Straight to the driver: several statements at once, and "%" means nothing to it.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for statements in (FIELDS, WATCHED, EVENTS):
        driver.execute(statements)
