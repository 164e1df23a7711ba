"""The root of mutations: the four changes.

Each answers null beside its error, so that in a document of several a failed one does not take
away what the others truthfully answered.
"""

from typing import Annotated, Any

import strawberry

from gateway.api.graphql.limits.directives import Cost
from gateway.api.graphql.schema.fields import Info
from gateway.api.graphql.schema.inputs import (
    CreateAccountUserInput,
    UpdateAccountUserInput,
    UpdateResellerUserInput,
    UpdateSoftwareOneUserInput,
    given,
)
from gateway.api.graphql.schema.users import UserObject

__all__ = ["MutationObject"]

_CHANGE = Cost(weight="10")
_Key = Annotated[
    str | None,
    strawberry.argument(
        description="The change is carried out at most once under it. Else the header's, else a new one."
    ),
]


@strawberry.type(name="Mutation")
class MutationObject:
    @strawberry.mutation(
        description="Add a user to the account. Somebody who has a user there is linked or restored.",
        directives=[_CHANGE],
    )
    async def create_account_user(
        self,
        info: Info,
        input: CreateAccountUserInput,
        idempotency_key: _Key = None,
    ) -> UserObject | None:
        created: Any = await info.context.service.create_account_user(given(input), **_once(info, idempotency_key))
        return created

    @strawberry.mutation(
        description="Change a user of the account. The id may be global or the account system's own.",
        directives=[_CHANGE],
    )
    async def update_account_user(
        self,
        info: Info,
        id: strawberry.ID,
        input: UpdateAccountUserInput,
        idempotency_key: _Key = None,
    ) -> UserObject | None:
        updated: Any = await info.context.service.update_account_user(id, given(input), **_once(info, idempotency_key))
        return updated

    @strawberry.mutation(
        description="Change a user of the Marketplace. The id may be global or the Marketplace's own.",
        directives=[_CHANGE],
    )
    async def update_software_one_user(
        self,
        info: Info,
        id: strawberry.ID,
        input: UpdateSoftwareOneUserInput,
        idempotency_key: _Key = None,
    ) -> UserObject | None:
        updated: Any = await info.context.service.update_software_one_user(
            id, given(input), **_once(info, idempotency_key)
        )
        return updated

    @strawberry.mutation(
        description=(
            "Change a user of a reseller. The id may be global or the reseller API's own; `resellerId` may be left out "
            "when the id is global or a reseller is configured."
        ),
        directives=[_CHANGE],
    )
    async def update_reseller_user(
        self,
        info: Info,
        id: strawberry.ID,
        input: UpdateResellerUserInput,
        reseller_id: strawberry.ID | None = None,
        idempotency_key: _Key = None,
    ) -> UserObject | None:
        updated: Any = await info.context.service.update_reseller_user(
            id, given(input), reseller_id=reseller_id, **_once(info, idempotency_key)
        )
        return updated


def _once(info: Info, given_key: str | None) -> dict[str, Any]:
    """The mutation's key, and who hears of it when its answer is the first call's, given again."""
    name, context = str(info.path.key), info.context
    return {"idempotency_key": context.key(given_key, name), "on_replay": lambda: context.replayed.append(name)}
