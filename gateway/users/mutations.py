"""Executes changes: at most once under a caller's key, to the end once started, and with a check of the response."""

import asyncio
import copy
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import msgspec
import orjson

from gateway.calls import current_calls
from gateway.errors import (
    GatewayError,
    NotFound,
    Origin,
    Outcome,
    SourceInvalidResponse,
    SourceNotConfigured,
    SourceUnavailable,
)
from gateway.kit.execution import Execution
from gateway.kit.source_titles import titled
from gateway.kit.tasks import cancel_and_wait, is_cancelled
from gateway.operation import current_principal, shares_no_calls
from gateway.principal import Principal
from gateway.users.changes import Change, CreateAccountUser
from gateway.users.icons import Icon
from gateway.users.idempotency import ExecuteOnce, from_bytes, is_final, random_key, source_key, to_bytes
from gateway.users.identity import check_changed, check_created
from gateway.users.ids import Kind, Ref, encode
from gateway.users.kept_users import KeptUsers
from gateway.users.model import User, UserChange, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.reference import ReferenceData
from gateway.users.repetition import (
    ref_after,
    settle_before_sending,
    settle_refused_creation,
    settle_refused_update,
)
from gateway.users.source import CreatingSource, Source, Sources

__all__ = ["Command", "Mutations", "Publish", "ReportAltered", "RequirePublishable"]


class Publish(Protocol):
    """Publishes the event of a change, and waits a moment until it cannot be lost with this process."""

    def __call__(
        self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False
    ) -> Awaitable[None] | None:
        """Publish it; return None if nothing has to be awaited for that.

        `repeated`: it may have been published before, by another execution or for another change.
        """


RequirePublishable = Callable[[], Awaitable[None] | None]
"""Raises SourceUnavailable if an event could not be published now; None if nothing has to be awaited for that."""


class ReportAltered(Protocol):
    """Reports a user that may have been changed, and how is not known, to the other replicas."""

    async def __call__(self, target: Ref, *, is_gone: bool) -> None:
        """Report it; it does not raise. `is_gone`: its source has no user of that id, and has changed none."""


_LOG = logging.getLogger("gateway.users")
_UNKNOWN_OUTCOMES = logging.getLogger("gateway.changes")  # of which the log of the command line leaves no record out


