from __future__ import annotations

import pytest

from evergrant.rules.faults import Fault
from evergrant.rules.rights import (
    RIGHTS_OF_ROLE,
    SYSTEM,
    Caller,
    CallerKind,
    Right,
    Role,
    check_rights,
    command_line,
    partner,
)


def test_every_role_may_read_and_only_admins_manage() -> None:
    assert set(RIGHTS_OF_ROLE) == set(Role)
    assert all(Right.READ in rights for rights in RIGHTS_OF_ROLE.values())
    assert [role for role, rights in RIGHTS_OF_ROLE.items() if Right.MANAGE in rights] == [
        Role.ADMIN
    ]
    assert RIGHTS_OF_ROLE[Role.AUDITOR] == {Right.READ}


def test_a_bound_caller_reaches_its_own_instance_alone() -> None:
    bound = Caller(kind=CallerKind.API_KEY, id="key_1", client_instance_id="ins_1")
    assert bound.reaches("ins_1")
    assert not bound.reaches("ins_2")
    assert not bound.reaches(None)
    assert SYSTEM.reaches("ins_1")
    assert SYSTEM.reaches(None)


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
    assert "access_tokens" in (caught.value.hint or "")
