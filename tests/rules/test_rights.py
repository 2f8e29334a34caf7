from __future__ import annotations

import pytest

from evergrant.rules.faults import Fault
from evergrant.rules.rights import (
    CONTAINED,
    EVERYWHERE_ONLY,
    RIGHTS_OF_ROLE,
    SYSTEM,
    Caller,
    CallerKind,
    Right,
    Role,
    check_rights,
    command_line,
    idle_rights,
    partner,
)


def test_every_role_may_read_and_only_admins_manage() -> None:
    assert set(RIGHTS_OF_ROLE) == set(Role)
    assert all(Right.READ in rights for rights in RIGHTS_OF_ROLE.values())
    assert [role for role, rights in RIGHTS_OF_ROLE.items() if Right.MANAGE in rights] == [
        Role.ADMIN
    ]
    auditor = Caller(kind=CallerKind.OPERATOR, rights=RIGHTS_OF_ROLE[Role.AUDITOR])
    changing = (Right.WRITE, Right.MANAGE, Right.AMAZON_WRITE, Right.SIGN_OFF)
    asking_amazon = (Right.AMAZON_READ, Right.ACCESS_TOKENS)
    assert not [right for right in (*changing, *asking_amazon) if auditor.may(right)]


def test_the_table_of_roles() -> None:
    """Written out once more: whoever changes a role says so twice."""
    own = {
        role: {right for right in Right if Caller(kind=CallerKind.OPERATOR, rights=held).may(right)}
        for role, held in RIGHTS_OF_ROLE.items()
    }
    everybody = {Right.READ, Right.ORDERS}
    lead = {Right.WRITE, Right.AMAZON_READ, Right.AMAZON_WRITE, Right.SIGN_OFF, Right.AUDIT}
    assert own == {
        Role.ADMIN: set(Right),
        Role.TEAM_LEAD: everybody | lead,
        Role.SUPPORT: everybody | {Right.WRITE},
        Role.AUDITOR: everybody | {Right.AUDIT},
    }


@pytest.mark.parametrize(("part", "whole"), CONTAINED.items())
def test_who_held_the_whole_right_holds_its_parts(part: Right, whole: Right) -> None:
    assert Caller(kind=CallerKind.API_KEY, rights=frozenset({whole})).may(part)
    assert not Caller(kind=CallerKind.API_KEY, rights=frozenset({part})).may(whole)
    assert not Caller(kind=CallerKind.API_KEY, rights=frozenset(Right) - {part, whole}).may(part)


def test_a_bound_caller_reaches_its_own_instance_alone() -> None:
    bound = Caller(kind=CallerKind.API_KEY, id="key_1", client_instance_id="ins_1")
    assert bound.reaches("ins_1")
    assert not bound.reaches("ins_2")
    assert not bound.reaches(None)
    assert SYSTEM.reaches("ins_1")
    assert SYSTEM.reaches(None)


def test_a_caller_of_certain_accounts_reaches_these_alone() -> None:
    bound = Caller(kind=CallerKind.API_KEY, account_ids=frozenset({"acc_1"}))
    assert bound.reaches_account("acc_1", "ins_1")
    assert not bound.reaches_account("acc_2", "ins_1")
    assert not bound.reaches("ins_1")
    assert not bound.reaches(None)
    both = Caller(
        kind=CallerKind.API_KEY, account_ids=frozenset({"acc_1"}), client_instance_id="ins_1"
    )
    assert both.reaches_account("acc_1", "ins_1")
    assert not both.reaches_account("acc_1", "ins_2"), "the account moved to another instance"
    nowhere = Caller(kind=CallerKind.API_KEY, account_ids=frozenset())
    assert not nowhere.reaches_account("acc_1", "ins_1")
    instance = Caller(kind=CallerKind.API_KEY, client_instance_id="ins_1")
    assert instance.reaches_account("acc_7", "ins_1")
    assert not instance.reaches_account("acc_7", "ins_2")


def test_whom_the_rights_of_the_gateway_are_given_to() -> None:
    having = {
        right: {role for role, rights in RIGHTS_OF_ROLE.items() if right in rights}
        for right in Right
    }
    assert having[Right.AMAZON_READ] == {Role.ADMIN, Role.TEAM_LEAD} == having[Right.AMAZON_WRITE]
    assert having[Right.PERSONAL_DATA] == {Role.ADMIN}
    assert having[Right.DATA_PLANE] == {Role.ADMIN}, "to give it to nginx"
    assert having[Right.ACCESS_TOKENS] == {Role.ADMIN}, "to give it to keys"
    everywhere = {Right.MANAGE, Right.DATA_PLANE, Right.SIGN_OFF, Right.AUDIT}
    assert everywhere == EVERYWHERE_ONLY


def test_personal_data_alone_opens_nothing() -> None:
    alone = frozenset({Right.PERSONAL_DATA, Right.ACCESS_TOKENS})
    assert list(idle_rights(alone)) == [Right.PERSONAL_DATA]
    for right in (Right.AMAZON_READ, Right.AMAZON_WRITE, Right.ORDERS):
        assert not idle_rights(alone | {right})
    assert not idle_rights(frozenset(Right) - {Right.PERSONAL_DATA})


def test_a_partner_may_nothing() -> None:
    assert not [right for right in Right if partner().may(right)]


def test_callers_as_the_journal_writes_them() -> None:
    assert str(SYSTEM) == "system"
    assert str(command_line("anna")) == "command_line:anna"
    assert str(Caller(kind=CallerKind.API_KEY, id="key_1")) == "api_key:key_1"


def test_rights_by_their_names() -> None:
    assert check_rights(["read", "Access-Tokens"]) == {Right.READ, Right.ACCESS_TOKENS}


@pytest.mark.parametrize("names", [[], ["root"], ["read", "everything"]])
def test_unknown_rights_and_none_at_all_are_refused(names: list[str]) -> None:
    with pytest.raises(Fault) as caught:
        check_rights(names)
    assert all(right.value in (caught.value.hint or "") for right in Right)
