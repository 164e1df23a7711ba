"""Executes changes: at most once under a caller's key, to the end once started, and with a check of the response."""

import asyncio
import copy
import logging
from collections.abc import Callable

from gateway.calls import current_calls
from gateway.errors import GatewayError, NotFound, Outcome, SourceNotConfigured
from gateway.kit.execution import Execution
from gateway.kit.source_titles import titled
from gateway.kit.tasks import cancel_and_wait, is_cancelled
from gateway.operation import current_principal, shares_no_calls
from gateway.principal import Principal
from gateway.users.changes import CreateAccountUser
from gateway.users.command import Command
from gateway.users.idempotency import ExecuteOnce, from_bytes, is_final, to_bytes
from gateway.users.identity import check_changed, check_created
from gateway.users.ids import Kind, Ref
from gateway.users.kept.kept_users import KeptUsers
from gateway.users.model import User, UserChange, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.publishing import Publish, ReportAltered, RequirePublishable
from gateway.users.reference import ReferenceData
from gateway.users.repetition import (
    ref_after,
    settle_before_sending,
    settle_refused_creation,
    settle_refused_update,
)
from gateway.users.source import CreatingSource, Source, Sources
from gateway.users.unknown_outcomes import log_unknown_outcome, no_user_returned, stopped

__all__ = ["Mutations"]

_LOG = logging.getLogger("gateway.users")
_CREATED, _UPDATED = UserChange.CREATED, UserChange.UPDATED  # CONTRIBUTING.md, "Speed"


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
        task = loop.create_task(self._execute_for(command, principal, result))
        if not task.done():  # as it may be with an eager task factory of the embedding program
            self._tasks[result] = task
        try:
            return await result
        except asyncio.CancelledError:
            if task.cancelled() and not is_cancelled():
                raise stopped(command) from None
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

    async def _execute_for(self, command: Command, principal: Principal, waiting: "asyncio.Future[User]") -> None:
        """Execute a change or find its result, and give it to the caller, if still there; in the task of the change."""
        current_principal.set(principal)
        shares_no_calls.set(True)  # a read has to show whether the change was executed
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
        source, target, key = command.source, command.target, command.source_key()
        read = self._kept_users.begin_change(source, target)
        user: User | None = None
        is_refused = is_gone = False
        try:
            if target is None:
                result = await self._create(command, key, execution)
            else:
                result = await self._update(self._sources.named(source), target, command, key, execution)
            user = result if isinstance(result, User) else None
        except GatewayError as error:
            if execution.doubtful_since is None and error.outcome is None:
                is_gone = isinstance(error, NotFound)  # that is a change, too
                is_refused = not is_gone
            return _result_of(error, command, execution)
        finally:
            if is_refused:  # what is kept stays: otherwise whoever may change users could empty it
                self._kept_users.end_refused_change(read)
            else:
                self._kept_users.end_change(read, target, user, is_gone=is_gone)
                self._on_change(source)
                if user is None and target is not None and self._report_altered is not None:
                    await self._report_altered(target, is_gone=is_gone)
        if user is not None:
            # Assigning a role may make the source create one: in the account source, a role of type `sales_rep`.
            if "role_id" in command.change.model_fields_set:
                self._reference.drop(UserSource.ACCOUNT, Kind.ROLE)
            # A user that was read may be as another change has left it, whose event is published already.
            repeated = execution.doubtful_since is not None or execution.confirmed
            await self._publish_event(command, user, key, repeated=repeated)
        return result

    async def _publish_event(self, command: Command, user: User, key: str, *, repeated: bool) -> None:
        if self._publish is None:
            return
        try:
            change = _CREATED if command.target is None else _UPDATED
            published = self._publish(change, user, key if command.key else "", repeated=repeated)
            if published is not None:
                await published
        except Exception:  # noqa: BLE001 - the change was executed: an unpublished event must not make it a failure
            _LOG.exception("the event of a change in the %s source could not be published", titled(user.source))

    async def _create(self, command: Command, key: str, execution: Execution) -> User | GatewayError:
        since, change, source = execution.doubtful_since, command.change, self._sources.named(UserSource.ACCOUNT)
        if not isinstance(source, CreatingSource) or not isinstance(change, CreateAccountUser):  # pragma: no cover
            raise SourceNotConfigured("The account source cannot create users.")
        try:
            return check_created(await source.create_user(change, key), change)
        except GatewayError as error:
            if since is None or not is_final(error):
                raise
            settled = await settle_refused_creation(source, change, since, error)
            if settled is None:
                raise
            return settled

    async def _update(
        self, source: Source, target: Ref, command: Command, key: str, execution: Execution
    ) -> User | GatewayError:
        since, change = execution.doubtful_since, command.change
        new_ref = ref_after(target, change)
        updated: User | None = None
        if not execution.confirmed:
            if since is not None and not source.recognises_keys:
                settled = await settle_before_sending(source, target, change, since)
                if settled is not None:
                    return settled
            try:
                updated = await source.update_user(target, change, key)
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


def _result_of(error: GatewayError, command: Command, execution: Execution) -> GatewayError:
    """Return the error of a change if it is its result; raise it if there is none."""
    if execution.doubtful_since is not None and error.outcome is None:
        # A copy: other operations may have got the same error, of a call that they had in common.
        doubtful = copy.copy(error)
        doubtful.outcome = Outcome.UNKNOWN
        log_unknown_outcome(command, doubtful)
        raise doubtful from error
    if error.outcome is Outcome.UNKNOWN:
        log_unknown_outcome(command, error)
    if not is_final(error):
        raise error
    return error


async def _read_back(source: Source, ref: Ref) -> User:
    """Return the user after a change that its source confirmed without a body.

    A failure here is no failure of the change, so its error has an unknown outcome.
    """
    try:
        user = await source.fetch_user(ref, EVERYTHING.of(Kind.USER))
    except GatewayError as error:
        raise no_user_returned(ref) from error
    if user is None:
        raise no_user_returned(ref)
    return user
