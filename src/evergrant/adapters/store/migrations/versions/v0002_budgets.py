"""Buckets that all processes share, and the function that answers for them.

``budgets_answer`` is ``rules.budgets`` in PostgreSQL, operation by operation and in the same
order, so that both come to the same doubles (``tests/edges/test_budgets.py`` compares them).

The table is logged: an unlogged one is empty after a crash of the server, which is taken for full
buckets. What a crash may lose is the last half second or so, as its sessions commit without waiting
for the disk.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Room on each page for the next versions of its rows, so that updates touch no index.
TABLE = """
CREATE TABLE budgets (
    bucket text COLLATE "C" NOT NULL,
    rate_per_s double precision NOT NULL,
    burst integer NOT NULL,
    fixed boolean NOT NULL,
    theoretical_arrival_s double precision NOT NULL,
    forgiven_s double precision NOT NULL,
    line_tickets text[] NOT NULL,
    line_importances integer[] NOT NULL,
    line_arrived_s double precision[] NOT NULL,
    line_dies_s double precision[] NOT NULL,
    reported_rate_per_s double precision,
    reported_at timestamptz,
    throttled_at timestamptz,
    used_at timestamptz,
    CONSTRAINT budgets_pkey PRIMARY KEY (bucket)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""

# rules.budgets: _pace_s, margin_s, _room_s
MARGINS = """
CREATE FUNCTION budgets_pace_s(rate_per_s double precision, burst integer)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (CASE WHEN burst = 1 THEN 1.007::float8 ELSE 1.003::float8 END) / rate_per_s
$$;

CREATE FUNCTION budgets_room_s(rate_per_s double precision, burst integer)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN burst = 1 THEN 1.007::float8 / rate_per_s
        ELSE burst * (1.003::float8 / rate_per_s) - least(
            least(greatest(0.004::float8 * (burst / rate_per_s), 0.02::float8,
                least(1.0::float8 / rate_per_s, 0.25::float8)), 0.25::float8),
            greatest(0.1::float8 * burst, 1.0::float8) / rate_per_s)
    END
$$;
"""

# rules.budgets: put_in_force, standing
IN_FORCE = """
CREATE FUNCTION budgets_put_in_force(
    b budgets, plan_rate_per_s double precision, plan_burst integer, now_s double precision
) RETURNS budgets LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    missing_s float8 := greatest(b.theoretical_arrival_s - now_s, 0.0::float8);
    before_s float8 := missing_s;
    room_s float8;
    changes boolean := plan_rate_per_s <> b.rate_per_s OR plan_burst <> b.burst;
BEGIN
    IF missing_s > 0 THEN
        room_s := budgets_room_s(plan_rate_per_s, plan_burst);
        IF changes THEN
            missing_s := missing_s / budgets_pace_s(b.rate_per_s, b.burst)
                * budgets_pace_s(plan_rate_per_s, plan_burst);
        END IF;
        IF missing_s > room_s + 1e-6::float8 THEN
            missing_s := room_s;
            changes := true;
        END IF;
        IF changes THEN
            b.theoretical_arrival_s := now_s + missing_s;
            b.forgiven_s := b.forgiven_s + before_s;
        END IF;
    END IF;
    b.rate_per_s := plan_rate_per_s;
    b.burst := plan_burst;
    RETURN b;
END
$$;

CREATE FUNCTION budgets_living(b budgets, now_s double precision)
RETURNS budgets LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    tickets text[] := '{}';
    importances integer[] := '{}';
    arrived_s float8[] := '{}';
    dies_s float8[] := '{}';
    rest_s float8;
BEGIN
    FOR i IN 1 .. cardinality(b.line_tickets) LOOP
        rest_s := b.line_dies_s[i] - now_s;
        IF rest_s > 0 AND rest_s <= 1.0::float8 + 0.5::float8 + 1e-6::float8 THEN
            tickets := tickets || b.line_tickets[i];
            importances := importances || b.line_importances[i];
            arrived_s := arrived_s || b.line_arrived_s[i];
            dies_s := dies_s || b.line_dies_s[i];
        END IF;
    END LOOP;
    b.line_tickets := tickets;
    b.line_importances := importances;
    b.line_arrived_s := arrived_s;
    b.line_dies_s := dies_s;
    RETURN b;
END
$$;

CREATE FUNCTION budgets_without(b budgets, i integer)
RETURNS budgets LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    b.line_tickets := b.line_tickets[: i - 1] || b.line_tickets[i + 1 :];
    b.line_importances := b.line_importances[: i - 1] || b.line_importances[i + 1 :];
    b.line_arrived_s := b.line_arrived_s[: i - 1] || b.line_arrived_s[i + 1 :];
    b.line_dies_s := b.line_dies_s[: i - 1] || b.line_dies_s[i + 1 :];
    RETURN b;
END
$$;
"""

# rules.budgets: draw, give_back, leave_line, learn, drain
ANSWER = """
CREATE FUNCTION budgets_answer(
    names text[],  -- every bucket that is asked for, in order
    asks jsonb,  -- see adapters/budgets/asks.py
    at_s double precision DEFAULT NULL  -- instead of the clock; for tests
) RETURNS TABLE (
    permits bigint, "left" bigint, seconds float8, ahead integer, turn_in_s float8,
    receipts float8[]
)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    kept budgets[];  -- those that there are, as they become
    kept_names text[];
    now_s float8;
    ask record;
    b budgets;
    p integer;
    place integer;
    places integer[];  -- where each bucket of this ask stands in kept
    has_place boolean;
    place_arrived_s float8;
    pace_s float8;
    missing_s float8;
    allowed_s float8[];
    n_ahead integer[];
    n_behind integer;
    passed boolean;
    last_death_s float8;
    can bigint;
    turn_s float8;
    again_s float8;
    worth_s float8;
BEGIN
    SELECT array_agg(k.b), array_agg(k.bucket) INTO kept, kept_names FROM (
        SELECT t AS b, t.bucket FROM budgets AS t
         WHERE t.bucket = ANY (names) ORDER BY t.bucket FOR UPDATE
    ) AS k;
    now_s := coalesce(at_s, extract(epoch FROM clock_timestamp())::float8);

    FOR ask IN SELECT * FROM jsonb_to_recordset(asks) AS a(
        verb text, ticket text, importance integer, most bigint, receipts float8[],
        buckets text[], rates float8[], bursts integer[], fixed boolean[], reserves integer[]
    ) LOOP
        permits := 0; "left" := 0; seconds := 0; ahead := 0; turn_in_s := 0;
        receipts := '{}';
        places := '{}';
        FOR i IN 1 .. cardinality(ask.buckets) LOOP
            places[i] := array_position(kept_names, ask.buckets[i]);
        END LOOP;

        IF ask.verb IN ('take', 'drain') THEN
            FOR i IN 1 .. cardinality(places) LOOP
                p := places[i];
                IF p IS NULL THEN  -- the asker makes it, and asks again; nothing was changed
                    permits := -1;
                    RETURN NEXT;
                    RETURN;
                END IF;
                b := kept[p];
                IF ask.fixed[i] OR b.reported_rate_per_s IS NULL THEN
                    b := budgets_put_in_force(b, ask.rates[i], ask.bursts[i], now_s);
                ELSE
                    b := budgets_put_in_force(b, b.reported_rate_per_s, ask.bursts[i], now_s);
                END IF;
                b.fixed := ask.fixed[i];
                IF cardinality(b.line_tickets) > 0 THEN
                    b := budgets_living(b, now_s);
                END IF;
                IF ask.verb = 'drain' THEN
                    b.forgiven_s := b.forgiven_s
                        + greatest(b.theoretical_arrival_s - now_s, 0.0::float8);
                    b.theoretical_arrival_s := now_s + budgets_room_s(b.rate_per_s, b.burst);
                    b.throttled_at := to_timestamp(now_s);
                END IF;
                kept[p] := b;
            END LOOP;
        END IF;

        IF ask.verb = 'take' THEN
            has_place := ask.ticket <> '';
            place_arrived_s := NULL;
            IF has_place THEN
                FOREACH p IN ARRAY places LOOP
                    b := kept[p];
                    place := array_position(b.line_tickets, ask.ticket);
                    IF place IS NULL OR b.line_importances[place] <> ask.importance
                        OR b.line_arrived_s[place] <> place_arrived_s
                    THEN
                        has_place := false;
                        EXIT;
                    END IF;
                    place_arrived_s := b.line_arrived_s[place];
                END LOOP;
            END IF;

            permits := ask.most;
            seconds := '-Infinity';
            turn_in_s := '-Infinity';
            FOR i IN 1 .. cardinality(places) LOOP
                b := kept[places[i]];
                pace_s := budgets_pace_s(b.rate_per_s, b.burst);
                allowed_s[i] := greatest(
                    budgets_room_s(b.rate_per_s, b.burst) - ask.reserves[i] * pace_s, pace_s);
                n_ahead[i] := 0;
                n_behind := 0;
                passed := false;
                last_death_s := '-Infinity';
                FOR j IN 1 .. cardinality(b.line_tickets) LOOP
                    IF ask.ticket <> '' AND b.line_tickets[j] = ask.ticket THEN
                        passed := has_place;
                    ELSIF b.line_importances[j] > ask.importance THEN
                        EXIT;
                    ELSIF passed THEN
                        n_behind := n_behind + 1;
                    ELSE
                        n_ahead[i] := n_ahead[i] + 1;
                        last_death_s := greatest(last_death_s, b.line_dies_s[j]);
                    END IF;
                END LOOP;
                missing_s := greatest(b.theoretical_arrival_s - now_s, 0.0::float8);
                can := floor((allowed_s[i] - missing_s + 1e-6::float8) / pace_s)::bigint
                    - n_ahead[i];
                IF can > 1 AND n_behind > 0 THEN
                    can := greatest(can / (1 + n_behind), 1);
                END IF;
                ahead := greatest(ahead, n_ahead[i]);
                IF can < 1 THEN
                    turn_s := missing_s + (n_ahead[i] + 1) * pace_s - allowed_s[i];
                    again_s := least(turn_s, greatest(
                        missing_s + pace_s - allowed_s[i], last_death_s - now_s));
                    seconds := greatest(seconds, again_s);
                    turn_in_s := greatest(turn_in_s, turn_s);
                END IF;
                permits := least(permits, can);
            END LOOP;

            IF permits >= 1 THEN
                "left" := 9223372036854775807;
                FOR i IN 1 .. cardinality(places) LOOP
                    b := kept[places[i]];
                    pace_s := budgets_pace_s(b.rate_per_s, b.burst);
                    b.theoretical_arrival_s :=
                        greatest(b.theoretical_arrival_s, now_s) + permits * pace_s;
                    IF ask.ticket <> '' THEN
                        place := array_position(b.line_tickets, ask.ticket);
                        IF place IS NOT NULL THEN
                            b := budgets_without(b, place);
                        END IF;
                    END IF;
                    b.used_at := to_timestamp(now_s);
                    kept[places[i]] := b;
                    receipts[i] := b.theoretical_arrival_s + b.forgiven_s;
                    missing_s := greatest(b.theoretical_arrival_s - now_s, 0.0::float8);
                    "left" := least("left",
                        floor((allowed_s[i] - missing_s + 1e-6::float8) / pace_s)::bigint);
                END LOOP;
                "left" := greatest("left", 0);
                seconds := 0; ahead := 0; turn_in_s := 0;
            ELSE
                permits := 0;
                seconds := greatest(least(seconds, 1.0::float8), 1e-6::float8);
                turn_in_s := greatest(turn_in_s, 1e-6::float8);
                IF ask.ticket <> '' THEN
                    FOR i IN 1 .. cardinality(places) LOOP
                        b := kept[places[i]];
                        place := array_position(b.line_tickets, ask.ticket);
                        IF place IS NOT NULL THEN
                            b := budgets_without(b, place);
                        END IF;
                        p := n_ahead[i];
                        b.line_tickets := b.line_tickets[: p]
                            || ask.ticket || b.line_tickets[p + 1 :];
                        b.line_importances := b.line_importances[: p]
                            || ask.importance || b.line_importances[p + 1 :];
                        b.line_arrived_s := b.line_arrived_s[: p]
                            || (CASE WHEN has_place THEN place_arrived_s ELSE now_s END)
                            || b.line_arrived_s[p + 1 :];
                        b.line_dies_s := b.line_dies_s[: p]
                            || (now_s + seconds + 0.5::float8) || b.line_dies_s[p + 1 :];
                        kept[places[i]] := b;
                    END LOOP;
                END IF;
            END IF;

        ELSIF ask.verb <> 'drain' THEN
            FOR i IN 1 .. cardinality(places) LOOP
                p := places[i];
                CONTINUE WHEN p IS NULL;
                b := kept[p];
                IF ask.verb = 'give back' THEN
                    worth_s := greatest(0.0::float8, least(
                        ask.most * budgets_pace_s(b.rate_per_s, b.burst),
                        least(ask.receipts[i] - b.forgiven_s, b.theoretical_arrival_s) - now_s));
                    b.theoretical_arrival_s := b.theoretical_arrival_s - worth_s;
                    b.forgiven_s := b.forgiven_s + worth_s;
                ELSIF ask.verb = 'leave line' THEN
                    place := array_position(b.line_tickets, ask.ticket);
                    IF place IS NOT NULL THEN
                        b := budgets_without(b, place);
                    END IF;
                ELSIF ask.verb = 'learn' THEN
                    IF NOT b.fixed THEN
                        b := budgets_put_in_force(b, ask.rates[1], b.burst, now_s);
                    ELSE
                        b := budgets_put_in_force(b, b.rate_per_s, b.burst, now_s);
                    END IF;
                    b.reported_rate_per_s := ask.rates[1];
                    b.reported_at := to_timestamp(now_s);
                ELSE
                    RAISE EXCEPTION 'nobody may ask a bucket to %', ask.verb;
                END IF;
                kept[p] := b;
            END LOOP;
        END IF;
        RETURN NEXT;
    END LOOP;

    UPDATE budgets AS t
       SET rate_per_s = k.rate_per_s, burst = k.burst, fixed = k.fixed,
           theoretical_arrival_s = k.theoretical_arrival_s, forgiven_s = k.forgiven_s,
           line_tickets = k.line_tickets, line_importances = k.line_importances,
           line_arrived_s = k.line_arrived_s, line_dies_s = k.line_dies_s,
           reported_rate_per_s = k.reported_rate_per_s, reported_at = k.reported_at,
           throttled_at = k.throttled_at, used_at = k.used_at
      FROM unnest(kept) AS k
     WHERE t.bucket = k.bucket;
END
$$;
"""


def upgrade() -> None:
    # Straight to the driver: several statements at once, and "%" means nothing to it.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(TABLE + MARGINS + IN_FORCE + ANSWER)
