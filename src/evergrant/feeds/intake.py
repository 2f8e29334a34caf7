"""The hatch: changes come in, each line is judged, good ones are taken.

Answers for: one answer per line, taking all good lines of a batch in one commit, the same batch
handed in twice, taking back what was not sent. Does not answer for: what a wish may hold
(``rules.wishes``), reading files (``files``), or for when it goes (the plan).

Two who hand in the same at once see each other: each presses the account's doorbell first, which
makes the second one wait for the first one's commit; only then is it looked up what is known, and
ids, by which a later wish is known, are made behind all that there are.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from evergrant import journal, vault
from evergrant.doorbell import put_due
from evergrant.errors import AccountClosed, Conflict, NotFound, TooLarge
from evergrant.feeds.crowding import Crowding
from evergrant.feeds.digests import STRIDE, digest_of, digest_of_key
from evergrant.feeds.elsewhere import alone, told_elsewhere, twins_of
from evergrant.feeds.order_items import completed
from evergrant.feeds.taken import (
    Line,
    LineAnswer,
    Taken,
    Withdrawn,
    kept,
    notes_of,
    refused_for,
    retold,
)
from evergrant.intake import Flaws, need
from evergrant.naming import new_id
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import Change, Intake, Outcome
from evergrant.rules import ids
from evergrant.rules.changes import LANES, STATE_SETTING, ChangeKind, ChangeState
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret, scrub
from evergrant.rules.wishes import Refused, Wish, WishGround, read
from evergrant.rules.wishes.earlier import ONCE, Earlier, LineFate, Verdict, judged
from evergrant.vault import Vault

__all__ = ["MOST_LINES", "MOST_WITHDRAWN", "Taking"]

#: Lines of one batch.
MOST_LINES = 10_000
#: Changes that are taken back at a time.
MOST_WITHDRAWN = 1_000
_LONGEST_KEY = 200
_LONGEST_NAME = 200

_Wishes = list[tuple[int, Wish]]
#: Ids of one millisecond sort by this: a later line is a later wish.
_ORDER = itertools.count()
#: Certainly a later millisecond, however seconds are rounded.
_TICK = timedelta(milliseconds=2)


class Taking:
    """Verbs raise NotAllowed without the right AMAZON_WRITE, NotFound out of reach."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        bell: Bell,
        marketplaces: Marketplaces,
        crowding: Crowding | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._bell = bell
        self._marketplaces = marketplaces
        self._crowding = crowding or Crowding()

    async def put(
        self,
        account_id: str,
        lines: Sequence[Line],
        *,
        by: Caller,
        idempotency_key: str = "",
        source: str = "api",
        name: str = "",
    ) -> Taken:
        """Judges every line and takes the good ones, all in one commit. ``lines``: fields by name;
        a file is base64 text or bytes; or why nobody could make a line of it. ``source``: api, csv,
        command_line, folder; ``name``: of the file. The same ``idempotency_key`` with the same
        lines gives the same answer again and takes nothing.

        Needs AMAZON_WRITE. Raises InvalidInput (no line at all), TooLarge (over MOST_LINES),
        AccountClosed, Conflict (the key came before with other lines), OverLimit (very much is open
        already). A bad line raises nothing: its answer says why. A stock, price or package takes
        the place of what still waits of the same thing; what a run has is left to it. Journal:
        ``changes.taken``, numbers only.
        """
        need(by, Right.AMAZON_WRITE)
        now = self._clock.now()
        _check_batch(lines, idempotency_key)
        key_digest = digest_of_key(idempotency_key)
        async with self._store.transaction() as tx:
            account, authorization = await _reached(tx, account_id, by)
            known = await _known_intake(tx, account_id, key_digest)
            ground = await self._ground(tx, account, now)
            twins = await twins_of(tx, account, authorization)
        body_digest = await digest_of(lines)
        if known is not None:
            _refuse_other_lines(known, body_digest)
            return await self.get(account_id, known.id, by=by, repeated=True)
        _refuse_closed(authorization)
        wishes, refused = await _read_all(lines, ground)

        fence = alone(self._store, account, twins, wishes)
        async with fence, self._store.transaction() as tx:
            work = await put_due(tx, account_id, now)
            # Whoever pressed before us has committed by now.
            known = await _known_intake(tx, account_id, key_digest)
            if known is None:
                account, authorization = await _reached(tx, account_id, by)
                _refuse_closed(authorization)
                await self._crowding.check(tx, account_id, len(wishes), now)
                elsewhere = await told_elsewhere(tx, twins, wishes)
                wishes = [one for one in wishes if one[0] not in elsewhere]
                refused |= elsewhere
                wishes = await completed(tx, account, wishes, refused)
                verdicts = judged(wishes, await _earlier(tx, account_id, wishes))
                intake = Intake(
                    id=new_id(ids.Kind.INTAKE, now),
                    account_id=account_id,
                    caller=str(by),
                    source=source,
                    name=_plain_name(name),
                    key_digest=key_digest,
                    body_digest=body_digest,
                    created_at=now,
                )
                order_at = await _behind_all(tx, account_id, now)
                changes = _changes(intake, wishes, verdicts, order_at)
                answers = _answers(lines, wishes, refused, verdicts, changes)
                taken = Taken.of(intake, answers, notes_of(account, authorization, work, answers))
                await self._store_all(tx, taken, intake, wishes, changes, by, now)
        if known is not None:
            _refuse_other_lines(known, body_digest)
            return await self.get(account_id, known.id, by=by, repeated=True)
        if changes:
            await self._bell.ring_for_work([account_id])
        return taken

    async def judge(self, account_id: str, lines: Sequence[Line], *, by: Caller) -> Taken:
        """What ``put`` would answer now; nothing is taken. Needs AMAZON_WRITE. Raises as
        ``put``."""
        need(by, Right.AMAZON_WRITE)
        now = self._clock.now()
        _check_batch(lines, "")
        async with self._store.transaction() as tx:
            account, authorization = await _reached(tx, account_id, by)
            ground = await self._ground(tx, account, now)
            twins = await twins_of(tx, account, authorization)
        _refuse_closed(authorization)
        wishes, refused = await _read_all(lines, ground)
        async with self._store.transaction() as tx:
            elsewhere = await told_elsewhere(tx, twins, wishes)
            wishes = [one for one in wishes if one[0] not in elsewhere]
            refused |= elsewhere
            wishes = await completed(tx, account, wishes, refused)
            verdicts = judged(wishes, await _earlier(tx, account_id, wishes))
            work = await tx.work.get(account_id)
        answers = _answers(lines, wishes, refused, verdicts, {})
        return Taken.of(
            Intake(id="", account_id=account_id, caller=str(by), source="", created_at=now),
            answers,
            notes_of(account, authorization, work, answers),
        )

    async def get(
        self, account_id: str, intake_id: str, *, by: Caller, repeated: bool = False
    ) -> Taken:
        """What a batch was answered, once more. Needs READ, or AMAZON_WRITE. Raises NotFound."""
        if not by.may(Right.AMAZON_WRITE):
            need(by, Right.READ)
        async with self._store.transaction() as tx:
            account, authorization = await _reached(tx, account_id, by)
            intake = await tx.intakes.get(intake_id)
            if intake is None or intake.account_id != account_id:
                raise NotFound("There is no such intake.")
            work = await tx.work.get(account_id)
            changes: list[Change] = []
            after: str | None = None
            while len(changes) < intake.taken:
                page = await tx.changes.read(intake_id=intake_id, after=after, limit=_PAGE)
                if not page:
                    break  # the oldest are forgotten after a while
                changes += page
                after = page[-1].id
        answers = retold(intake, changes)
        return Taken.of(
            intake, answers, notes_of(account, authorization, work, answers), repeated=repeated
        )

    async def withdraw(self, change_ids: Sequence[str], *, by: Caller) -> Withdrawn:
        """Takes back changes that wait. What is under way or over stays as it is; the answer names
        its state. Needs AMAZON_WRITE. Raises NotFound when one of them is not there or out of
        reach; then none is taken back. Journal: ``changes.withdrawn``, for each account."""
        need(by, Right.AMAZON_WRITE)
        now = self._clock.now()
        wanted = list(dict.fromkeys(change_ids))
        _check_ids(wanted)
        async with self._store.transaction() as tx:
            found = await _reached_changes(tx, wanted, by)
            pending = [one.id for one in found if one.state is ChangeState.PENDING]
            outcome = Outcome(
                change_id="",
                state=ChangeState.WITHDRAWN,
                code="withdrawn",
                message=f"Taken back by {by.name or by}.",
            )
            if pending:
                await tx.changes.decide(pending, ChangeState.PENDING, outcome, now)
            states = {one.id: one.state for one in found}
            gone: dict[str, int] = {}
            for one in pending:
                after = await tx.changes.get(one)
                assert after is not None, f"{one} was just there"
                states[one] = after.state
                # A worker may have been faster.
                if after.state is ChangeState.WITHDRAWN:
                    gone[after.account_id] = gone.get(after.account_id, 0) + 1
                    if after.kind is ChangeKind.INVOICE:
                        await self._vault.drop(tx, vault.invoice_document(one))
            for account_id, count in gone.items():
                await journal.write(
                    tx, now=now, by=by, verb="changes.withdrawn", subject=account_id,
                    account_id=account_id, count=count,
                )  # fmt: skip
        was_pending = frozenset(pending)
        withdrawn = tuple(
            one for one in wanted if one in was_pending and states[one] is ChangeState.WITHDRAWN
        )
        left = {one: states[one] for one in wanted if one not in withdrawn}
        return Withdrawn(withdrawn=withdrawn, left=left)

    # --- what stands behind the verbs ---

    async def _ground(self, tx: Transaction, account: Account, now: datetime) -> WishGround:
        rows = await tx.participations.all(account_id=account.id)
        participating = frozenset(row.marketplace_id for row in rows if row.participating)
        return WishGround(
            partner_kind=account.partner_kind,
            vendor_kind=account.vendor_kind,
            region=account.region,
            home_marketplace=account.home_marketplace,
            marketplaces=self._marketplaces,
            participating=participating if rows else None,
            flags=account.flags,
            vendor_codes=account.vendor_codes,
            now=now,
        )

    async def _store_all(
        self,
        tx: Transaction,
        taken: Taken,
        intake: Intake,
        wishes: _Wishes,
        changes: Mapping[int, Change],
        by: Caller,
        now: datetime,
    ) -> None:
        await tx.intakes.add(kept(intake, taken))
        await tx.changes.add_all(list(changes.values()))
        # Whatever keeps an account from going, what waits for it does not pile up.
        last_words = [change for change in changes.values() if change.kind not in ONCE]
        await tx.changes.supersede(intake.account_id, last_words, now)
        for line, wish in wishes:
            if wish.attachment is not None and line in changes:
                await self._vault.put(
                    tx,
                    vault.invoice_document(changes[line].id),
                    Secret(b64encode(wish.attachment).decode()),
                    now=now,
                )
        await journal.write(
            tx,
            now=now,
            by=by,
            verb="changes.taken",
            subject=intake.id,
            account_id=intake.account_id,
            source=intake.source,
            name=intake.name,
            **taken.numbers(),
        )


