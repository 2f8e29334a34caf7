"""Client instances know when their signing secret was made."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FIELDS = "ALTER TABLE instances ADD COLUMN signing_secret_made_at timestamptz"


def upgrade() -> None:
    op.execute(FIELDS)
