"""A mail pipe for tests: keeps what it is given."""

from __future__ import annotations

from evergrant.errors import NotDelivered
from evergrant.ports import Letter

__all__ = ["MemoryMail"]


class MemoryMail:
    """``ports.Mail`` in memory. ``letters`` is what went out, in order."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.refused: set[str] = set()
        self._failures: list[NotDelivered] = []

    def fail_next(self, *, permanent: bool = False, times: int = 1) -> None:
        """The next ``times`` attempts are refused."""
        for _ in range(times):
            self._failures.append(
                NotDelivered("The mail relay answered 451 try later", permanent=permanent)
            )

    def refuse(self, address: str) -> None:
        """That recipient is unknown from now on."""
        self.refused.add(address)

    async def send(self, letter: Letter) -> None:
        if self._failures:
            raise self._failures.pop(0)
        if _breaks(letter.to) or letter.to.count("@") != 1 or set(letter.to) & set(" ,;<>"):
            raise NotDelivered("The address of the letter is unusable.", permanent=True)
        if _breaks(letter.subject) or any(_breaks(value) for value in letter.headers.values()):
            raise NotDelivered("A header of the letter holds a line break.", permanent=True)
        if letter.to in self.refused:
            raise NotDelivered("The mail relay answered 550 no such user", permanent=True)
        self.letters.append(letter)

    async def ping(self) -> None:
        if self._failures:
            raise self._failures.pop(0)

    def to(self, address: str) -> list[Letter]:
        return [letter for letter in self.letters if letter.to == address]


def _breaks(text: str) -> bool:
    return any(char in text for char in "\r\n")
