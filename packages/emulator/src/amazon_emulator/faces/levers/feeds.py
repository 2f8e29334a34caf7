"""Levers over feeds and their documents: pace, holds, ends, reports, contents.

Answers for: turning wishes into verbs of `trade.feeds`. What a feed does on its own is there.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers.making import partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.stage import Stage
from amazon_emulator.trade.documents.documents import LARGEST_UPLOAD, Document, Documents
from amazon_emulator.trade.feeds import results as feed_results
from amazon_emulator.trade.feeds.choices import Choice, Hold, ReportWish
from amazon_emulator.trade.feeds.feed import Feed
from amazon_emulator.trade.feeds.feeds import Feeds
from amazon_emulator.trade.feeds.types import FEED_KINDS, FEED_TYPES
from amazon_emulator.trade.pace import Pace, Paces
from amazon_emulator.trade.processings import CHOSEN, ENDS, STATUSES

__all__ = [
    "LEVERS",
    "change_habits",
    "change_pace",
    "content_of_wish",
    "decide",
    "document",
    "feed",
    "feed_content",
    "feeds",
    "finish",
    "forget_decisions",
    "habits",
    "hold",
    "hold_feed",
    "holds",
    "limit_uploads",
    "lose_report",
    "maybe_partner",
    "maybe_truth",
    "pace",
    "pace_of_wish",
    "release",
    "release_feed",
    "show_content",
]

FILTERS = ("selling_partner_id", "region", "feed_type", "kind", "status")


def feeds(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All feeds in order of arrival, with status, kind and times: ?selling_partner_id=, region=,
    feed_type=, kind=, status=."""
    unknown = sorted(set(wish.query) - set(FILTERS))
    if unknown:
        raise WrongWish(f"unknown: {', '.join(unknown)}; known: {', '.join(FILTERS)}")
    for name, choices in (("status", STATUSES), ("kind", FEED_KINDS)):
        if wish.query.get(name, choices[0]) not in choices:
            raise WrongWish(f"{name!r} must be one of {', '.join(choices)}")
    found = [
        view
        for view in map(_view, stage.of(Feeds).all())
        if all(view[name] == value for name, value in wish.query.items())
    ]
    return {"count": len(found), "items": found}


def feed(stage: Stage, wish: Wish) -> dict[str, Any]:
    """One feed, with its status, its times and the holds on it."""
    return _view(_feed(stage, wish))


def feed_content(stage: Stage, wish: Wish) -> dict[str, Any]:
    """What a feed was created from: text (where it is UTF-8) and base64, unpacked; once it ended,
    what its document holds now."""
    known = _feed(stage, wish)
    found = stage.of(Documents).get(known.input_document_id)
    content = known.content or (found.content if found else None)
    if content is None:
        raise WrongWish(f"the document {known.input_document_id} is gone", 404)
    return _packed_or_not(stage, content, known.content_type)


def document(stage: Stage, wish: Wish) -> dict[str, Any]:
    """A document of feeds or reports, and its content, unpacked; no presigned address is needed."""
    wished = wish.path["document_id"]
    known = stage.of(Documents).get(wished)
    if known is None:
        raise WrongWish(f"there is no document {wished}", 404)
    return _document_view(stage, known)


