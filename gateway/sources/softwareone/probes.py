"""The probes of the softwareone source, whose permissions have no documented names."""

from collections.abc import Sequence

import orjson

from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Multipart, Part, Request, Response
from gateway.sources.http.json import JsonDecoder, decode_response, invalid_response
from gateway.sources.http.probing import ChangesSince, change_probe, polling_probe, users_probe
from gateway.sources.softwareone.wire import MarketplaceWireUsers
from gateway.users.model import User
from gateway.users.probe import Probe

__all__ = ["softwareone_probes"]

_USER_LIST = JsonDecoder(MarketplaceWireUsers)
_USERS_PATH = "/public/v1/accounts/users"
_NOBODY = "USR-0000-0000"  # the vendor's tests take this id for a user that does not exist
_EMPTY = Multipart((Part("user", b"{}", "application/json"),))


def softwareone_probes(api: Api, base_url: str, changes_since: ChangesSince) -> tuple[Probe, ...]:
    """Return the probes of users, of changes and of polling."""

    def read(request: Request, response: Response) -> Sequence[User]:
        listing = decode_response(_USER_LIST, request, response)
        if "page_info" in orjson.loads(response.body):
            raise invalid_response(request, response, ValueError("a list of the account API"))
        return [user.record(base_url) for user in listing.data]

    return (
        users_probe(api, "", _USERS_PATH, [("limit", "1")], read),
        change_probe(api, "", "PUT", f"{_USERS_PATH}/{{id}}", {"id": _NOBODY}, _EMPTY),
        polling_probe(api, "", _USERS_PATH, changes_since),
    )
