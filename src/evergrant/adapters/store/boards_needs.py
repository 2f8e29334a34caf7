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

__all__ = ["OF_CLOSED", "needs_sql"]

#: Of accounts that wait for consent: by their newest link, as far as there is a page to consent on.
_AWAITING = f"""
    SELECT z.account_id, CASE
           WHEN p.kind = 'private' OR link.state IS NULL THEN {place(Need.NOT_INVITED)}
           WHEN link.state <> 'open' OR link.expires_at <= :now THEN {place(Need.LINK_OVER)}
           WHEN link.created_at <= :silent THEN {place(Need.LINK_SILENT)} END AS place
      FROM authorizations z JOIN applications p ON p.id = z.application_id
      LEFT JOIN LATERAL (
           SELECT state, created_at, expires_at FROM invitations i
            WHERE i.account_id = z.account_id ORDER BY i.id DESC LIMIT 1) AS link ON true
     WHERE z.state = 'awaiting'
"""
_ON_THE_BOARD = " ".join(
    f"WHEN '{kind.value}' THEN {place(need)}" for kind, need in OF_NOTICE.items()
)
_NOTICES = f"""
    SELECT account_id, CASE kind {_ON_THE_BOARD} END AS place FROM notices
     WHERE settled_at IS NULL AND account_id IS NOT NULL
"""
_LACKS = ", ".join(f"'{lack.value}'" for lack in Lack if lack.stops)
_SWEEPS = f"""
    SELECT z.account_id, CASE WHEN s.lacks IN ({_LACKS}) THEN {place(Need.NO_SELLER_ID)}
                              ELSE {place(Need.ORDERS_LACK)} END AS place
      FROM order_sweeps s JOIN authorizations z ON z.account_id = s.id
     WHERE s.lacks <> '' AND z.state = 'active'
"""


def _plainly(need: Need, statement: str) -> str:
    return f"SELECT account_id, {place(need)} AS place FROM ({statement}) AS of (account_id)"


def _of_state(need: Need, condition: str) -> str:
    return _plainly(need, f"SELECT z.account_id FROM authorizations z WHERE {condition}")


def _of_application(need: Need, condition: str) -> str:
    return _plainly(
        need,
        "SELECT z.account_id FROM credentials c JOIN authorizations z ON z.application_id = c.id "
        f"WHERE {condition}",
    )


#: Those that make an account one that needs somebody.
_OWN: Mapping[str, frozenset[Need]] = MappingProxyType(
    {
        _of_state(Need.REVOKED, "z.state = 'revoked'"): frozenset({Need.REVOKED}),
        _of_state(Need.LAPSED, "z.state = 'lapsed'"): frozenset({Need.LAPSED}),
        _plainly(
            Need.UNCERTAIN, "SELECT DISTINCT account_id FROM changes WHERE state = 'uncertain'"
        ): frozenset({Need.UNCERTAIN}),
        _NOTICES: frozenset(OF_NOTICE.values()),
        _of_state(Need.TERM_URGENT, "z.state = 'active' AND z.term_ends_at <= :urgent"): frozenset(
            {Need.TERM_URGENT}
        ),
        _plainly(
            Need.UNDATED,
            "SELECT z.account_id FROM authorizations z JOIN applications p "
            "ON p.id = z.application_id WHERE z.state = 'active' AND z.term_ends_at IS NULL "
            "AND (z.granted_at IS NULL OR p.kind <> 'private')",
        ): frozenset({Need.UNDATED}),
        _of_state(Need.FINDING, "z.state = 'active' AND z.finding <> ''"): frozenset(
            {Need.FINDING}
        ),
        _plainly(
            Need.CONSENT_FAILED,
            "SELECT r.account_id FROM reports r JOIN authorizations z "
            "ON z.account_id = r.account_id WHERE r.resolved_at IS NULL "
            "AND r.at > :reports_since AND z.state <> 'active'",
        ): frozenset({Need.CONSENT_FAILED}),
        _SWEEPS: frozenset({Need.NO_SELLER_ID, Need.ORDERS_LACK}),
        _plainly(
            Need.REFUSED_LINES,
            "SELECT account_id FROM feed_runs WHERE refused > 0 AND ended_at > :refused_since",
        ): frozenset({Need.REFUSED_LINES}),
        _AWAITING: frozenset({Need.LINK_OVER, Need.LINK_SILENT, Need.NOT_INVITED}),
    }
)
#: Those that are only shown beside it.
_SHOWN: Mapping[Need, str] = MappingProxyType(
    {
        Need.TERM_DUE: _of_state(
            Need.TERM_DUE,
            "z.state = 'active' AND z.term_ends_at > :urgent AND z.term_ends_at <= :due",
        ),
        Need.PAUSED: _plainly(Need.PAUSED, "SELECT id FROM work WHERE paused_at IS NOT NULL"),
        Need.NO_MERCHANT_TOKEN: _plainly(
            Need.NO_MERCHANT_TOKEN,
            "SELECT id FROM accounts WHERE partner_kind = 'seller' AND merchant_token = '' "
            "OR partner_kind = 'vendor' AND vendor_codes = '{}'",
        ),
        Need.APPLICATION_REFUSED: _of_application(Need.APPLICATION_REFUSED, "c.trouble <> ''"),
        Need.SECRET_DEAD: _of_application(
            Need.SECRET_DEAD, "c.secret_set AND c.secret_expires_at <= :now"
        ),
        Need.SECRET_ENDING: _of_application(
            Need.SECRET_ENDING,
            "c.secret_set AND c.secret_expires_at > :now AND c.secret_expires_at <= :secrets",
        ),
        Need.INSTANCE_SILENT: _plainly(
            Need.INSTANCE_SILENT,
            "SELECT a.id FROM notices n JOIN accounts a ON a.client_instance_id = n.subject "
            f"WHERE n.settled_at IS NULL AND n.kind = '{NoticeKind.EVENTS_UNDELIVERED.value}'",
        ),
    }
)
#: Of a closed account nothing else is worth a look.
OF_CLOSED = place(Need.UNCERTAIN)


@cache
def needs_sql(only: Need | None = None) -> str:
    """Rows (account_id, place), with an account more than once and of closed ones too: of those
    `OF_CLOSED` alone counts. Without ``only`` every need that makes an account one that needs
    somebody. Bound are ``now``, ``due``, ``urgent``, ``silent``, ``secrets``, ``refused_since``
    and ``reports_since``, as far as they stand in it."""
    if only is not None and only in _SHOWN:
        return _SHOWN[only]
    parts = [part for part, needs in _OWN.items() if only is None or only in needs]
    if not parts:
        return "SELECT NULL::text AS account_id, 0 AS place WHERE false"
    which = "IS NOT NULL" if only is None else f"= {place(only)}"
    return f"SELECT account_id, place FROM ({' UNION ALL '.join(parts)}) AS n WHERE place {which}"


def _assert_complete() -> None:
    own = {need for needs in _OWN.values() for need in needs}
    if any(not NEEDS[need].counts for need in own) or any(
        NEEDS[need].counts and NEEDS[need].of is Of.ACCOUNT for need in _SHOWN
    ):
        raise AssertionError("a need stands on the wrong list")
    told = set(_SHOWN) | {need for needs in _OWN.values() for need in needs}
    of_accounts = {need for need, facts in NEEDS.items() if facts.of is Of.ACCOUNT}
    if not of_accounts <= told:
        raise AssertionError(f"no statement finds {sorted(of_accounts - told)}")


_assert_complete()