def pace(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How long feeds wait and are worked on."""
    return stage.of(Feeds).paces.as_json()


def change_pace(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Sets how long feeds wait and are worked on {queue_s?, processing_s?, feed_type?}: of a type,
    or of all. Holds for those under way too."""
    state = stage.of(Feeds)
    feed_type = _type(wish)
    wished = pace_of_wish(wish, state.paces, feed_type)
    wish.done()
    state.paces.set(wished, feed_type)
    state.replan(stage, stage.clock.now())
    return pace(stage, wish)


def pace_of_wish(wish: Wish, paces: Paces, name: str | None) -> Pace:
    """What stands, with what was wished. Raises WrongWish."""
    before = paces.of(name) if name else Pace(paces.queue_s, paces.processing_s)
    wished = Pace(
        wish.number("queue_s", before.queue_s), wish.number("processing_s", before.processing_s)
    )
    if not all(0 <= seconds <= 30 * 86400 for seconds in (wished.queue_s, wished.processing_s)):
        raise WrongWish("'queue_s' and 'processing_s' must be from 0 to 2592000")
    return wished


def hold(stage: Stage, wish: Wish) -> dict[str, Any]:
    """From now on feeds stay where they are {feed_type?, selling_partner_id?, where?}: in_progress
    (as stuck feeds do) or in_queue; of a type, a partner, or all."""
    state = stage.of(Feeds)
    wished = Hold(
        _type(wish),
        maybe_partner(stage, wish),
        wish.choice("where", ("in_progress", "in_queue"), "in_progress"),
    )
    wish.done()
    if wished not in state.holds:
        state.holds.append(wished)
    now = stage.clock.now()
    for known in state.all():
        if wished.meets(known.feed_type, known.partner_id) and (known.status, wished.where) in (
            ("IN_PROGRESS", "in_progress"),
            ("IN_QUEUE", "in_queue"),
        ):
            state.hold(stage, known, now)
    return holds(stage, wish)


def holds(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The holds that are on, and the feeds that are held."""
    state = stage.of(Feeds)
    return {
        "items": [one.as_json() for one in state.holds],
        "held": [known.feed_id for known in state.all() if known.held],
    }


def release(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Ends holds and lets held feeds go on {feed_type?, selling_partner_id?}; all when nothing is
    said."""
    feed_type, partner_id = _type(wish), maybe_partner(stage, wish)
    wish.done()
    state, now = stage.of(Feeds), stage.clock.now()
    wished = Hold(feed_type, partner_id)
    state.holds = [
        one
        for one in state.holds
        if not (feed_type in (None, one.feed_type) and partner_id in (None, one.partner_id))
    ]
    released = [
        known
        for known in state.all()
        if known.held and wished.meets(known.feed_type, known.partner_id)
    ]
    for known in released:
        state.release(stage, known, now)
    return {"count": len(released), "items": [_view(known) for known in released]}


def hold_feed(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Keeps one feed where it is, in the queue or in progress; what waits behind it waits on."""
    known = _feed(stage, wish)
    wish.done()
    if known.status in ENDS:
        raise WrongWish(f"feed {known.feed_id} is {known.status}", 409)
    stage.of(Feeds).hold(stage, known, stage.clock.now())
    return _view(known)


def release_feed(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Lets one held feed go on."""
    known = _feed(stage, wish)
    wish.done()
    if not known.held:
        raise WrongWish(f"feed {known.feed_id} is not held", 409)
    stage.of(Feeds).release(stage, known, stage.clock.now())
    return _view(known)


def finish(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Ends a feed now {status?: DONE|FATAL|CANCELLED, report?: usual|none, text? or base64?,
    content_type?, applied?}; as it would end, when nothing is said."""
    known = _feed(stage, wish)
    choice = _choice(wish) if wish.body else None
    wish.done()
    if known.status in ENDS:
        raise WrongWish(f"feed {known.feed_id} is {known.status}", 409)
    stage.of(Feeds).finish(stage, known, choice, stage.clock.now())
    return _view(known)


def decide(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Decides how the next feeds end {status, feed_type?, selling_partner_id?, times?, report?,
    text? or base64?, content_type?, applied?}; `times` null: until forgotten. Only DONE applies the
    content unless `applied` says so."""
    choice = _choice(wish)
    choice.feed_type, choice.partner_id = _type(wish), maybe_partner(stage, wish)
    choice.times = wish.count("times", 1)
    wish.done()
    state = stage.of(Feeds)
    state.choices.append(choice)
    return {"items": [one.as_json() for one in state.choices]}


def forget_decisions(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Feeds that come end as they would."""
    wish.done()
    state = stage.of(Feeds)
    count = len(state.choices)
    state.choices.clear()
    return {"count": count}


def lose_report(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Loses the report of a feed that ended {how?: gone|unnamed}: its document cannot be found any
    longer, or getFeed does not name it any longer."""
    known = _feed(stage, wish)
    how = wish.choice("how", ("gone", "unnamed"), "gone")
    wish.done()
    if known.result_document_id is None:
        raise WrongWish(f"feed {known.feed_id} has no report", 409)
    if how == "gone":
        stage.of(Documents).lose(known.result_document_id)
    else:
        known.result_document_id = None
    return _view(known)


def habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Where Amazon's feeds are known to behave in several ways."""
    return stage.of(Feeds).habits.as_json()


def change_habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes any of same_document (second_feed|refused: what createFeed twice gives),
    other_report_id, packed, latin (true, false, or null: by chance unless gentle)."""
    known = stage.of(Feeds).habits
    changed = type(known)(
        same_document=wish.choice("same_document", ("second_feed", "refused"), known.same_document),
        other_report_id=maybe_truth(wish, "other_report_id", known.other_report_id),
        packed=maybe_truth(wish, "packed", known.packed),
        latin=maybe_truth(wish, "latin", known.latin),
    )
    wish.done()
    stage.of(Feeds).habits = changed
    return habits(stage, wish)


def limit_uploads(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Sets the largest upload {max_bytes}."""
    most = wish.count("max_bytes")
    wish.done()
    if most is None or most > LARGEST_UPLOAD:
        raise WrongWish(f"'max_bytes' must be a whole number from 1 to {LARGEST_UPLOAD}")
    stage.of(Documents).max_upload = most
    return {"max_bytes": most}


# --- reading and showing --------------------------------------------------------------------------


def maybe_partner(stage: Stage, wish: Wish) -> str | None:
    """A partner that exists, or none. Raises WrongWish."""
    wished = wish.maybe("selling_partner_id")
    return None if wished is None else partner_of(stage, wished).selling_partner_id


def maybe_truth(wish: Wish, name: str, default: bool | None) -> bool | None:
    """True, false or null. Raises WrongWish."""
    return None if wish.raw(name, default) is None else wish.truth(name, bool(default))


def content_of_wish(wish: Wish) -> bytes | None:
    """`text` or `base64`; None when neither was said. Raises WrongWish."""
    text, packed = wish.raw("text", None), wish.maybe("base64")
    if text is not None and packed is not None:
        raise WrongWish("say either 'text' or 'base64'")
    if packed is not None:
        try:
            return base64.b64decode(packed, validate=True)
        except (binascii.Error, ValueError):
            raise WrongWish("'base64' is not base64") from None
    if text is not None and not isinstance(text, str):
        raise WrongWish("'text' must be a text")
    return None if text is None else text.encode()


def _choice(wish: Wish) -> Choice:
    content = content_of_wish(wish)
    report: ReportWish = wish.choice("report", ("usual", "none"), "usual")
    if content is not None and report == "none":
        raise WrongWish("a report cannot be none and have a content")
    applied = maybe_truth(wish, "applied", None)
    return Choice(
        status=wish.choice("status", CHOSEN),
        applied=applied,
        report="given" if content is not None else report,
        content=content or b"",
        content_type=wish.maybe("content_type"),
    )


def _type(wish: Wish) -> str | None:
    wished = wish.maybe("feed_type")
    if wished is not None and wished not in FEED_TYPES:
        raise WrongWish(f"{wished!r} is no feed type")
    return wished


def _feed(stage: Stage, wish: Wish) -> Feed:
    known = stage.of(Feeds).get(wish.path["feed_id"])
    if known is None:
        raise WrongWish(f"there is no feed {wish.path['feed_id']}", 404)
    return known


def _view(known: Feed) -> dict[str, Any]:
    return {
        "feed_id": known.feed_id,
        "selling_partner_id": known.partner_id,
        "application_id": known.application_id,
        "region": known.region,
        "feed_type": known.feed_type,
        "kind": known.kind,
        "status": known.status,
        "held": known.held,
        "marketplace_ids": list(known.marketplace_ids),
        "options": known.options,
        "created_at": stamp(known.created_at),
        "started_at": stamp(known.started_at),
        "ended_at": stamp(known.ended_at),
        "next_step_at": stamp(known.entry.due_at) if known.entry else None,
        "input_document_id": known.input_document_id,
        "result_document_id": known.result_document_id,
        "report_feed_id": known.report_feed_id,
    }


def _document_view(stage: Stage, known: Document) -> dict[str, Any]:
    view = {
        "document_id": known.document_id,
        "selling_partner_id": known.partner_id,
        "region": known.region,
        "purpose": known.purpose,
        "compression": known.compression,
        "made_at": stamp(known.made_at),
        "ends_at": stamp(known.ends_at),
    }
    if known.content is None:
        return {**view, "content_type": known.content_type, "bytes": None}
    return {**view, **_packed_or_not(stage, known.content, known.content_type)}


def _packed_or_not(stage: Stage, content: bytes, content_type: str) -> dict[str, Any]:
    try:
        plain = feed_results.unpacked(content, stage.of(Documents).max_upload)
    except ValueError:
        plain = content
    return show_content(plain, content_type, len(content))


def show_content(plain: bytes, content_type: str, size: int) -> dict[str, Any]:
    """Text where it is text."""
    try:
        text: str | None = plain.decode()
    except UnicodeDecodeError:
        text = None
    return {
        "content_type": content_type,
        "bytes": size,
        "text": text,
        "base64": base64.b64encode(plain).decode(),
    }


LEVERS = (
    ("GET", "/feeds", feeds),
    ("GET", "/feeds/pace", pace),
    ("PUT", "/feeds/pace", change_pace),
    ("GET", "/feeds/habits", habits),
    ("PATCH", "/feeds/habits", change_habits),
    ("GET", "/feeds/holds", holds),
    ("POST", "/feeds/hold", hold),
    ("POST", "/feeds/release", release),
    ("POST", "/feeds/decide", decide),
    ("DELETE", "/feeds/decide", forget_decisions),
    ("GET", "/feeds/{feed_id}", feed),
    ("GET", "/feeds/{feed_id}/content", feed_content),
    ("POST", "/feeds/{feed_id}/hold", hold_feed),
    ("POST", "/feeds/{feed_id}/release", release_feed),
    ("POST", "/feeds/{feed_id}/finish", finish),
    ("POST", "/feeds/{feed_id}/lose-report", lose_report),
    ("PUT", "/documents/limit", limit_uploads),
    ("GET", "/documents/{document_id}", document),
)
