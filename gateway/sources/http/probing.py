"""Makes the probes of the sources: their responses are read as those of other calls are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.errors import NotFound
from gateway.sources.http.api import Api, Query
from gateway.sources.http.exchange import Multipart, Request, Response
from gateway.sources.http.json import invalid_response
from gateway.sources.http.quota import parse_quota
from gateway.users.model import User
from gateway.users.probe import Probe, ProbeResponse

__all__ = ["ChangesSince", "change_probe", "polling_probe", "users_probe"]

ChangesSince = Callable[[str | None], Awaitable[object]]
"""Requests the changes after a position, None for the present."""

# Every user of every source has one of these; an object of another API that has an id does not become a user by that.
_FIELDS_OF_USERS = ("email", "name", "first_name", "username", "source_status")


def users_probe(  # noqa: PLR0917 - each of them is a part of one call
    api: Api,
    permission: str,
    template: str,
    query: Query,
    read: Callable[[Request, Response], Sequence[User]],
    path_params: Mapping[str, str] | None = None,
) -> Probe:
    """Return the probe that reads a list of one user. `read` makes the records of a response, as for other lists."""

    async def call() -> ProbeResponse:
        request, response = await api.call("GET", template, path_params, query=query)
        for user in read(request, response):
            if all(getattr(user, name) is None for name in _FIELDS_OF_USERS):
                raise invalid_response(request, response, ValueError("an item is not a user"))
        return ProbeResponse(parse_quota(response.headers).remaining, response.headers.get("Date"))

    return Probe("users", permission, api.url(template, path_params), call)


def change_probe(  # noqa: PLR0917 - each of them is a part of one call
    api: Api,
    permission: str,
    method: str,
    template: str,
    path_params: Mapping[str, str],
    body: bytes | Multipart,
) -> Probe:
    """Return the probe of changes: a change without any value, of a user that cannot exist.

    A source checks the permission before it looks for the user, so that a 404 in its own form shows that it is there.
    No other response shows that: a source may validate a change first, and a proxy on the way may refuse its method.
    """

    async def call() -> ProbeResponse:
        try:
            request, response = await api.call(method, template, path_params, body=body)
        except NotFound:
            return ProbeResponse()
        raise invalid_response(request, response, ValueError("a change of a user that cannot exist succeeded"))

    return Probe("changes", permission, api.url(template, path_params), call)


def polling_probe(
    api: Api,
    permission: str,
    template: str,
    changes_since: ChangesSince,
    path_params: Mapping[str, str] | None = None,
) -> Probe:
    """Return the probe of polling: the present position, as the first poll requests it."""

    async def call() -> ProbeResponse:
        await changes_since(None)
        return ProbeResponse()

    return Probe("polling", permission, api.url(template, path_params), call)
