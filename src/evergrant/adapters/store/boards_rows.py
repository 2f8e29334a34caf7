"""The rows of the list of accounts: one statement for a page of them.

Answers for: the statement, and reading one of its rows. Does not answer for: which accounts are on
the page (``boards``).
"""

# ruff: noqa: S608 - statements are made of words of ours; what others typed is bound

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from evergrant.ports.boards import BoardRow
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.attention import AccountSigns, LetterFate, LinkSigns, NoticeSigns
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind
from evergrant.rules.notices import NoticeKind

__all__ = ["ROWS", "row_of"]

#: A page of it is some hundred looks into indexes; nothing is read from end to end. Columns that
#: hold ids and were not made for them are compared by their own collation, which their index has.
ROWS = f"""
SELECT a.id, a.name, a.client_email, a.partner_kind, a.vendor_kind, a.region, a.home_marketplace,
       a.application_id, a.client_instance_id, a.merchant_token, a.vendor_codes, a.flags,
       a.created_at, greatest(a.changed_at, z.changed_at) AS changed_at,
       p.name AS application_name, p.kind AS application_kind, p.reminder_days,
       i.name AS instance_name,
       z.state, z.selling_partner_id, z.grant_id, z.granted_at, z.term_ends_at, z.refused_at,
       z.refused_reason, z.finding, z.first_refused_at, z.probe_doubt, z.look_due_at, z.checked_at,
       c.trouble, c.trouble_since, CASE WHEN c.secret_set THEN c.secret_expires_at END
           AS secret_expires_at,
       s.lacks, w.paused_at, w.paused_by,
       link.created_at AS link_made_at, link.expires_at AS link_expires_at,
       link.state AS link_state, link.opened_at AS link_opened_at,
       letter.state AS letter_state, letter.last_error AS letter_error,
       letter.ended_at AS letter_ended_at,
       board.notices, waiting.count AS waiting, in_flight.count AS in_flight,
       uncertain.count AS uncertain, uncertain.run_id AS uncertain_run_id,
       refused.lines AS refused_lines, refused.run_id AS refused_run_id,
       report.reference AS report_reference, report.at AS report_at,
       calls.last_at AS last_call_at, silent.since AS instance_silent_since
  FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS wanted (id, at)
  JOIN accounts a ON a.id = wanted.id
  JOIN authorizations z ON z.account_id = a.id
  JOIN applications p ON p.id = a.application_id
  JOIN instances i ON i.id = a.client_instance_id
  LEFT JOIN credentials c ON c.id = a.application_id
  LEFT JOIN order_sweeps s ON s.id = a.id
  LEFT JOIN work w ON w.id = a.id
  LEFT JOIN LATERAL (
       SELECT id, state, created_at, expires_at, opened_at FROM invitations
        WHERE account_id = a.id ORDER BY id DESC LIMIT 1) AS link ON true
  LEFT JOIN LATERAL (
       SELECT state, last_error, ended_at FROM outbox
        WHERE subject = link.id COLLATE "default" AND kind = 'mail'
        ORDER BY id DESC LIMIT 1) AS letter ON true
  LEFT JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_array(id, kind, subject, message, first_at, last_at)
                        ORDER BY id) AS notices
         FROM notices WHERE account_id = a.id AND settled_at IS NULL) AS board ON true
  LEFT JOIN LATERAL (
       SELECT count(*) FROM (
              SELECT FROM changes WHERE account_id = a.id AND state = 'pending' LIMIT :most)
              AS counted) AS waiting ON true
  LEFT JOIN LATERAL (
       SELECT count(*) FROM (
              SELECT FROM changes WHERE account_id = a.id AND state = 'in_flight' LIMIT :most)
              AS counted) AS in_flight ON true
  LEFT JOIN LATERAL (
       SELECT count(*), max(run_id) AS run_id FROM changes
        WHERE account_id = a.id AND state = 'uncertain') AS uncertain ON true
  LEFT JOIN LATERAL (
       SELECT sum(r.refused) AS lines, max(r.id) AS run_id FROM feed_runs r
        WHERE r.account_id = a.id AND r.refused > 0 AND r.ended_at > :refused_since)
       AS refused ON true
  LEFT JOIN LATERAL (
       SELECT reference, at FROM reports
        WHERE account_id = a.id AND resolved_at IS NULL AND at > :reports_since
        ORDER BY id DESC LIMIT 1) AS report ON true
  LEFT JOIN LATERAL (
       SELECT max(last_at) AS last_at FROM call_counts
        WHERE account_id = a.id COLLATE "default" AND hour_at = (
              SELECT max(hour_at) FROM call_counts WHERE account_id = a.id COLLATE "default"))
       AS calls ON true
  LEFT JOIN LATERAL (
       SELECT min(first_at) AS since FROM notices
        WHERE kind = '{NoticeKind.EVENTS_UNDELIVERED.value}' AND subject = a.client_instance_id
          AND settled_at IS NULL) AS silent ON true
 WHERE :conditions
 ORDER BY wanted.at
"""