_PAGE = 1_000


def _check_batch(lines: Sequence[Line], idempotency_key: str) -> None:
    flaws = Flaws()
    if not lines:
        flaws.add("changes", "needs at least one.", code="missing")
    if len(idempotency_key) > _LONGEST_KEY or not idempotency_key.isprintable():
        flaws.add(
            "idempotency_key",
            f"must be printable, and not longer than {_LONGEST_KEY} characters.",
            code="invalid",
        )
    flaws.refuse_if_any()
    if len(lines) > MOST_LINES:
        raise TooLarge(
            f"This batch has {len(lines)} lines; one may have {MOST_LINES}.",
            hint="Split it. The order in which the parts come in is the order that counts.",
            facts={"limit_lines": MOST_LINES},
        )


def _check_ids(change_ids: Sequence[str]) -> None:
    flaws = Flaws()
    if not 1 <= len(change_ids) <= MOST_WITHDRAWN:
        flaws.add("changes", f"must be 1 to {MOST_WITHDRAWN} ids.", code="out_of_range")
    for one in change_ids[:MOST_WITHDRAWN]:
        flaws.check("changes", lambda text: ids.check(ids.Kind.CHANGE, text), one)
        if flaws:
            break
    flaws.refuse_if_any()


async def _reached(tx: Transaction, id: str, by: Caller) -> tuple[Account, Authorization]:
    account = await tx.accounts.get(id)
    if account is None or not by.reaches_account(account.id, account.client_instance_id):
        raise NotFound("There is no such account.")
    authorization = await tx.authorizations.one(account_id=id)
    assert authorization is not None, f"{id} has no authorization"
    return account, authorization


