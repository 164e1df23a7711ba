"""Carrying changes out: at most once under a caller's key, to the end once begun, the answer checked."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from msgspec.structs import replace

from gateway.errors import GatewayError, Origin, Outcome, SourceInvalidResponse, SourceNotConfigured
from gateway.users.changes import Change, Icon
from gateway.users.idempotency import Once, from_bytes, is_refusal, new_key, source_key, to_bytes
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.reference import ReferenceData
from gateway.users.source import Creates, Source, Sources

__all__ = ["Command", "Mutations", "Publish"]

Publish = Callable[[UserChange, User], None]
"""Tells the world what happened to a user."""

_LOG = logging.getLogger("gateway.users")


@dataclass(frozen=True, slots=True)
class Command:
    """One change to carry out: the mutation's name, its target (None for a new user), and the caller's key.

    `principal` is the caller's identity: two callers may use the same key.
    """

    name: str
    change: Change
    target: Ref | None = None
    key: str | None = None
    on_replay: Callable[[], None] | None = None
    principal: str = ""

    def source_key(self) -> str:
        """The key that the source is sent: another each time where the caller gave none."""
        return source_key(self.key, self.name, self.target, self.principal) if self.key else new_key()

    def scope(self, key: str) -> tuple[str, ...]:
        """What the answer is kept under."""
        target = self.target
        caller = (self.principal,) if self.principal else ()
        return (*caller, self.name, *((target.source, target.tenant, target.source_id) if target else ()), key)

    def fingerprint(self) -> str:
        """What tells one payload from another: the given fields in one order, a picture by its content."""
        given = orjson.dumps(self.change.given(), default=_plain, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(given).hexdigest()


class Mutations:
    """Changes of users in the systems that they live in.

    `once` keeps the answers of changes that have a caller's key; without it only the account system's
    own memory stands between a repeated change and its effect. `on_change` hears of every change that may
    have been carried out, `publish` of each that was, once: an answer given again is no change.
    """

    def __init__(
        self,
        sources: Sources,
        reference: ReferenceData,
        once: Once | None = None,
        *,
        on_change: Callable[[], None] = lambda: None,
        publish: Publish | None = None,
    ) -> None:
        self._sources = sources
        self._on_change = on_change
        self._publish = publish
        self._reference = reference
        self._once = once
        self._under_way: set[asyncio.Task[User]] = set()

    async def carry_out(self, command: Command) -> User:
        """The user as it is after the change.

        A caller that goes away does not stop a change that may have been sent: it is finished, and its
        answer is there for who asks again under the key.
        """
        task = asyncio.get_running_loop().create_task(self._kept(command))
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the changes under way whose callers have gone."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _kept(self, command: Command) -> User:
        if command.key is None or self._once is None:
            return await self._run(command)

        async def answer() -> bytes:
            try:
                return to_bytes(await self._run(command))
            except GatewayError as error:
                if not is_refusal(error):
                    raise
                return to_bytes(error)

        kept, replayed = await self._once(command.scope(command.key), command.fingerprint(), answer)
        if replayed and command.on_replay is not None:
            command.on_replay()
        result = from_bytes(kept)
        if isinstance(result, GatewayError):
            raise result
        return result

    async def _run(self, command: Command) -> User:
        try:
            user = await self._sent(command)
        finally:
            self._on_change()
        self._tell(UserChange.CREATED if command.target is None else UserChange.UPDATED, user)
        return user

    def _tell(self, change: UserChange, user: User) -> None:
        if self._publish is None:
            return
        try:
            self._publish(change, user)
        except Exception:  # noqa: BLE001 - carried out: that nobody heard of it must not make it look otherwise
            _LOG.exception("the change of a user of %s could not be published", user.source)

    async def _sent(self, command: Command) -> User:
        if command.target is None:
            source = self._sources.named(UserSource.ACCOUNT)
            if not isinstance(source, Creates):  # pragma: no cover - the registry's account source does
                raise SourceNotConfigured("Users cannot be created in the account system here.")
            user = await source.create_user(command.change, command.source_key())
        else:
            system = self._sources.named(command.target.source)
            answer = await system.update_user(command.target, command.change, command.source_key())
            now = _named_now(command.target, command.change)
            user = _confirmed(answer or await _read_back(system, now), command.target, now)
        # Assigning a role may make the source create it (account: a sales rep's role is made one of its own).
        if "role_id" in command.change.model_fields_set:
            self._reference.drop(UserSource.ACCOUNT, Kind.ROLE)
        return user

    def _forget(self, task: asyncio.Task[User]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # its caller was told, if there still was one


async def _read_back(system: Source, ref: Ref) -> User:
    """The user after a change that its system says to have carried out and no more: unknown it is not."""
    try:
        user = await system.fetch_user(ref, EVERYTHING.of(Kind.USER))
    except GatewayError as error:
        raise _untold(ref) from error
    if user is None:
        raise _untold(ref)
    return user


def _untold(ref: Ref) -> SourceInvalidResponse:
    return SourceInvalidResponse(
        f"The {ref.source} system did not tell what the user is like after the change.",
        origin=Origin(source=ref.source),
        outcome=Outcome.UNKNOWN,
    )


def _named_now(ref: Ref, change: Change) -> Ref:
    """The reference that is good after the change: the Marketplace takes an e-mail for an id, and that may change."""
    email = change.given().get("email")
    return replace(ref, source_id=email) if email and "@" in ref.source_id else ref


def _confirmed(user: User, ref: Ref, now: Ref) -> User:
    """The user, if it is the one that was to be changed, as it was named or as it is now.

    In any case of letters: GUIDs are written in both, and so are e-mails.
    """
    names = {user.source_id.casefold(), (user.email or "").casefold()}
    if names & {ref.source_id.casefold(), now.source_id.casefold()}:
        return user
    raise SourceInvalidResponse(
        f"The {ref.source} system answered with another user than the one to be changed.",
        origin=Origin(source=ref.source),
        outcome=Outcome.UNKNOWN,
    )


def _plain(value: object) -> object:
    if isinstance(value, Icon):
        return [value.content.digest, value.filename, value.content_type]
    if isinstance(value, Change):
        return value.given()
    raise TypeError
