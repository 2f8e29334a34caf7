"""Stock and price of sellers' listings: one by one with patchListingsItem, or many in a JSON feed.

Answers for: the calls and documents, and what the answer to a patch says of each change in it. Does
not answer for: the text of messages (``rules.listings``), or for the feed's report (``settling``).

A patch holds stock and price and nothing else: other attributes would put it into a slower class of
Amazon's limits (Amazon's note in selling-partner-api-samples, discussion 109). Sources: model
listings items 2021-08-01 (a refused submission is a 200 with status INVALID).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from evergrant.feeds.kinds import ApiCall, Ground, Reading
from evergrant.feeds.kinds.answers import Said, accepted, again, is_about_request, json_of, refused
from evergrant.feeds.kinds.answers import said as said_in
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import Change, FeedRun, Outcome
from evergrant.rules import listings
from evergrant.rules.changes import ChangeKind
from evergrant.rules.processing_reports import ProcessingReport, ReportLine
from evergrant.rules.processing_reports import line as line_of
from evergrant.rules.settling import Sent, reckon

__all__ = ["ISSUE_LOCALES", "ListingsFeed", "ListingsPatch", "issue_locale"]

#: The language in which a store's people read what is wrong, of those that Amazon's model "product
#: type definitions" names. All have the same length: feeds are cut by bytes before it is known.
ISSUE_LOCALES: Mapping[str, str] = MappingProxyType(
    {
        "AE": "en_AE",
        "AU": "en_AU",
        "BR": "pt_BR",
        "CA": "en_CA",
        "DE": "de_DE",
        "ES": "es_ES",
        "FR": "fr_FR",
        "IE": "en_GB",
        "IN": "en_IN",
        "IT": "it_IT",
        "JP": "ja_JP",
        "MX": "es_MX",
        "NL": "nl_NL",
        "PL": "pl_PL",
        "SE": "sv_SE",
        "SG": "en_SG",
        "TR": "tr_TR",
        "UK": "en_GB",
    }
)
_ENGLISH = "en_US"
#: All changes of one patch are one message.
_MESSAGE = 1


def issue_locale(ground: Ground, marketplace_id: str) -> str:
    row = ground.marketplaces.by_id(marketplace_id)
    return _ENGLISH if row is None else ISSUE_LOCALES.get(row.country_code, _ENGLISH)


class ListingsPatch:
    """Each call is for one SKU and marketplace: its stock, its price, or both."""

    def call(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> ApiCall:
        marketplace_id = _marketplace_id(ground, run, changes)
        sku = quote(changes[0].subject, safe="")
        return ApiCall(
            method="PATCH",
            path=f"/listings/2021-08-01/items/{quote(ground.seller_id, safe='')}/{sku}",
            query=(
                ("marketplaceIds", marketplace_id),
                ("includedData", "issues"),
                ("issueLocale", issue_locale(ground, marketplace_id)),
            ),
            body=listings.patch(marketplace_id=marketplace_id, **_wished(changes)),
        )

    def read(self, ground: Ground, changes: Sequence[Change], answer: Answer) -> Reading:
        if answer.status != 200:
            words = said_in(answer)
            return refused(changes, words) if is_about_request(answer.status) else again(words)
        told = json_of(answer)
        status = told.get("status") if isinstance(told, Mapping) else None
        if status == "ACCEPTED":
            return accepted(changes)
        if status == "INVALID":
            return _invalid(ground, changes, tuple(_errors(told)))
        if status == "VALID":
            # Of a preview, for which nobody asked: nothing was changed.
            return again(Said(code="valid", message="Amazon only looked whether it would do."))
        return again(Said(code="unreadable_answer", message="Amazon's answer has no known status."))


class ListingsFeed:
    """JSON_LISTINGS_FEED. One marketplace each: prices of SKUs that a feed of several marketplaces
    did not name for each of them were reported lost (selling-partner-api-models issue 5016)."""

    def head(self, ground: Ground, run: FeedRun) -> bytes:
        return listings.head(ground.seller_id)

    def message(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> bytes:
        first = changes[0]
        assert first.message_id is not None, "a change of a run has its message"
        return listings.message(
            first.message_id,
            first.subject,
            marketplace_id=_marketplace_id(ground, run, changes),
            **_wished(changes),
        )

    def between(self) -> bytes:
        return listings.BETWEEN

    def tail(self, ground: Ground, run: FeedRun) -> bytes:
        return listings.TAIL

    def options(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Mapping[str, str]:
        return {}

    def marketplace_ids(self, ground: Ground, run: FeedRun) -> Sequence[str]:
        return (run.marketplace_id or ground.home_marketplace_id,)


def _marketplace_id(ground: Ground, run: FeedRun, changes: Sequence[Change]) -> str:
    return changes[0].marketplace_id or run.marketplace_id or ground.home_marketplace_id


def _wished(changes: Sequence[Change]) -> dict[str, Any]:
    wishes = {change.kind: change.wish for change in changes}
    return listings.wished(wishes.get(ChangeKind.STOCK), wishes.get(ChangeKind.PRICE))


def _errors(told: Mapping[str, Any]) -> Iterator[ReportLine]:
    """What stands against it. A refusal without a reason is one all the same."""
    given = told.get("issues")
    issues = given if isinstance(given, list) else []
    lines = [line_of(one) for one in issues if isinstance(one, Mapping)]
    errors = [one for one in lines if one.severity == "error"]
    yield from errors or [
        ReportLine(
            message_id=None,
            severity="error",
            code="invalid",
            message="Amazon refused it and gave no reason.",
        )
    ]


def _invalid(ground: Ground, changes: Sequence[Change], errors: Sequence[ReportLine]) -> Reading:
    """As a report of one message says it: what nothing is said against goes back to wait when the
    fault is with the other change alone."""
    report = ProcessingReport(
        readable=True,
        processed=1,
        accepted=0,
        refused=1,
        lines=tuple(
            ReportLine(
                message_id=_MESSAGE,
                severity="error",
                code=one.code,
                message=one.message,
                attribute=one.attribute,
            )
            for one in errors
        ),
    )
    sent = [
        Sent(
            change_id=change.id,
            kind=change.kind,
            subject=change.subject,
            message_id=_MESSAGE,
            tries=change.tries,
            code=change.code,
        )
        for change in changes
    ]
    reckoning = reckon("DONE", report, messages=1, repeatable=True)
    return Reading(
        outcomes=tuple(
            Outcome(
                change_id=end.change_id,
                state=end.state,
                code=end.code,
                message=end.message,
                attribute=end.attribute,
                next_at=end.next_at,
            )
            for end in reckoning.settle(sent, ground.now)
        ),
        said=f"{errors[0].code} {errors[0].message}",
    )
