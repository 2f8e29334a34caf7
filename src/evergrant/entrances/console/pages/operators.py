"""Operators: the people of the house who work here, and how they come in.

Answers for: inviting them, their roles, letting them in again, and ending their sessions. Does not
answer for: what a person does with the own account (`me`).
"""

from __future__ import annotations

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import Conflict, InvalidInput
from evergrant.rules.rights import RIGHTS_OF_ROLE, Right, Role
from evergrant.rules.secrecy import Secret

__all__ = ["DOORS", "ROLES"]

#: For people who choose one.
ROLES = (
    (Role.SUPPORT, "Support", "connects accounts, sends links, answers questions"),
    (Role.TEAM_LEAD, "Team lead", "also changes things at Amazon and signs off"),
    (Role.AUDITOR, "Auditor", "sees everything that is written down, changes nothing"),
    (Role.ADMIN, "Admin", "everything: applications, secrets, keys, people"),
)
_PAGE = 200


async def operators(asked: Asked) -> Response:
    people = await asked.desk.people.operators(
        by=asked.caller, after=asked.query.get("after") or None, limit=_PAGE
    )
    invitations = await asked.desk.sessions.invitations(by=asked.caller)
    return asked.page(
        "operators/list.html",
        people=people,
        locked=await asked.desk.sessions.locked(by=asked.caller),
        further=people[-1].id if len(people) == _PAGE else None,
        invitations=[one for one in invitations if one.is_open(asked.now)],
        roles=ROLES,
        rights_of_role=RIGHTS_OF_ROLE,
    )


async def invite_form(asked: Asked) -> Response:
    return asked.page("operators/invite.html", roles=ROLES)


async def invite(asked: Asked) -> Response:
    try:
        invitation = await asked.desk.sessions.invite_operator(
            name=asked.form.get("name", ""),
            email=asked.form.get("email", ""),
            role=asked.form.get("role", ""),
            by=asked.caller,
        )
    except (InvalidInput, Conflict) as refused:
        return asked.flawed("operators/invite.html", refused, roles=ROLES)
    said = f"A letter with a link is on its way to {invitation.email}. It works for some days."
    return asked.back("/console/operators", said)


async def show_invitation_link(asked: Asked) -> Response:
    """On a page of its own, for somebody who hands it over by other means than mail."""
    shown = await asked.desk.sessions.invitation_link(asked.path["invitation_id"], by=asked.caller)
    return asked.page("operators/link.html", invitation=shown.invitation, link=shown.link.reveal())


async def withdraw_invitation(asked: Asked) -> Response:
    await asked.desk.sessions.withdraw_invitation(asked.path["invitation_id"], by=asked.caller)
    return asked.back("/console/operators", "The invitation is withdrawn; its link is dead.")


async def operator(asked: Asked) -> Response:
    person = await asked.desk.people.find_operator(asked.path["operator_id"], by=asked.caller)
    sessions = await asked.desk.sessions.sessions(by=asked.caller, operator_id=person.id)
    locked = await asked.desk.sessions.locked(by=asked.caller)
    return asked.page(
        "operators/one.html",
        person=person,
        locked_until=locked.get(person.id),
        sessions=[one for one in sessions if one.ended_at is None and asked.now < one.ends_at],
        roles=ROLES,
    )


def _back_to(asked: Asked, said: str) -> Response:
    return asked.back(f"/console/operators/{asked.path['operator_id']}", said)


async def change_role(asked: Asked) -> Response:
    person = await asked.desk.sessions.change_role(
        asked.path["operator_id"], asked.form.get("role", ""), by=asked.caller
    )
    role = person.role.value.replace("_", " ")
    return _back_to(asked, f"{person.name} is {role} now, in open windows too.")


async def disable(asked: Asked) -> Response:
    person = await asked.desk.people.disable_operator(asked.path["operator_id"], by=asked.caller)
    await asked.desk.sessions.revoke_all(person.id, by=asked.caller)
    return _back_to(asked, f"{person.name} comes in no more, and is signed out everywhere.")


async def enable(asked: Asked) -> Response:
    person = await asked.desk.sessions.enable(asked.path["operator_id"], by=asked.caller)
    return _back_to(asked, f"{person.name} may come in again.")


async def unlock(asked: Asked) -> Response:
    await asked.desk.sessions.unlock(asked.path["operator_id"], by=asked.caller)
    return _back_to(asked, "Signing in is unlocked.")


async def set_password(asked: Asked) -> Response:
    """For somebody who forgot it; whoever has the house at the phone reads it out."""
    try:
        await asked.desk.people.set_password(
            asked.path["operator_id"], Secret(asked.form.get("password", "")), by=asked.caller
        )
    except InvalidInput as refused:
        return asked.back(f"/console/operators/{asked.path['operator_id']}", str(refused), "bad")
    return _back_to(asked, "The new password is set; they are signed out everywhere.")


async def remove_second_factor(asked: Asked) -> Response:
    await asked.desk.sessions.remove_second_factor(asked.path["operator_id"], by=asked.caller)
    return _back_to(asked, "The second factor is gone; the next sign-in sets up a new one.")


async def unbind_single_sign_on(asked: Asked) -> Response:
    try:
        await asked.desk.sessions.unbind_single_sign_on(asked.path["operator_id"], by=asked.caller)
    except Conflict as refused:
        said = f"{refused.message} {refused.hint or ''}".strip()
        return asked.back(f"/console/operators/{asked.path['operator_id']}", said, "bad")
    return _back_to(asked, "Single sign-on lets nobody in as this person any more.")


async def end_sessions(asked: Asked) -> Response:
    await asked.desk.sessions.revoke_all(asked.path["operator_id"], by=asked.caller)
    return _back_to(asked, "Signed out everywhere.")


_ONE = "/console/operators/{operator_id}"
DOORS = (
    Door("GET", "/console/operators", operators, Right.AUDIT),
    Door("GET", "/console/operators/invite", invite_form, Right.MANAGE),
    Door("POST", "/console/operators/invite", invite, Right.MANAGE),
    Door(
        "POST",
        "/console/operators/invitations/{invitation_id}/withdraw",
        withdraw_invitation,
        Right.MANAGE,
    ),
    Door(
        "POST",
        "/console/operators/invitations/{invitation_id}/link",
        show_invitation_link,
        Right.MANAGE,
    ),
    Door("GET", _ONE, operator, Right.AUDIT),
    Door("POST", f"{_ONE}/role", change_role, Right.MANAGE),
    Door("POST", f"{_ONE}/disable", disable, Right.MANAGE),
    Door("POST", f"{_ONE}/enable", enable, Right.MANAGE),
    Door("POST", f"{_ONE}/unlock", unlock, Right.MANAGE),
    Door("POST", f"{_ONE}/password", set_password, Right.MANAGE),
    Door("POST", f"{_ONE}/second-factor/remove", remove_second_factor, Right.MANAGE),
    Door("POST", f"{_ONE}/single-sign-on/remove", unbind_single_sign_on, Right.MANAGE),
    Door("POST", f"{_ONE}/sign-out", end_sessions, Right.MANAGE),
)
