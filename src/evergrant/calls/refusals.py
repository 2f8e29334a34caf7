"""Who may make which call.

Answers for: every reason that lies in the caller, the operation and the account, before anything is
asked of Amazon or of the budgets. Does not answer for: reading paths (`paths`), or for permits.
"""

from __future__ import annotations

from evergrant.calls.leave import RIGHTS
from evergrant.calls.values import Asked
from evergrant.errors import Flaw, InvalidInput, NotAllowed
from evergrant.rules import personal_data
from evergrant.rules.applications import ROTATION_SCOPE
from evergrant.rules.operations import Operation, Personal
from evergrant.rules.rights import Caller, Right
from evergrant.tokens.restricted import OPERATION as _OURS

__all__ = ["may", "needs_restricted", "refuse_unless_allowed"]


def may(operation: Operation, asked: Asked, by: Caller) -> bool:
    """Whether `refuse_unless_allowed` has nothing to say."""
    return (
        by.may(RIGHTS[operation.group])
        and (not _personal(operation, asked) or by.may(Right.PERSONAL_DATA))
        and operation.scope is None
        and operation.name != _OURS
        and not _unknown_elements(operation, asked)
    )


def refuse_unless_allowed(
    operation: Operation, asked: Asked, by: Caller, *, restricted: bool = False
) -> None:
    """``restricted``: it is to be made with a restricted data token, whatever the operation is.
    Raises NotAllowed, and InvalidInput for data elements that the operation does not have."""
    if operation.name == _OURS:
        # Its answer is a token of Amazon's, and none of those leaves the house.
        raise NotAllowed(
            "Evergrant makes restricted data tokens by itself; none leaves it.",
            hint="Call the operation that needs one, or name its data elements.",
        )
    right = RIGHTS[operation.group]
    if not by.may(right):
        raise NotAllowed(
            f"This key or operator may not call {operation.name}.",
            hint=f"It takes the right {right.value}.",
            facts={"operation": operation.name},
        )
    unknown = _unknown_elements(operation, asked)
    if unknown:
        raise InvalidInput(
            flaws=[
                Flaw(
                    f"{operation.name} has no {', '.join(unknown)[:200]}.",
                    field="data_elements",
                    code="unknown",
                    hint=f"It has {', '.join(operation.data_elements)}.",
                )
            ]
        )
    if (restricted or _personal(operation, asked)) and not by.may(Right.PERSONAL_DATA):
        told = f"{operation.name} answers with personal data"
        hint = f"It takes the right {Right.PERSONAL_DATA.value}."
        if not operation.template:
            told = "Evergrant knows no operation of this path, and it may answer with personal data"
            hint = f"Check the path. As it stands, it takes the right {Right.PERSONAL_DATA.value}."
        raise NotAllowed(
            f"{told}, which this key or operator may not have.",
            hint=hint,
            facts={"operation": operation.name},
        )
    if operation.scope is not None:
        _refuse_unless_unbound(operation, by)


def needs_restricted(operation: Operation, asked: Asked) -> bool:
    """Whether the call takes a restricted data token from the start. Of documents only the caller
    knows which need one, and says so by naming one; else it takes a second try. Data elements that
    are named for any other operation that has none mean nothing, as at Amazon."""
    if operation.personal is Personal.RESTRICTED:
        return True
    if operation.personal is Personal.CONTENT:
        return asked.data_elements is not None
    return operation.personal is Personal.ELEMENTS and bool(asked.data_elements)


def _unknown_elements(operation: Operation, asked: Asked) -> list[str]:
    known = operation.data_elements
    return sorted(asked.data_elements.difference(known)) if asked.data_elements and known else []


def _personal(operation: Operation, asked: Asked) -> bool:
    if operation.personal is Personal.NEVER:
        return False
    return needs_restricted(operation, asked) or personal_data.asked(operation, asked.query)


def _refuse_unless_unbound(operation: Operation, by: Caller) -> None:
    """A grantless operation speaks for the application, and so for every tenant."""
    if by.client_instance_id is not None or by.account_ids is not None:
        raise NotAllowed(
            f"{operation.name} concerns all accounts of the application, and this key is bound to "
            "some of them.",
            hint="Use a key that is bound to no client instance and to no accounts.",
            facts={"operation": operation.name},
        )
    if operation.scope == ROTATION_SCOPE and not by.may(Right.MANAGE):
        raise NotAllowed(
            f"This key or operator may not call {operation.name}.",
            hint=f"It takes the right {Right.MANAGE.value}.",
            facts={"operation": operation.name},
        )
