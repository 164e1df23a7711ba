"""The people of the sandbox: the same at every start, some of them in two or three APIs.

Landmarks are the first people of each API and have stable ids, whatever `users` is:

| person | account | softwareone | reseller |
|---|---|---|---|
| Ada Lovelace, in all three | acus_adalovelace1 (admin) | USR-0000-0001 | 00000000-…-000000000001 |
| Grace Hopper, in two | acus_gracehopper1 (role without permissions) | USR-0000-0002 | - |
| Alan Turing | acus_lockedperson (disabled) | USR-0000-0004 (Blocked) | - |
| Rosalind Franklin | acus_removeduser1 (removed) | - | - |
| Edsger Dijkstra | acus_plainperson1 (no role, no department) | - | - |
| packing-line-1, no e-mail | acus_scanstation1 (scanner) | - | - |
| Margaret Hamilton | us_unlinkeduser (a user of the platform, not of the account) | - | - |
| Katherine Johnson | - | USR-0000-0003 (Invited, no phone, no login) | - |
| Barbara Liskov | - | USR-0000-0005 (Disabled, no accounts) | - |
| Hedy Lamarr | - | - | 00000000-…-000000000002 (no organization) |
| Radia Perlman | - | - | 00000000-…-000000000003 (organization-admin) |
"""

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.sandbox.clock import SECOND

__all__ = ["LANDMARKS", "SeededPerson", "created_at", "generate_people", "stable_code"]

LANDMARKS = {
    "account": {
        "ada": "acus_adalovelace1",
        "grace": "acus_gracehopper1",
        "disabled": "acus_lockedperson",
        "removed": "acus_removeduser1",
        "plain": "acus_plainperson1",
        "scanner": "acus_scanstation1",
    },
    "softwareone": {
        "ada": "USR-0000-0001",
        "grace": "USR-0000-0002",
        "invited": "USR-0000-0003",
        "blocked": "USR-0000-0004",
        "disabled": "USR-0000-0005",
    },
    "reseller": {
        "ada": "00000000-0000-4000-8000-000000000001",
        "withoutOrganization": "00000000-0000-4000-8000-000000000002",
        "organizationAdmin": "00000000-0000-4000-8000-000000000003",
    },
}
"""The ids of the landmarks, by source and nickname."""

_SOURCES = tuple(LANDMARKS)
_START = 1_767_258_000 * SECOND  # 2026-01-01T09:00:00Z
_SPAN = 300 * 86_400 * SECOND
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"

# The lengths of both lists have no common factor, so names repeat only after length x length people.
_FIRST_NAMES = (
    "Zoë Łukasz Amélie Mehmet Ingrid Tomás Yuki Priya Søren Chiara Björn Nia Mateus Aoife Dmitri Leïla "
    "Jürgen Ana Kwame Sigrún Rafał Thandiwe Hugo Mei Karim Noémie Andrés Fatima Oisín Hanna Vikram "
    "Katarína João Elif Piotr Sofía Emeka Astrid Luca Nour Håkan Magdalena Ravi Eszter Omar Beatriz Kenji "
    "Freya"
)
_LAST_NAMES = (
    "Müller Kowalski Dubois Y\u0131lmaz Nørgaard García Tanaka Sharma O'Brien Rossi Lindström Okafor "
    "Silva Ní-Bhriain Ivanov Haddad Weiß Novák Mensah Jónsdóttir Wiśniewska Dlamini Martínez Chen Benali "
    "Lefèvre Núñez Khan Murphy Virtanen Patel Horváth Sousa Demir Nowak Fernández Adeyemi Berg Bianchi "
    "Åkesson Zając Suzuki d'Angelo Ferreira Petrov Szabó Larsen"
)
_FIRST, _LAST = _FIRST_NAMES.split(), _LAST_NAMES.split()
_TRANSLITERATION = str.maketrans(
    {
        "ł": "l",
        "Ł": "L",
        "ø": "o",
        "Ø": "O",
        "ß": "ss",
        "\u0131": "i",
        "'": "",
        "æ": "ae",
        "ð": "d",
        "þ": "th",
    }
)


@dataclass(frozen=True, slots=True)
class SeededPerson:
    """A generated person; `number` counts within one API, `created` is in microseconds since 1970."""

    number: int
    first: str
    last: str
    email: str
    created: int

    @property
    def name(self) -> str:
        """The full name."""
        return f"{self.first} {self.last}"


def generate_people(source: str, first: int, count: int) -> Iterator[SeededPerson]:
    """Yield the people with the numbers `first` to `count - 1` of one API.

    Every tenth exists in all three APIs and every fifth in account and softwareone, with the same e-mail address;
    all others exist in one API only.
    """
    offset = _SOURCES.index(source)
    for number in range(first, count):
        shared = number % 10 == 0 or (number % 5 == 0 and source != "reseller")
        name_index = number * len(_SOURCES) + (0 if shared else offset)
        given, family = _FIRST[name_index % len(_FIRST)], _LAST[name_index % len(_LAST)]
        repetition = name_index // (len(_FIRST) * len(_LAST))
        mailbox = _to_ascii(f"{given}.{family}{repetition or ''}")
        yield SeededPerson(number, given, family, f"{mailbox}@example.com", created_at(source, number, count))


def created_at(source: str, number: int, count: int) -> int:
    """Return when a person was created: spread over 300 days, newest last, the three APIs alternating."""
    slots = max(count, 1) * len(_SOURCES)
    slot = number * len(_SOURCES) + _SOURCES.index(source)
    return _START + _SPAN * slot // slots


def stable_code(kind: str, number: int) -> str:
    """Return twelve characters of [0-9a-z] that look random and are the same for the same arguments."""
    rest = int.from_bytes(hashlib.blake2b(f"{kind}{number}".encode(), digest_size=8).digest())
    letters = []
    for _ in range(12):
        rest, digit = divmod(rest, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return "".join(letters)


def _to_ascii(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.translate(_TRANSLITERATION))
    return folded.encode("ascii", "ignore").decode().lower()
