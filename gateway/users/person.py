"""One human: the records that share an e-mail address, over every source."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import BadUserInput, GatewayError
from gateway.kit.tasks import gather
from gateway.users.model import User
from gateway.users.source import Source, Unavailable, UserQuery, raise_most_relevant

__all__ = ["Person", "find_person"]

_LIMIT = 1000  # one call a source: as much as it gives, where it looks for the address less exactly than we do


@dataclass(frozen=True, slots=True)
class Person:
    """The users with an e-mail address, in any case, by source; and the sources that could not be asked."""

    email: str
    users: tuple[User, ...]
    unavailable: tuple[Unavailable, ...]


async def find_person(
    sources: Iterable[Source], email: str, needs: frozenset[str], *, include_removed: bool = False
) -> Person:
    """Everybody with that address, by one call to every source at once.

    Raises:
        BadUserInput: a source does not take the address.
        GatewayError: no source answered; the most telling of their errors.
    """
    query = UserQuery(email=email, include_removed=include_removed)
    asked = list(sources)
    answers = await gather(_ask(source, query, needs) for source in asked)
    errors = [answer for answer in answers if isinstance(answer, GatewayError)]
    for error in errors:
        if isinstance(error, BadUserInput):
            raise error
    if errors and len(errors) == len(answers):
        raise_most_relevant(errors)
    users = [user for answer in answers if not isinstance(answer, GatewayError) for user in answer]
    unavailable = [
        Unavailable.of(source.name, answer)
        for source, answer in zip(asked, answers, strict=True)
        if isinstance(answer, GatewayError)
    ]
    return Person(email, tuple(users), tuple(unavailable))


async def _ask(source: Source, query: UserQuery, needs: frozenset[str]) -> list[User] | GatewayError:
    try:
        window = await source.page_users(query, None, _LIMIT, needs)
    except GatewayError as error:
        return error
    return [user for user in window.items if query.takes(user)]
