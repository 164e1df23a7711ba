"""Commands: changes to execute, with the keys that they are recognised by."""

import hashlib
from collections.abc import Callable

import msgspec
import orjson

from gateway.users.changes import Change
from gateway.users.icons import Icon
from gateway.users.idempotency import random_key, source_key
from gateway.users.ids import Ref
from gateway.users.model import UserSource

__all__ = ["Command"]


# One is created for each change: a dataclass would take several times as long.
class Command(msgspec.Struct, frozen=True):
    """One change to execute: the mutation's name, its target (None for a new user) and the caller's key.

    `on_replay` is called if the result is a replay. `principal` is the identity of the caller: two callers may use the
    same key. `caller` is the name by which the records of one caller are counted.
    """

    name: str
    change: Change
    target: Ref | None = None
    key: str | None = None
    on_replay: Callable[[], None] | None = None
    principal: str = ""
    caller: str = ""

    @property
    def source(self) -> UserSource:
        """The source of the user: new users are created in the account source."""
        return UserSource.ACCOUNT if self.target is None else self.target.source

    def source_key(self) -> str:
        """Return the key to send to the source, a random one each time if the caller gave none."""
        return source_key(self.key, self.name, self.target, self.principal) if self.key else random_key()

    def scope(self, key: str) -> tuple[str, ...]:
        """Return the parts of the name that the result is stored under."""
        target = self.target
        caller = (self.principal,) if self.principal else ()
        return (*caller, self.name, *((target.source, target.tenant, target.source_id) if target else ()), key)

    def fingerprint(self) -> str:
        """Return the hash of the payload: the given fields in sorted order, an icon by the hash of its content."""
        payload = orjson.dumps(self.change.given(), default=_to_json, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(payload).hexdigest()


def _to_json(value: object) -> object:
    if isinstance(value, Icon):
        return [value.content.digest, value.filename, value.content_type]
    if isinstance(value, Change):
        return value.given()
    raise TypeError
