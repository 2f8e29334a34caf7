"""Probes remember what they have to confirm; old lines of the journal may go, by one way alone."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FIELDS = """
ALTER TABLE authorizations
    ADD COLUMN probe_failures integer NOT NULL DEFAULT 0,
    ADD COLUMN probe_doubt text NOT NULL DEFAULT '';
ALTER TABLE authorizations
    ALTER COLUMN probe_failures DROP DEFAULT,
    ALTER COLUMN probe_doubt DROP DEFAULT;
"""

# Two locks on one door. The statement is refused unless it is the function's own, which leaves the
# transaction's number where only this transaction finds it. And whoever gets past that, by setting
# the same, still meets the second one, which looks at each line and at the database's own clock: of
# the last twelve months none is ever deleted. TRUNCATE and UPDATE are refused as before.
PURGE = """
CREATE FUNCTION journal_keeps_a_year() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.at >= statement_timestamp() - interval '12 months' THEN
        RAISE EXCEPTION 'the journal is append-only: a line of the last twelve months stays'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END
$$;

CREATE FUNCTION journal_is_purged_by_its_function() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog AS $$
BEGIN
    IF current_setting('evergrant.journal_purge', true)
            IS DISTINCT FROM pg_current_xact_id()::text THEN
        RAISE EXCEPTION 'the journal is append-only: % is refused', TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER journal_is_append_only ON journal;
CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER journal_is_purged_by_its_function BEFORE DELETE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_purged_by_its_function();
CREATE TRIGGER journal_keeps_a_year BEFORE DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_keeps_a_year();

CREATE FUNCTION journal_purge(before timestamptz, most bigint) RETURNS bigint LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
DECLARE
    bound timestamptz := least(before, statement_timestamp() - interval '12 months');
    gone bigint;
BEGIN
    PERFORM set_config('evergrant.journal_purge', pg_current_xact_id()::text, true);
    -- The oldest lines have the lowest numbers: no look at the whole table.
    DELETE FROM journal WHERE id IN (
        SELECT oldest.id
          FROM (SELECT j.id, j.at FROM journal j ORDER BY j.id LIMIT most) AS oldest
         WHERE oldest.at < bound);
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('evergrant.journal_purge', '', true);
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION journal_purge(timestamptz, bigint) FROM PUBLIC;
"""


def upgrade() -> None:
    # Straight to the driver: several statements at once, and "%" means nothing to it.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for statements in (FIELDS, PURGE):
        driver.execute(statements)
