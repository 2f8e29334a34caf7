"""The console: sessions of people, their second factors, invitations, failed attempts; words by
which accounts are found, filters that operators keep."""

from __future__ import annotations

import unicodedata

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
    origin text NOT NULL,
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


# Words by which accounts are found, without accents, kept by triggers: no writer of accounts has to
# know of them. `rules.words` does the same to what somebody types, and a test compares the two.
# The letters of blocks that Unicode filled long ago; nothing is added to these.
_BLOCKS = ((0x41, 0x5B), (0xC0, 0x250), (0x370, 0x530), (0x1E00, 0x1F00), (0xFF01, 0xFF5F))
_MARKS = range(0x300, 0x370)
_GAPS = (*range(0xA0, 0xC0), *range(0x2000, 0x2070), *range(0x3000, 0x3004), 0x30FB)
_BARE = {"ø": "o", "đ": "d", "ł": "l", "ı": "i", "ħ": "h", "ŧ": "t"}


def _fold(letter: str) -> str:
    small = unicodedata.normalize("NFKD", letter.lower()).lower()
    bare = "".join(part for part in small if ord(part) not in _MARKS)
    bare = _BARE.get(bare, bare)
    return bare if len(bare) == 1 else letter.lower() if len(letter.lower()) == 1 else letter


def _folds() -> tuple[str, str]:
    """Letters and what takes their places; those at the end of the first go."""
    pairs = {chr(gap): " " for gap in _GAPS}
    for first, behind in _BLOCKS:
        for letter in map(chr, range(first, behind)):
            if _fold(letter) != letter:
                pairs[letter] = _fold(letter)
    return "".join(pairs) + "".join(map(chr, _MARKS)), "".join(pairs.values())


_FROM, _TO = (letters.replace("'", "''") for letters in _folds())

WORDS = r"""
CREATE TABLE account_words (
    account_id text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    word text COLLATE "C" NOT NULL,
    CONSTRAINT account_words_pkey PRIMARY KEY (account_id, source, word),
    CONSTRAINT account_words_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
);
CREATE INDEX account_words_word_idx ON account_words (word, account_id);
CREATE INDEX account_words_name_idx ON account_words (word, account_id) WHERE source = 'name';

CREATE FUNCTION account_words_fold(told text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN octet_length(told) = length(told)
        THEN translate(told, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')
        ELSE replace(replace(replace(replace(translate(told, 'from_letters', 'to_letters'),
             'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th')
        END
$$;

CREATE FUNCTION account_words_of(told text) RETURNS SETOF text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT left(word, 60)
      FROM regexp_split_to_table(account_words_fold(told), '[\u0001-/:-`{-\u007f]+') AS word
     WHERE word <> '';
END
$$;

CREATE FUNCTION account_words_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'accounts' THEN
        DELETE FROM account_words WHERE account_id = NEW.id AND source IN ('account', 'name');
        -- The whole name, by which lists are sorted.
        INSERT INTO account_words
        VALUES (NEW.id, 'name', left(account_words_fold(NEW.name), 200));
        INSERT INTO account_words
        SELECT NEW.id, 'account', word
          FROM account_words_of(concat_ws(' ', NEW.id, NEW.name, NEW.client_email,
               NEW.merchant_token, array_to_string(NEW.vendor_codes, ' '))) AS word;
    ELSE
        DELETE FROM account_words WHERE account_id = NEW.account_id AND source = 'partner';
        INSERT INTO account_words
        SELECT NEW.account_id, 'partner', word
          FROM account_words_of(NEW.selling_partner_id) AS word;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER account_words_of_new AFTER INSERT ON accounts
    FOR EACH ROW EXECUTE FUNCTION account_words_write();
CREATE TRIGGER account_words_of_changed
    AFTER UPDATE OF name, client_email, merchant_token, vendor_codes ON accounts FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name
          OR OLD.client_email IS DISTINCT FROM NEW.client_email
          OR OLD.merchant_token IS DISTINCT FROM NEW.merchant_token
          OR OLD.vendor_codes IS DISTINCT FROM NEW.vendor_codes)
    EXECUTE FUNCTION account_words_write();
CREATE TRIGGER account_words_of_partner AFTER INSERT ON authorizations FOR EACH ROW
    WHEN (NEW.selling_partner_id <> '') EXECUTE FUNCTION account_words_write();
CREATE TRIGGER account_words_of_other_partner
    AFTER UPDATE OF selling_partner_id, account_id ON authorizations FOR EACH ROW
    WHEN (OLD.selling_partner_id IS DISTINCT FROM NEW.selling_partner_id
          OR OLD.account_id IS DISTINCT FROM NEW.account_id)
    EXECUTE FUNCTION account_words_write();

INSERT INTO account_words
SELECT id, 'account', word
  FROM accounts, account_words_of(concat_ws(' ', id, name, client_email, merchant_token,
       array_to_string(vendor_codes, ' '))) AS word;
INSERT INTO account_words
SELECT id, 'name', left(account_words_fold(name), 200) FROM accounts;
INSERT INTO account_words
SELECT account_id, 'partner', word
  FROM authorizations, account_words_of(selling_partner_id) AS word;
"""
WORDS = WORDS.replace("from_letters", _FROM).replace("to_letters", _TO)

GALLERY = """
CREATE TABLE saved_filters (
    id text COLLATE "C" NOT NULL,
    operator_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    query text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT saved_filters_pkey PRIMARY KEY (id),
    CONSTRAINT saved_filters_name_key UNIQUE (operator_id, name),
    CONSTRAINT saved_filters_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators (id)
);
-- What became of a link's letter; which accounts somebody has to see to.
CREATE INDEX outbox_mail_idx ON outbox (subject, id) WHERE kind = 'mail';
CREATE INDEX outbox_mail_ended_idx ON outbox (ended_at) WHERE kind = 'mail';
CREATE INDEX reports_open_idx ON reports (at) WHERE resolved_at IS NULL;
CREATE INDEX feed_runs_refused_idx ON feed_runs (ended_at, account_id) WHERE refused > 0;
CREATE INDEX authorizations_finding_idx ON authorizations (account_id) WHERE finding <> '';
CREATE INDEX order_sweeps_lacks_idx ON order_sweeps (id) WHERE lacks <> '';
"""

BOOKS = """
-- The journal of one person, and of some days.
CREATE INDEX journal_caller_idx ON journal (caller, id);
CREATE INDEX journal_at_idx ON journal (at, id);
-- An order by the number that Amazon gave it.
CREATE INDEX orders_order_id_idx ON orders (order_id);
-- Accounts of which Amazon refused something lately.
CREATE INDEX changes_refused_idx ON changes (settled_at, account_id) WHERE state = 'refused';
"""


def upgrade() -> None:
    # Straight to the driver: several statements at once, and "%" means nothing to it.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for statements in (OPERATORS, SIGNING_IN, WORDS, GALLERY, BOOKS):
        driver.execute(statements)
