"""Executes changes: at most once under a caller's key, to the end once started, and with a check of the response."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from msgspec.structs import replace

from gateway.errors import GatewayError, Origin, Outcome, SourceInvalidResponse, SourceNotConfigured
from gateway.users.changes import Change, Icon
from gateway.users.idempotency import ExecuteOnce, from_bytes, is_final, random_key, source_key, to_bytes
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.reference import ReferenceData
from gateway.users.source import CreatingSource, Source, Sources

__all__ = ["Command", "Mutations", "Publish", "RequirePublishable"]

Publish = Callable[[UserChange, User], Awaitable[None]]
"""Publishes the event of a change, and waits a moment until it cannot be lost with this process."""

RequirePublishable = Callable[[], Awaitable[None]]
"""Raises SourceUnavailable if an event could not be published now."""

_LOG = logging.getLogger("gateway.users")


@dataclass(frozen=True, slots=True)
class Command:
    """One change to execute: the mutation's name, its target (None for a new user) and the caller's key.

    `on_replay` is called if the result is a replay. `principal` is the identity of the caller: two callers may use the
    same key.
    """

    name: str
    change: Change
    target: Ref | None = None
    key: str | None = None
    on_replay: Callable[[], None] | None = None
    principal: str = ""

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


class Mutations:
    """Executes changes of users in their sources.

    `execute_once` stores the results of changes that have a caller's key; without it, only the account API recognises
    a repeated key. `on_change` is called after every change that may have been executed. `publish` is called once for
    every change that was executed, and not for a replay. `require_publishable` is called before a change without a key:
    it would be executed although its event is lost. For one with a key `execute_once` fails before it is sent.
    """

    def __init__(
        self,
        sources: Sources,
        reference: ReferenceData,
        execute_once: ExecuteOnce | None = None,
        *,
        on_change: Callable[[], None] = lambda: None,
        publish: Publish | None = None,
        require_publishable: RequirePublishable | None = None,
    ) -> None:
        self._sources = sources
        self._on_change = on_change
        self._publish = publish
        self._require_publishable = require_publishable
        self._reference = reference
        self._execute_once = execute_once
        self._tasks: set[asyncio.Task[User]] = set()

    async def execute(self, command: Command) -> User:
        """Execute a change and return the user after it.

        If the caller goes away, a change that may have been sent is not cancelled: it is completed, and its result is
        stored for the next request with the same key.
        """
        if self._require_publishable is not None and (command.key is None or self._execute_once is None):
            await self._require_publishable()
        task = asyncio.get_running_loop().create_task(self._execute_or_replay(command))
        self._tasks.add(task)
        task.add_done_callback(self._discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the changes under way, also those whose callers have gone away."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _execute_or_replay(self, command: Command) -> User:
        if command.key is None or self._execute_once is None:
            return await self._execute(command)

        async def execute() -> bytes:
            try:
                return to_bytes(await self._execute(command))
            except GatewayError as error:
                if not is_final(error):
                    raise
                return to_bytes(error)

        stored, replayed = await self._execute_once(command.scope(command.key), command.fingerprint(), execute)
        if replayed and command.on_replay is not None:
            command.on_replay()
        result = from_bytes(stored)
        if isinstance(result, GatewayError):
            raise result
        return result

    async def _execute(self, command: Command) -> User:
        try:
            user = await self._call_source(command)
        finally:
            self._on_change()
        await self._publish_event(UserChange.CREATED if command.target is None else UserChange.UPDATED, user)
        return user

    async def _publish_event(self, change: UserChange, user: User) -> None:
        if self._publish is None:
            return
        try:
            await self._publish(change, user)
        except Exception:  # noqa: BLE001 - the change was executed: an unpublished event must not make it a failure
            _LOG.exception("the event of a change in the %s source could not be published", user.source)

    async def _call_source(self, command: Command) -> User:
        if command.target is None:
            creating = self._sources.named(UserSource.ACCOUNT)
            if not isinstance(creating, CreatingSource):  # pragma: no cover - the configured account source is one
                raise SourceNotConfigured("The account source cannot create users.")
            user = await creating.create_user(command.change, command.source_key())
        else:
            source = self._sources.named(command.target.source)
            updated = await source.update_user(command.target, command.change, command.source_key())
            new_ref = _ref_after(command.target, command.change)
            user = _check_identity(updated or await _read_back(source, new_ref), command.target, new_ref)
        # Assigning a role may make the source create one: in the account source, a role of type `sales_rep`.
        if "role_id" in command.change.model_fields_set:
            self._reference.drop(UserSource.ACCOUNT, Kind.ROLE)
        return user

    def _discard(self, task: asyncio.Task[User]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the caller got it, if still there; asyncio must not log it as never retrieved


async def _read_back(source: Source, ref: Ref) -> User:
    """Return the user after a change that its source confirmed without a body.

    A failure here is no failure of the change, so its error has an unknown outcome.
    """
    try:
        user = await source.fetch_user(ref, EVERYTHING.of(Kind.USER))
    except GatewayError as error:
        raise _no_user_returned(ref) from error
    if user is None:
        raise _no_user_returned(ref)
    return user


def _no_user_returned(ref: Ref) -> SourceInvalidResponse:
    return SourceInvalidResponse(
        f"The {ref.source} source did not return the user after the change.",
        origin=Origin(source=ref.source),
        outcome=Outcome.UNKNOWN,
    )


def _ref_after(ref: Ref, change: Change) -> Ref:
    """Return the reference after the change: SoftwareOne accepts an e-mail address as an id, and that may change."""
    email = change.given().get("email")
    return replace(ref, source_id=email) if email and "@" in ref.source_id else ref


def _check_identity(user: User, ref: Ref, new_ref: Ref) -> User:
    """Return the user if it is the target, by its reference before or after the change.

    Ids are compared without case: GUIDs are written in both cases, and so are e-mail addresses.

    Raises:
        SourceInvalidResponse: it is another user, so the outcome is unknown.
    """
    ids = {user.source_id.casefold(), (user.email or "").casefold()}
    if ids & {ref.source_id.casefold(), new_ref.source_id.casefold()}:
        return user
    raise SourceInvalidResponse(
        f"The {ref.source} source returned another user than the one to be changed.",
        origin=Origin(source=ref.source),
        outcome=Outcome.UNKNOWN,
    )


def _to_json(value: object) -> object:
    if isinstance(value, Icon):
        return [value.content.digest, value.filename, value.content_type]
    if isinstance(value, Change):
        return value.given()
    raise TypeError
