"""Keys that are bound, end and are replaced; usage plans that operators set; counts of calls."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEYS = """
ALTER TABLE api_keys
    ADD COLUMN account_ids text[],
    ADD COLUMN replaced_by text COLLATE "C",
    ADD CONSTRAINT api_keys_replaced_by_fkey FOREIGN KEY (replaced_by) REFERENCES api_keys (id);

ALTER TABLE connection_keys
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN replaced_by text COLLATE "C",
    ADD CONSTRAINT connection_keys_replaced_by_fkey
        FOREIGN KEY (replaced_by) REFERENCES connection_keys (id);
CREATE INDEX connection_keys_replaced_by_idx ON connection_keys (replaced_by);
"""

PLANS_AND_COUNTS = """
CREATE TABLE plan_overrides (
    id text COLLATE "C" NOT NULL,
    operation text NOT NULL,
    application_id text COLLATE "C",
    account_id text COLLATE "C",
    rate_per_s double precision NOT NULL,
    burst integer NOT NULL,
    of_application boolean NOT NULL,
    note text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT plan_overrides_pkey PRIMARY KEY (id),
    CONSTRAINT plan_overrides_application_id_fkey
        FOREIGN KEY (application_id) REFERENCES applications (id),
    CONSTRAINT plan_overrides_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX plan_overrides_application_id_idx ON plan_overrides (application_id);
CREATE INDEX plan_overrides_account_id_idx ON plan_overrides (account_id);

CREATE TABLE call_counts (
    id text COLLATE "C" NOT NULL,
    account_id text NOT NULL,
    operation text NOT NULL,
    hour_at timestamptz NOT NULL,
    calls bigint NOT NULL,
    waits bigint NOT NULL,
    waited_ms bigint NOT NULL,
    refused bigint NOT NULL,
    throttled bigint NOT NULL,
    errors jsonb NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT call_counts_pkey PRIMARY KEY (id)
);
CREATE INDEX call_counts_account_id_idx ON call_counts (account_id, hour_at);
CREATE INDEX call_counts_hour_at_idx ON call_counts (hour_at);
"""


def upgrade() -> None:
    # Straight to the driver: several statements at once, and "%" means nothing to it.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(KEYS)
    driver.execute(PLANS_AND_COUNTS)
