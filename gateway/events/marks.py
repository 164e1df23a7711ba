"""By what a change is known when it is told again.

Who changes a user through this gateway tells of it; then its system does, by a webhook or when it is asked: the
same user, changed at the same time. A system's answer to a change may leave out when that was; then what the user
is like has to do, but only against what was told of that user last: between two equal states may be another one.
"""

import secrets
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from msgspec.structs import asdict

from gateway.users.ids import ref_of
from gateway.users.model import User, UserChange

__all__ = ["Marks", "marks_of"]

# Not among them: what a system may leave out, or what changes without anybody changing the user.
_PLAIN = (
    "name",
    "first_name",
    "last_name",
    "email",
    "username",
    "image_url",
    "phone",
    "source_status",
    "company",
    "settings",
    "two_factor_enabled",
    "google_sso_enabled",
)
_LINKED = ("role", "department", "organization", "current_account")


@dataclass(frozen=True, slots=True)
class Marks:
    """What is said by every telling of one change, for comparing only.

    `once` is the change itself; `user` whom it is about and `content` what the user is then like; `dated`, whether
    the system said when it was.
    """

    once: str
    user: str
    content: str
    dated: bool


def marks_of(change: UserChange, user: User, name: str | None = None) -> Marks:
    """The marks of an event; `name` is what its teller calls it. Without name and time no other has its `once`."""
    ref = ref_of(user)
    who = [ref.source, ref.tenant.casefold(), ref.source_id.casefold()]
    linked = [getattr(record, "source_id", None) for record in (getattr(user, field) for field in _LINKED)]
    content = _digest(change is UserChange.DELETED, [getattr(user, field) for field in _PLAIN], linked)
    if user.updated_at is not None:
        once = _digest(change, who, user.updated_at, content)
    else:
        once = secrets.token_hex(16) if name is None else _digest(name)
    return Marks(once, _digest(who), content, dated=user.updated_at is not None)


def _digest(*parts: Any) -> str:
    return blake2b(orjson.dumps(parts, default=asdict), digest_size=16).hexdigest()
