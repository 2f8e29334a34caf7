"""The kitchen: changes, what they came with and went out with, orders, reports, subscriptions."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FIELDS = """
ALTER TABLE credentials ADD COLUMN notifications_queue_url text NOT NULL DEFAULT '';
ALTER TABLE credentials ALTER COLUMN notifications_queue_url DROP DEFAULT;
"""

# A change of state moves a row from one partial index to another, so no update of a row is free of
# its indexes (HOT), and room on the pages would not help. What helps is that there are few of them,
# and that most are partial: a row that waits stands in five, one that is settled in six.
# No key leads to the accounts: it would be asked for each row of every batch, and an account that
# has changes is never dropped.
CHANGES = """
CREATE TABLE changes (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    lane text NOT NULL,
    marketplace_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    wish jsonb NOT NULL,
    reference text NOT NULL,
    intake_id text COLLATE "C" NOT NULL,
    line integer NOT NULL,
    state text NOT NULL,
    run_id text COLLATE "C",
    message_id integer,
    tries integer NOT NULL,
    next_at timestamptz,
    superseded_by text COLLATE "C",
    code text NOT NULL,
    message text NOT NULL,
    attribute text NOT NULL,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    CONSTRAINT changes_pkey PRIMARY KEY (id)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);
-- What to plan, in its order; and how much waits since when, without a look at the table.
CREATE INDEX changes_pending_idx ON changes (account_id, marketplace_id, subject, kind, id)
    INCLUDE (created_at) WHERE state = 'pending';
-- What is sold out: it does not wait for the next feed.
CREATE INDEX changes_zero_idx ON changes (account_id, marketplace_id, subject)
    WHERE state = 'pending' AND kind = 'stock' AND wish @> '{"quantity": 0}';
-- What may not be planned; and how much is on its way.
CREATE INDEX changes_in_flight_idx ON changes (account_id, lane, subject)
    INCLUDE (kind, created_at) WHERE state = 'in_flight';
-- What waits for a person.
CREATE INDEX changes_uncertain_idx ON changes (account_id, kind)
    INCLUDE (created_at) WHERE state = 'uncertain';
