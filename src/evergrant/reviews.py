"""THE SIGN-OFF BOOK. Who looked at what before going live, and whether it is still so.

Answers for: signatures, taking them back, and their history in the journal. Does not answer for:
what has to be looked at (``rules.reviews``), or for looking (checks).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evergrant import journal
from evergrant.errors import Conflict, NotFound
from evergrant.intake import Flaws, need_everywhere
from evergrant.ports import Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.watched import Review
from evergrant.rules import ids
from evergrant.rules.reviews import (
    ITEMS,
    About,
    ReviewItem,
    Signature,
    digest_of,
    key_of,
    state_of,
)
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.rules.secrecy import scrub

__all__ = ["LONGEST_NOTE", "Reviews"]

LONGEST_NOTE = 500


class Reviews:
    """One per process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def sign(
        self,
        item: str,
        looked_at: Mapping[str, Any],
        *,
        by: Caller,
        subject: str = "",
        name: str = "",
        note: str = "",
    ) -> Review:
        """Somebody looked at this and found it right. ``looked_at``: the very values, none of them
        a secret; the journal keeps them, the book their digest. ``name``: of the person, where
        the caller is none (the command line has to say it). A former signature is replaced.

        Needs SIGN_OFF. Raises NotFound (no such item, or no such thing), Conflict (the machine
        decides on it), InvalidInput. Journal: ``review.signed``.
        """
        need_everywhere(by, Right.SIGN_OFF)
        found = _item(item)
        if found.by_machine:
            raise Conflict(
                f"'{found.title}' is decided by looking, not by signing.",
                hint="See what is wrong with it: evergrant check",
            )
        flaws = Flaws()
        signer = _signer(flaws, name, by)
        if len(note) > LONGEST_NOTE:
            flaws.add("note", f"is longer than {LONGEST_NOTE} characters.", code="too_long")
        flaws.refuse_if_any()
        now = self._clock.now()
        review = Review(
            id=key_of(item, subject),
            item=item,
            subject=subject,
            digest=digest_of(item, subject, looked_at),
            by=str(by),
            name=signer,
            at=now,
            note=scrub(note.strip()),
        )
        async with self._store.transaction() as tx:
            await _need_subject(tx, found, subject)
            await tx.reviews.put(review)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="review.signed",
                subject=review.id,
                name=signer,
                note=review.note,
                digest=review.digest,
                looked_at=looked_at,
            )
        return review

    async def withdraw(self, item: str, *, by: Caller, subject: str = "", note: str = "") -> Review:
        """Takes a signature back; gives what it was. Needs SIGN_OFF. Raises NotFound when there is
        none. Journal: ``review.withdrawn``."""
        need_everywhere(by, Right.SIGN_OFF)
        _item(item)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            review = await tx.reviews.get(key_of(item, subject))
            if review is None or not await tx.reviews.drop(review.id):
                raise NotFound("Nobody has signed that.")
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="review.withdrawn",
                subject=review.id,
                name=review.name,
                signed_at=review.at,
                note=scrub(note.strip())[:LONGEST_NOTE],
            )
        return review

    async def signed(self, *, by: Caller) -> Mapping[str, Review]:
        """All signatures by their ids (``rules.reviews.key_of``), stale ones too. Needs READ."""
        need_everywhere(by, Right.READ)
        async with self._store.transaction() as tx:
            return {review.id: review for review in await tx.reviews.all()}

    async def is_signed(
        self, item: str, subject: str = "", *, looked_at: Mapping[str, Any]
    ) -> bool:
        """Whether a signature stands for exactly these values now: for rooms whose work waits for
        it. False for what the machine decides. Raises NotFound for an item that is none."""
        found = _item(item)
        async with self._store.transaction() as tx:
            review = await tx.reviews.get(key_of(item, subject))
        return review is not None and (
            state_of(
                found,
                self._clock.now(),
                digest=digest_of(item, subject, looked_at),
                signature=Signature(digest=review.digest, at=review.at),
            ).is_settled
            and not found.by_machine
        )


def _item(name: str) -> ReviewItem:
    found = ITEMS.get(name)
    if found is None:
        raise NotFound("There is no such item on the list.", hint=f"There are: {', '.join(ITEMS)}.")
    return found


def _signer(flaws: Flaws, name: str, by: Caller) -> str:
    if not name and by.kind is CallerKind.COMMAND_LINE:
        flaws.add(
            "name",
            "is needed: an account of the machine is no person.",
            code="missing",
            hint="Say who looked at it: --name 'Ada Lovelace'.",
        )
        return ""
    return flaws.text("name", name or by.name, ids.check_name)


async def _need_subject(tx: Transaction, item: ReviewItem, subject: str) -> None:
    if item.about is About.HOUSE:
        if subject:
            raise NotFound(f"'{item.title}' is about the house as a whole.")
        return
    application = item.about is About.APPLICATION
    known = await (tx.applications.get(subject) if application else tx.instances.get(subject))
    if known is None:
        raise NotFound(f"There is no such {'application' if application else 'client instance'}.")