async def _reached_changes(tx: Transaction, change_ids: Sequence[str], by: Caller) -> list[Change]:
    found = []
    reached: dict[str, bool] = {}
    for one in change_ids:
        change = await tx.changes.get(one)
        if change is not None and change.account_id not in reached:
            account = await tx.accounts.get(change.account_id)
            reached[change.account_id] = account is not None and by.reaches_account(
                account.id, account.client_instance_id
            )
        if change is None or not reached[change.account_id]:
            raise NotFound("There is no such change.")
        found.append(change)
    return found


def _plain_name(name: str) -> str:
    """Of a file, as whoever made it up wrote it."""
    return scrub("".join(mark if mark.isprintable() else "?" for mark in name))[:_LONGEST_NAME]


def _refuse_closed(authorization: Authorization) -> None:
    if authorization.state is State.CLOSED:
        raise AccountClosed("This account is closed; it takes no changes.")


async def _known_intake(tx: Transaction, account_id: str, key_digest: str | None) -> Intake | None:
    if key_digest is None:
        return None
    return await tx.intakes.one(account_id=account_id, key_digest=key_digest)


def _refuse_other_lines(known: Intake, body_digest: str) -> None:
    if known.body_digest != body_digest:
        raise Conflict(
            "This idempotency key came before, with other lines.",
            hint="One key stands for one batch. Use a fresh key for a fresh batch.",
            facts={"intake_id": known.id},
        )