def row_of(row: Mapping[str, Any]) -> BoardRow:
    changed_at, created_at = _at(row["changed_at"]), _at(row["created_at"])
    assert changed_at is not None and created_at is not None, "no null there"  # noqa: PT018
    days = row["reminder_days"]
    return BoardRow(
        id=row["id"],
        name=row["name"],
        client_email=row["client_email"],
        partner_kind=PartnerKind(row["partner_kind"]),
        vendor_kind=VendorKind(row["vendor_kind"]) if row["vendor_kind"] else None,
        region=Region(row["region"]),
        home_marketplace=row["home_marketplace"],
        application_id=row["application_id"],
        application_name=row["application_name"],
        client_instance_id=row["client_instance_id"],
        instance_name=row["instance_name"],
        flags={Flag(flag): on for flag, on in row["flags"].items()},
        created_at=created_at,
        changed_at=changed_at,
        checked_at=_at(row["checked_at"]),
        last_call_at=_at(row["last_call_at"]),
        waiting=row["waiting"],
        in_flight=row["in_flight"],
        reminder_days=None if days is None else tuple(days),
        signs=_signs(row),
    )


def _signs(row: Mapping[str, Any]) -> AccountSigns:
    return AccountSigns(
        state=State(row["state"]),
        partner_kind=PartnerKind(row["partner_kind"]),
        private=row["application_kind"] == ApplicationKind.PRIVATE.value,
        client_email=row["client_email"],
        merchant_token=row["merchant_token"],
        vendor_codes=tuple(row["vendor_codes"]),
        selling_partner_id=row["selling_partner_id"],
        has_grant=row["grant_id"] is not None,
        granted_at=_at(row["granted_at"]),
        term_ends_at=_at(row["term_ends_at"]),
        refused_at=_at(row["refused_at"]),
        refused_reason=row["refused_reason"],
        finding=row["finding"],
        first_refused_at=_at(row["first_refused_at"]),
        probe_doubt=row["probe_doubt"],
        look_due_at=_at(row["look_due_at"]),
        link=_link(row),
        notices=tuple(_notice(one) for one in row["notices"] or ()),
        uncertain=row["uncertain"],
        uncertain_run_id=row["uncertain_run_id"] or "",
        refused_lines=row["refused_lines"] or 0,
        refused_run_id=row["refused_run_id"] or "",
        report_reference=row["report_reference"] or "",
        report_at=_at(row["report_at"]),
        sweep_lacks=row["lacks"] or "",
        paused_at=_at(row["paused_at"]),
        paused_by=row["paused_by"] or "",
        application_id=row["application_id"],
        application_trouble=row["trouble"] or "",
        application_trouble_since=_at(row["trouble_since"]),
        secret_expires_at=_at(row["secret_expires_at"]),
        instance_id=row["client_instance_id"],
        instance_silent_since=_at(row["instance_silent_since"]),
    )


def _link(row: Mapping[str, Any]) -> LinkSigns | None:
    made_at, expires_at = _at(row["link_made_at"]), _at(row["link_expires_at"])
    if made_at is None or expires_at is None:
        return None
    fate = LetterFate(row["letter_state"]) if row["letter_state"] else LetterFate.NONE
    return LinkSigns(
        made_at=made_at,
        expires_at=expires_at,
        open=row["link_state"] == "open",
        opened_at=_at(row["link_opened_at"]),
        letter=fate,
        letter_error=row["letter_error"] or "",
        mailed_at=_at(row["letter_ended_at"]) if fate is LetterFate.SENT else None,
    )


def _notice(told: list[Any]) -> NoticeSigns:
    own, kind, subject, message, first_at, last_at = told
    return NoticeSigns(
        id=own,
        kind=NoticeKind(kind),
        subject=subject,
        message=message,
        first_at=datetime.fromisoformat(first_at).astimezone(UTC),
        last_at=datetime.fromisoformat(last_at).astimezone(UTC),
    )


def _at(stored: datetime | None) -> datetime | None:
    return None if stored is None else stored.astimezone(UTC)
