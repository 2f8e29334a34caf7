"""Lets one system user, and nobody else, walk through folders that are closed to others.

Answers for: POSIX access lists of folders, as Linux keeps them in an extended attribute. Does not
answer for: reading or listing a folder; walking through is all that is given.
"""

from __future__ import annotations

import logging
import os
import pwd
import stat
import struct
from pathlib import Path

from evergrant.adapters.embedded_postgres.machine import may

__all__ = ["let_pass"]

_logger = logging.getLogger(__name__)

# acl(5) and the kernel's include/uapi/linux/posix_acl_xattr.h
_ATTRIBUTE = "system.posix_acl_access"
_VERSION = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_NOBODY = 0xFFFFFFFF
_OWNER, _USER, _GROUP, _MASK, _OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
_WALK = 0o1

_List = dict[tuple[int, int], int]


def let_pass(user: pwd.struct_passwd, folder: Path) -> bool:
    """Whether ``user`` can enter ``folder``, after giving it the way there where it was missing.
    False where the file system keeps no access lists."""
    if may(user, "-x", folder):  # and with it all folders above
        return True
    for place in (*reversed(folder.parents), folder):
        if may(user, "-x", place):
            continue
        try:
            _let_through(user.pw_uid, place)
        except (OSError, AttributeError):  # no lists here, or no such thing on this system
            return False
        _logger.info("The system user %s may now walk through %s.", user.pw_name, place)
    return may(user, "-x", folder)


def _let_through(uid: int, folder: Path) -> None:
    entries = _read(folder)
    mask = entries.get((_MASK, _NOBODY), entries[_GROUP, _NOBODY])
    # The mask bounds the others. Before it is widened they keep what they have, and no more.
    for entry in entries:
        if entry[0] not in (_OWNER, _OTHERS):
            entries[entry] &= mask
    entries[_MASK, _NOBODY] = mask | _WALK
    entries[_USER, uid] = entries.get((_USER, uid), 0) | _WALK
    packed = (_ENTRY.pack(tag, right, who) for (tag, who), right in sorted(entries.items()))
    os.setxattr(folder, _ATTRIBUTE, _VERSION.pack(2) + b"".join(packed))


def _read(folder: Path) -> _List:
    try:
        raw = os.getxattr(folder, _ATTRIBUTE)
    except OSError:
        mode = stat.S_IMODE(folder.stat().st_mode)
        return {
            (_OWNER, _NOBODY): mode >> 6 & 0o7,
            (_GROUP, _NOBODY): mode >> 3 & 0o7,
            (_OTHERS, _NOBODY): mode & 0o7,
        }
    return {(tag, who): right for tag, right, who in _ENTRY.iter_unpack(raw[_VERSION.size :])}