class Command(
    msgspec.Struct, frozen=True
):  # one is created for each change: a dataclass would take several times as long
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
    a repeated key. `on_change` is called with its source after every change that may have been executed. `publish` is
    called once for every change that was executed, and not for a replay. `require_publishable` is called before a
    change without a key: it would be executed although its event is lost. For one with a key `execute_once` fails
    before it is sent. `report_altered` is called for one that may have been executed and has no result.
    """

    def __init__(
        self,
        sources: Sources,
        kept_users: KeptUsers,
        reference: ReferenceData,
        execute_once: ExecuteOnce | None = None,
        *,
        on_change: Callable[[UserSource], None] = lambda _: None,
        publish: Publish | None = None,
        require_publishable: RequirePublishable | None = None,
        report_altered: ReportAltered | None = None,
    ) -> None:
        self._sources = sources
        self._kept_users = kept_users
        self._on_change = on_change
        self._publish = publish
        self._require_publishable = require_publishable
        self._report_altered = report_altered
        self._reference = reference
        self._execute_once = execute_once
        self._tasks: dict[asyncio.Future[User], asyncio.Task[None]] = {}  # by what their callers await

    async def execute(self, command: Command, principal: Principal) -> User:
        """Execute a change on behalf of a principal, and return the user after it.

        If the caller goes away, a change that may have been sent is not cancelled: it is completed, and its result is
        stored for the next request with the same key.
        """
        if self._require_publishable is not None and (command.key is None or self._execute_once is None):
            checked = self._require_publishable()
            if checked is not None:
                await checked
        loop = asyncio.get_running_loop()
        # The caller awaits this future and not the task, which a cancellation of the caller would cancel.
        result: asyncio.Future[User] = loop.create_future()
        before = current_principal.set(principal)  # which the context of the task inherits
        try:
            task = loop.create_task(self._execute_for(command, result))
        finally:
            current_principal.reset(before)
        if not task.done():  # as it may be with an eager task factory of the embedding program
            self._tasks[result] = task
        try:
            return await result
        except asyncio.CancelledError:
            if task.cancelled() and not is_cancelled():
                raise _stopped(command) from None
            if not task.done() and (calls := current_calls.get()) is not None:
                calls.leave(task)
            raise

    async def drain(self) -> None:
        """Wait for the changes under way, also those whose callers have gone away.

        Where this is cancelled, because the process has to stop now, they are cancelled as well: without connections
        they could not go on.
        """
        if self._tasks:
            try:
                await asyncio.wait(self._tasks.values())
            except asyncio.CancelledError:
                await cancel_and_wait(*self._tasks.values())
                for waiting in self._tasks:  # of those that were cancelled before they began
                    waiting.cancel()
                raise

    async def _execute_for(self, command: Command, waiting: "asyncio.Future[User]") -> None:
        """Execute a change or find its result, and give it to the caller, if still there."""
        try:
            if command.key is None or self._execute_once is None:
                result = await self._execute(command, Execution())
            else:
                result = await self._execute_with_key(command, command.key, self._execute_once)
        except asyncio.CancelledError:
            waiting.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - the caller gets every exception
            if not waiting.done():
                waiting.set_exception(error)
        else:
            if waiting.done():
                pass
            elif isinstance(result, GatewayError):
                waiting.set_exception(result)
            else:
                waiting.set_result(result)
        finally:
            self._tasks.pop(waiting, None)

    async def _execute_with_key(self, command: Command, key: str, execute_once: ExecuteOnce) -> User | GatewayError:
        user: User | None = None

        async def execute(execution: Execution) -> bytes:
            nonlocal user
            result = await self._execute(command, execution)
            user = result if isinstance(result, User) else None
            return to_bytes(result)

        stored, replayed = await execute_once(
            command.scope(key), command.fingerprint(), execute, principal=command.caller
        )
        if replayed and command.on_replay is not None:
            command.on_replay()
        return from_bytes(stored) if replayed or user is None else user

    async def _execute(self, command: Command, execution: Execution) -> User | GatewayError:
        """Return the result of a change: the user after it, or a refusal that a repetition would get too.

        Raises:
            GatewayError: there is no result. Its outcome is unknown if an earlier execution is in doubt.
        """
        source = UserSource.ACCOUNT if command.target is None else command.target.source
        read = self._kept_users.begin_change(source, command.target)
        shares_no_calls.set(True)  # a read has to show whether the change was executed: in the task of this change
        user: User | None = None
        is_refused = is_gone = False
        try:
            result = await self._call_source(command, execution)
            user = result if isinstance(result, User) else None
        except GatewayError as error:
            if execution.doubtful_since is None and error.outcome is None:
                is_gone = isinstance(error, NotFound)  # that is a change, too
                is_refused = not is_gone
            if execution.doubtful_since is not None and error.outcome is None:
                # A copy: other operations may have got the same error, of a call that they had in common.
                doubtful = copy.copy(error)
                doubtful.outcome = Outcome.UNKNOWN
                _log_unknown_outcome(command, doubtful)
                raise doubtful from error
            if error.outcome is Outcome.UNKNOWN:
                _log_unknown_outcome(command, error)
            if not is_final(error):
                raise
            return error
        finally:
            if is_refused:  # what is kept stays: otherwise whoever may change users could empty it
                self._kept_users.end_refused_change(read)
            else:
                self._kept_users.end_change(read, command.target, user, is_gone=is_gone)
                self._on_change(source)
                if user is None and command.target is not None and self._report_altered is not None:
                    await self._report_altered(command.target, is_gone=is_gone)
        if user is not None:
            # Assigning a role may make the source create one: in the account source, a role of type `sales_rep`.
            if "role_id" in command.change.model_fields_set:
                self._reference.drop(UserSource.ACCOUNT, Kind.ROLE)
            # A user that was read may be as another change has left it, whose event is published already.
            repeated = execution.doubtful_since is not None or execution.confirmed
            await self._publish_event(command, user, repeated=repeated)
        return result

    async def _publish_event(self, command: Command, user: User, *, repeated: bool) -> None:
        if self._publish is None:
            return
        try:
            change = UserChange.CREATED if command.target is None else UserChange.UPDATED
            published = self._publish(change, user, command.source_key() if command.key else "", repeated=repeated)
            if published is not None:
                await published
        except Exception:  # noqa: BLE001 - the change was executed: an unpublished event must not make it a failure
            _LOG.exception("the event of a change in the %s source could not be published", titled(user.source))

    def _call_source(self, command: Command, execution: Execution) -> Coroutine[Any, Any, User | GatewayError]:
        if command.target is None:
            return self._create(command, execution)
        return self._update(self._sources.named(command.target.source), command.target, command, execution)

    async def _create(self, command: Command, execution: Execution) -> User | GatewayError:
        since, change, source = execution.doubtful_since, command.change, self._sources.named(UserSource.ACCOUNT)
        if not isinstance(source, CreatingSource) or not isinstance(change, CreateAccountUser):  # pragma: no cover
            raise SourceNotConfigured("The account source cannot create users.")
        try:
            return check_created(await source.create_user(change, command.source_key()), change)
        except GatewayError as error:
            if since is None or not is_final(error):
                raise
            settled = await settle_refused_creation(source, change, since, error)
            if settled is None:
                raise
            return settled

    async def _update(self, source: Source, target: Ref, command: Command, execution: Execution) -> User | GatewayError:
        since, change = execution.doubtful_since, command.change
        new_ref = ref_after(target, change)
        updated: User | None = None
        if not execution.confirmed:
            if since is not None and not source.recognises_keys:
                settled = await settle_before_sending(source, target, change, since)
                if settled is not None:
                    return settled
            try:
                updated = await source.update_user(target, change, command.source_key())
            except GatewayError as error:
                if since is None or not is_final(error):
                    raise
                if not source.recognises_keys:  # it had not been executed, as the user showed that was read before
                    return error
                settled = await settle_refused_update(source, target, change, since, error)
                if settled is None:
                    raise
                return settled
            execution.confirmed = updated is None
        return check_changed(updated or await _read_back(source, new_ref), target, new_ref)


def _stopped(command: Command) -> SourceUnavailable:
    """Return the error of a change that was cancelled, since the gateway had no time left for it."""
    source = UserSource.ACCOUNT if command.target is None else command.target.source
    error = SourceUnavailable(
        f"The gateway was stopped before the {titled(source)} source had responded.",
        origin=Origin(source=source),
        outcome=Outcome.UNKNOWN,
    )
    _log_unknown_outcome(command, error)
    return error


def _log_unknown_outcome(command: Command, error: GatewayError) -> None:
    """Log each change that may have been executed although it failed: somebody may have to look at the user."""
    source = UserSource.ACCOUNT if command.target is None else command.target.source
    fields = {"operation": command.name, "source": source.value, "code": error.code.value}
    if command.target is not None:
        fields["user"] = encode(command.target)
    if (failed_call := error.failed_call) is not None:
        fields |= {"cause": failed_call.cause, "url": f"{failed_call.method} {failed_call.url}"}
    _UNKNOWN_OUTCOMES.warning(
        "the outcome of a change is unknown: the %s source may have executed it. %s",
        titled(source),
        "Repeated with the same idempotency key, it is settled"
        if command.key
        else "It had no idempotency key, so a repetition may execute it again: compare the user",
        extra=fields,
    )


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
        f"The {titled(ref.source)} source confirmed the change and did not return the user after it. A request with "
        "the same idempotency key reads the user again; the change is not sent again.",
        origin=Origin(source=ref.source),
        outcome=Outcome.UNKNOWN,
    )


def _to_json(value: object) -> object:
    if isinstance(value, Icon):
        return [value.content.digest, value.filename, value.content_type]
    if isinstance(value, Change):
        return value.given()
    raise TypeError