async def _read_all(
    lines: Sequence[Line], ground: WishGround
) -> tuple[_Wishes, dict[int, Refused]]:
    wishes: _Wishes = []
    refused: dict[int, Refused] = {}
    for number, line in enumerate(lines, 1):
        if number % STRIDE == 0:
            await asyncio.sleep(0)
        try:
            if isinstance(line, Refused):
                raise line
            wishes.append((number, read(line, ground)))
        except Refused as why:
            refused[number] = why
    return wishes, refused


async def _earlier(
    tx: Transaction, account_id: str, wishes: _Wishes
) -> dict[tuple[ChangeKind, str], list[Earlier]]:
    """Of stock and price nothing: only the last one counts, however often the same is said."""
    keys: dict[ChangeKind, set[str]] = {}
    for _, wish in wishes:
        if wish.kind not in STATE_SETTING:
            keys.setdefault(wish.kind, set()).add(wish.key)
    return {
        (kind, key): [
            Earlier(
                id=one.id,
                state=one.state,
                marketplace_id=one.marketplace_id,
                subject=one.subject,
                wish=one.wish,
            )
            for one in known
        ]
        for kind, wanted in keys.items()
        for key, known in (await tx.changes.known(account_id, kind, wanted)).items()
    }


async def _behind_all(tx: Transaction, account_id: str, now: datetime) -> datetime:
    """Out of which ids are made: they are the order of wishes, whatever a clock that was set back,
    or another node's, says."""
    for newest in await tx.changes.read(account_id=account_id, limit=1, newest_first=True):
        return max(now, ids.made_at(newest.id) + _TICK)
    return now


def _changes(
    intake: Intake, wishes: _Wishes, verdicts: Sequence[Verdict], order_at: datetime
) -> dict[int, Change]:
    taken = {verdict.line for verdict in verdicts if verdict.fate is LineFate.TAKEN}
    return {
        line: Change(
            id=_change_id(order_at),
            account_id=intake.account_id,
            kind=wish.kind,
            lane=LANES[wish.kind],
            marketplace_id=wish.marketplace_id,
            subject=wish.subject,
            key=wish.key,
            wish=wish.wish,
            reference=wish.reference,
            intake_id=intake.id,
            line=line,
            created_at=intake.created_at,
        )
        for line, wish in wishes
        if line in taken
    }


def _change_id(now: datetime) -> str:
    order = next(_ORDER) % (1 << 32)
    return ids.make(ids.Kind.CHANGE, now, order.to_bytes(4) + secrets.token_bytes(6))


def _answers(
    lines: Sequence[Line],
    wishes: _Wishes,
    refused: Mapping[int, Refused],
    verdicts: Sequence[Verdict],
    changes: Mapping[int, Change],
) -> list[LineAnswer]:
    by_line = {verdict.line: verdict for verdict in verdicts}
    wished = dict(wishes)
    return [
        refused_for(number, lines[number - 1], refused[number])
        if number in refused
        else LineAnswer.of(wished[number], by_line[number], changes)
        for number in range(1, len(lines) + 1)
    ]
