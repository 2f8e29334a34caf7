"""Which accounts need somebody, in SQL: every condition of ``rules.attention`` once more.

Answers for: (account_id, place) of all accounts that have a need, found from the few rows that
make one rather than from all accounts. Does not answer for: its words. A test compares every
account's badges with what is found here.
"""

# ruff: noqa: S608 - statements are made of words of ours; what others typed is bound

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from evergrant.rules.attention import NEEDS, OF_NOTICE, Need, Of, place
from evergrant.rules.notices import NoticeKind
from evergrant.rules.order_sweeps import Lack

__all__ = ["needs_sql"]

_OPEN = "z.state <> 'closed'"


def _of_state(condition: str) -> str:
    return f"SELECT z.account_id FROM authorizations z WHERE {condition}"


def _of_notices(*kinds: NoticeKind) -> str:
    words = ", ".join(f"'{kind.value}'" for kind in kinds)
    return f"""
        SELECT n.account_id FROM notices n JOIN authorizations z ON z.account_id = n.account_id
         WHERE n.settled_at IS NULL AND n.kind IN ({words}) AND {_OPEN}
    """


def _of_sweeps(*, stops: bool) -> str:
    words = ", ".join(f"'{lack.value}'" for lack in Lack if lack.stops is stops)
    return f"""
        SELECT z.account_id FROM order_sweeps s JOIN authorizations z ON z.account_id = s.id
         WHERE s.lacks <> '' AND s.lacks IN ({words}) AND z.state = 'active'
    """


#: The newest link of accounts that were never authorized, or reopened.
_LINKS = """
    SELECT z.account_id FROM authorizations z
      JOIN accounts a ON a.id = z.account_id
      JOIN applications p ON p.id = a.application_id AND p.kind <> 'private'
      CROSS JOIN LATERAL (
           SELECT state, created_at, expires_at FROM invitations i
            WHERE i.account_id = z.account_id ORDER BY i.id DESC LIMIT 1) AS link
     WHERE z.state = 'awaiting' AND {}
"""
_WORKS = "link.state = 'open' AND link.expires_at > :now"

_OF_APPLICATION = """
    SELECT a.id FROM credentials c JOIN accounts a ON a.application_id = c.id
      JOIN authorizations z ON z.account_id = a.id
     WHERE z.state <> 'closed' AND {}
"""

_SQL: Mapping[Need, tuple[str, ...]] = MappingProxyType(
    {
        Need.REVOKED: (_of_state("z.state = 'revoked'"),),
        Need.LAPSED: (_of_state("z.state = 'lapsed'"),),
        # Whatever the state: somebody has to decide.
        Need.UNCERTAIN: ("SELECT DISTINCT account_id FROM changes WHERE state = 'uncertain'",),
        Need.TERM_URGENT: (_of_state("z.state = 'active' AND z.term_ends_at <= :urgent"),),
        Need.TERM_DUE: (
            _of_state("z.state = 'active' AND z.term_ends_at > :urgent AND z.term_ends_at <= :due"),
        ),
        Need.UNDATED: (
            """
            SELECT z.account_id FROM authorizations z JOIN accounts a ON a.id = z.account_id
              JOIN applications p ON p.id = a.application_id
             WHERE z.state = 'active' AND z.term_ends_at IS NULL
               AND (z.granted_at IS NULL OR p.kind <> 'private')
            """,
        ),
        Need.FINDING: (_of_state("z.state = 'active' AND z.finding <> ''"),),
        Need.CONSENT_FAILED: (
            """
            SELECT r.account_id FROM reports r JOIN authorizations z ON z.account_id = r.account_id
             WHERE r.resolved_at IS NULL AND r.at > :reports_since
               AND z.state NOT IN ('active', 'closed')
            """,
        ),
        Need.NO_SELLER_ID: (_of_sweeps(stops=True),),
        Need.ORDERS_LACK: (_of_sweeps(stops=False),),
        Need.REFUSED_LINES: (
            f"""
            SELECT r.account_id FROM feed_runs r JOIN authorizations z
                ON z.account_id = r.account_id
             WHERE r.refused > 0 AND r.ended_at > :refused_since AND {_OPEN}
            """,
        ),
        Need.LINK_OVER: (_LINKS.format(f"NOT ({_WORKS})"),),
        Need.LINK_SILENT: (_LINKS.format(f"{_WORKS} AND link.created_at <= :silent"),),
        Need.NOT_INVITED: (
            """
            SELECT z.account_id FROM authorizations z JOIN accounts a ON a.id = z.account_id
              JOIN applications p ON p.id = a.application_id
             WHERE z.state = 'awaiting' AND (p.kind = 'private' OR NOT EXISTS (
                   SELECT FROM invitations i WHERE i.account_id = z.account_id))
            """,
        ),
        Need.PAUSED: (
            f"""
            SELECT w.id FROM work w JOIN authorizations z ON z.account_id = w.id
             WHERE w.paused_at IS NOT NULL AND {_OPEN}
            """,
        ),
        Need.NO_MERCHANT_TOKEN: (
            f"""
            SELECT a.id FROM accounts a JOIN authorizations z ON z.account_id = a.id
             WHERE {_OPEN} AND (a.partner_kind = 'seller' AND a.merchant_token = ''
                OR a.partner_kind = 'vendor' AND a.vendor_codes = '{{}}')
            """,
        ),
        Need.APPLICATION_REFUSED: (_OF_APPLICATION.format("c.trouble <> ''"),),
        Need.SECRET_DEAD: (_OF_APPLICATION.format("c.secret_set AND c.secret_expires_at <= :now"),),
        Need.SECRET_ENDING: (
            _OF_APPLICATION.format(
                "c.secret_set AND c.secret_expires_at > :now AND c.secret_expires_at <= :secrets"
            ),
        ),
        Need.INSTANCE_SILENT: (
            f"""
            SELECT a.id FROM notices n JOIN accounts a ON a.client_instance_id = n.subject
              JOIN authorizations z ON z.account_id = a.id
             WHERE n.settled_at IS NULL AND n.kind = '{NoticeKind.EVENTS_UNDELIVERED.value}'
               AND {_OPEN}
            """,
        ),
    }
)


@cache
def needs_sql(only: Need | None = None) -> str:
    """Rows (account_id, place); without ``only`` of every need that makes an account one that
    needs somebody. An account may come twice. Bound are ``now``, ``due``, ``urgent``, ``silent``,
    ``secrets``, ``refused_since``, ``reports_since``, as far as they stand in it."""
    wanted = [only] if only is not None else [need for need in Need if _counts(need)]
    parts = [
        f"SELECT account_id, {place(need)} AS place FROM ({one}) AS of_{need.value} (account_id)"
        for need in wanted
        for one in (*_SQL.get(need, ()), *_on_the_board(need))
    ]
    return " UNION ALL ".join(parts) or "SELECT NULL::text AS account_id, 0 AS place WHERE false"


def _on_the_board(need: Need) -> tuple[str, ...]:
    kinds = [kind for kind, of in OF_NOTICE.items() if of is need]
    return (_of_notices(*kinds),) if kinds else ()


def _counts(need: Need) -> bool:
    return NEEDS[need].counts and NEEDS[need].of is Of.ACCOUNT
