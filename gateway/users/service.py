"""UserService: the only thing that the surfaces call."""

from collections.abc import Mapping
from typing import Any, TypeVar

from gateway.errors import (
    BadUserInput,
    Origin,
    Outcome,
    SourceInvalidResponse,
    SourceNotConfigured,
    Violation,
)
from gateway.users.changes import (
    Change,
    CreateAccountUser,
    UpdateAccountUser,
    UpdateResellerUser,
    UpdateSoftwareOneUser,
)
from gateway.users.idempotency import fresh_key, source_key
from gateway.users.ids import Kind, Ref, can_exist, resolve
from gateway.users.loaders import Loaders
from gateway.users.model import Department, Role, User, UserSource
from gateway.users.planning import EVERYTHING, Plan
from gateway.users.reference import ReferenceData
from gateway.users.source import Creates, Sources

__all__ = ["UserService"]

AnyChange = TypeVar("AnyChange", bound=Change)

# Fields of a change that name a record: a global id is as good there as the source's own.
_NAMED: Mapping[str, tuple[Kind, UserSource]] = {
    "role_id": (Kind.ROLE, UserSource.ACCOUNT),
    "department_id": (Kind.DEPARTMENT, UserSource.ACCOUNT),
    "organization_id": (Kind.ORGANIZATION, UserSource.RESELLER),
}


class UserService:
    """Users of the three systems: reading them, creating them, changing them.

    Ids are global ids, or a source's own where it is plain which source is meant. A change is a model of
    `gateway.users.changes` or a mapping of its fields; an absent key is left unchanged. Reads take the
    `loaders` of the operation that they belong to; without them each call is an operation of its own.
    A mutation takes the caller's idempotency key, or makes one. All raise `gateway.errors`.
    """

    def __init__(self, sources: Sources, reference: ReferenceData | None = None) -> None:
        self._sources = sources
        self._reference = reference or ReferenceData(sources)

    def loaders(self, plan: Plan) -> Loaders:
        """Loaders for one operation: never to be kept for a second one."""
        return Loaders(self._sources, self._reference, plan)

    async def get(self, ref: Ref, *, loaders: Loaders | None = None) -> Any:
        """The record that a reference names, or None where there is none."""
        if ref.kind is Kind.ROLE and ref.source is UserSource.RESELLER:
            return Role.named(ref.source, ref.source_id)
        return await (loaders or self.loaders(EVERYTHING)).load(ref)

    async def get_user(
        self,
        id: str,
        source: UserSource | None = None,
        *,
        loaders: Loaders | None = None,
    ) -> User | None:
        """One user, or None where there is none."""
        tenant = self._sources.named(source).tenant if source else ""
        ref = resolve(id, Kind.USER, source=source, tenant=tenant)
        if ref.source is UserSource.RESELLER and not ref.tenant:
            raise _bad("id", "is not global, and no reseller is configured that it could belong to")
        user: User | None = await self.get(ref, loaders=loaders)
        return user

    async def get_role(self, id: str, *, loaders: Loaders | None = None) -> Role | None:
        """One role, or None where there is none."""
        ref = resolve(id, Kind.ROLE, default=UserSource.ACCOUNT)
        role: Role | None = await self.get(ref, loaders=loaders)
        return role

    async def get_department(self, id: str, *, loaders: Loaders | None = None) -> Department | None:
        """One department, or None where there is none."""
        ref = resolve(id, Kind.DEPARTMENT, default=UserSource.ACCOUNT)
        department: Department | None = await self.get(ref, loaders=loaders)
        return department

    async def create_account_user(
        self, change: CreateAccountUser | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> User:
        """Add a user to the account; a person who has a user there already is linked or restored."""
        parsed = _parse(CreateAccountUser, change)
        source = self._sources.named(UserSource.ACCOUNT)
        if not isinstance(source, Creates):  # pragma: no cover - the registry's account source does
            raise SourceNotConfigured("Users cannot be created in the account system here.")
        return await source.create_user(parsed, _key(idempotency_key, "createAccountUser", None))

    async def update_account_user(
        self,
        id: str,
        change: UpdateAccountUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> User:
        """Change a user of the account; null clears role and department."""
        ref = resolve(id, Kind.USER, source=UserSource.ACCOUNT)
        return await self._update(ref, _parse(UpdateAccountUser, change), "updateAccountUser", idempotency_key)

    async def update_software_one_user(
        self,
        id: str,
        change: UpdateSoftwareOneUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> User:
        """Change a user of the Marketplace; null is sent as null."""
        ref = resolve(id, Kind.USER, source=UserSource.SOFTWAREONE)
        return await self._update(ref, _parse(UpdateSoftwareOneUser, change), "updateSoftwareOneUser", idempotency_key)

    async def update_reseller_user(
        self,
        id: str,
        change: UpdateResellerUser | Mapping[str, Any],
        *,
        reseller_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        """Change a user of a reseller: the one named, else the one in the global id, else the configured one."""
        source = self._sources.named(UserSource.RESELLER)
        if reseller_id is not None and not can_exist(reseller_id):  # it becomes a part of a URL's path, too
            raise _bad("reseller_id", "is no id that the source could have given")
        ref = resolve(id, Kind.USER, source=UserSource.RESELLER, tenant=reseller_id or source.tenant)
        if not ref.tenant:
            raise _bad("reseller_id", "is required: the id is not global and no reseller is configured")
        if reseller_id is not None and ref.tenant != reseller_id:
            raise _bad("reseller_id", "is another reseller than the one in the id")
        return await self._update(ref, _parse(UpdateResellerUser, change), "updateResellerUser", idempotency_key)

    async def _update(self, ref: Ref, change: Change, operation: str, key: str | None) -> User:
        user = await self._sources.named(ref.source).update_user(ref, change, _key(key, operation, ref))
        if ref.source_id.casefold() not in {user.source_id.casefold(), (user.email or "").casefold()}:
            # In any case: GUIDs are written in both, and the Marketplace takes an e-mail for an id.
            raise SourceInvalidResponse(
                f"The {ref.source} system answered with another user than the one to be changed.",
                origin=Origin(source=ref.source),
                outcome=Outcome.UNKNOWN,
            )
        return user


def _parse(kind: type[AnyChange], given: AnyChange | Mapping[str, Any]) -> AnyChange:
    """The change, with the source's own ids in it."""
    change = kind.parse(given)
    own: dict[str, str] = {}
    broken: list[Violation] = []
    for name, value in change.given().items():
        if name in _NAMED and value:
            of, source = _NAMED[name]
            try:
                own[name] = resolve(value, of, source=source, path=("change", name)).source_id
            except BadUserInput as error:
                broken += error.violations
    if broken:
        raise BadUserInput("; ".join(f"{v.path[-1]} {v.message}" for v in broken) + ".", violations=broken)
    return change.model_copy(update=own)


def _key(given: str | None, operation: str, target: Ref | None) -> str:
    return source_key(given or fresh_key(), operation, target)


def _bad(name: str, message: str) -> BadUserInput:
    return BadUserInput(f"{name} {message}.", violations=[Violation((name,), message)])