-- What a run holds, and held.
CREATE INDEX changes_run_id_idx ON changes (run_id, message_id) WHERE run_id IS NOT NULL;
-- What was wished before of the same thing, and what was wished later.
CREATE INDEX changes_key_idx ON changes (account_id, kind, key);
-- Pages for whoever looks at an account, or at what one batch became.
CREATE INDEX changes_account_id_idx ON changes (account_id, id);
CREATE INDEX changes_intake_id_idx ON changes (intake_id);
-- What goes when its days are over, and what a day came to.
CREATE INDEX changes_settled_at_idx ON changes (settled_at) WHERE settled_at IS NOT NULL;
"""

KITCHEN = """
CREATE TABLE intakes (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    caller text NOT NULL,
    source text NOT NULL,
    name text NOT NULL,
    key_digest text,
    body_digest text NOT NULL,
    lines integer NOT NULL,
    taken integer NOT NULL,
    refused integer NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT intakes_pkey PRIMARY KEY (id),
    CONSTRAINT intakes_key_digest_key UNIQUE (account_id, key_digest),
    CONSTRAINT intakes_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX intakes_account_id_idx ON intakes (account_id, id);
CREATE INDEX intakes_created_at_idx ON intakes (created_at);

CREATE TABLE feed_runs (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    region text NOT NULL,
    path text NOT NULL,
    marketplace_id text NOT NULL,
    step text NOT NULL,
    changes integer NOT NULL,
    bytes integer NOT NULL,
    first_message_id integer NOT NULL,
    document_id text NOT NULL,
    document_at timestamptz,
    submission text NOT NULL,
    asked_at timestamptz,
    feed_id text NOT NULL,
    submitted_at timestamptz,
    processing_status text NOT NULL,
    result_document_id text NOT NULL,
    looks integer NOT NULL,
    tries integer NOT NULL,
    next_at timestamptz,
    last_error text NOT NULL,
    accepted integer NOT NULL,
    refused integer NOT NULL,
    returned integer NOT NULL,
    uncertain integer NOT NULL,
    facts jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    ended_at timestamptz,
    version integer NOT NULL,
    CONSTRAINT feed_runs_pkey PRIMARY KEY (id),
    CONSTRAINT feed_runs_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT feed_runs_application_id_fkey
        FOREIGN KEY (application_id) REFERENCES applications (id)
);
CREATE INDEX feed_runs_account_id_idx ON feed_runs (account_id, id);
CREATE INDEX feed_runs_application_id_idx ON feed_runs (application_id, id);
CREATE INDEX feed_runs_open_idx ON feed_runs (account_id, id) WHERE ended_at IS NULL;
CREATE INDEX feed_runs_next_at_idx ON feed_runs (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX feed_runs_feed_id_idx ON feed_runs (feed_id);
CREATE INDEX feed_runs_ended_at_idx ON feed_runs (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE work (
    id text COLLATE "C" NOT NULL,
    due_at timestamptz,
    paused_at timestamptz,
    paused_by text NOT NULL,
    pause_note text NOT NULL,
    planned_at timestamptz,
    hurried_at timestamptz,
    waits jsonb NOT NULL,
    version integer NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT work_pkey PRIMARY KEY (id),
    CONSTRAINT work_id_fkey FOREIGN KEY (id) REFERENCES accounts (id)
);
CREATE INDEX work_due_at_idx ON work (due_at) WHERE due_at IS NOT NULL;
"""

READ = """
CREATE TABLE orders (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    client_instance_id text COLLATE "C" NOT NULL,
    order_id text NOT NULL,
    kind text NOT NULL,
    marketplace_id text NOT NULL,
    status text NOT NULL,
    ordered_at timestamptz,
    amazon_changed_at timestamptz,
    body jsonb NOT NULL,
    digest text NOT NULL,
    personal boolean NOT NULL,
    fetch_due_at timestamptz,
    position bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX orders_position_idx ON orders (position);
CREATE INDEX orders_client_instance_id_idx ON orders (client_instance_id, position);
CREATE INDEX orders_account_id_idx ON orders (account_id, position);
CREATE INDEX orders_changed_at_idx ON orders (changed_at);
CREATE INDEX orders_fetch_due_at_idx ON orders (fetch_due_at) WHERE fetch_due_at IS NOT NULL;

CREATE TABLE order_sweeps (
    id text COLLATE "C" NOT NULL,
    bound_at timestamptz,
    page text NOT NULL,
    page_from timestamptz,
    page_until timestamptz,
    due_at timestamptz,
    swept_at timestamptz,
    lacks text NOT NULL,
    last_error text NOT NULL,
    failures integer NOT NULL,
    version integer NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT order_sweeps_pkey PRIMARY KEY (id),
    CONSTRAINT order_sweeps_id_fkey FOREIGN KEY (id) REFERENCES accounts (id)
);
CREATE INDEX order_sweeps_due_at_idx ON order_sweeps (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE amazon_reports (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    report_type text NOT NULL,
    marketplace_ids text[] NOT NULL,
    data_from timestamptz,
    data_until timestamptz,
    options jsonb NOT NULL,
    step text NOT NULL,
    asked_at timestamptz,
    report_id text NOT NULL,
    document_id text NOT NULL,
    processing_status text NOT NULL,
    looks integer NOT NULL,
    tries integer NOT NULL,
    next_at timestamptz,
    last_error text NOT NULL,
    caller text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    ended_at timestamptz,
    version integer NOT NULL,
    CONSTRAINT amazon_reports_pkey PRIMARY KEY (id),
    CONSTRAINT amazon_reports_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX amazon_reports_account_id_idx ON amazon_reports (account_id, id);
CREATE INDEX amazon_reports_next_at_idx ON amazon_reports (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX amazon_reports_report_id_idx ON amazon_reports (report_id);
CREATE INDEX amazon_reports_ended_at_idx ON amazon_reports (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE subscriptions (
    id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    region text NOT NULL,
    notification_type text NOT NULL,
    destination_id text NOT NULL,
    subscription_id text NOT NULL,
    trouble text NOT NULL,
    tries integer NOT NULL,
    next_at timestamptz,
    heard_at timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (id),
    CONSTRAINT subscriptions_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT subscriptions_application_id_fkey
        FOREIGN KEY (application_id) REFERENCES applications (id)
);
CREATE INDEX subscriptions_account_id_idx ON subscriptions (account_id);
CREATE INDEX subscriptions_application_id_idx ON subscriptions (application_id, region);
CREATE INDEX subscriptions_next_at_idx ON subscriptions (next_at) WHERE next_at IS NOT NULL;
"""


def upgrade() -> None:
    # Straight to the driver: several statements at once, and "%" means nothing to it.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for statements in (FIELDS, CHANGES, KITCHEN, READ):
        driver.execute(statements)
