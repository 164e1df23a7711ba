"""A back end for a front end (BFF): sessions by cookie, GraphQL for the page, and handlers with the typed service.

The page gets the whole GraphQL API of the gateway under /users, where it acts as the user of the session. The handlers
use the typed service as that user, too. Run it with `uvicorn --factory bff:create_app`.
"""

import os
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

from gateway import Gateway, Settings
from gateway.auth import Connection, Principal
from gateway.errors import (
    BadUserInput,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    SourceTimeout,
    SourceUnavailable,
    Unauthenticated,
)
from gateway.models import User, UserSource

HOURS = 8
FIELDS = ("name", "role.name", "role.permissions")
STATUSES: Mapping[type[GatewayError], int] = {
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    BadUserInput: 422,
    SourceUnavailable: 503,
    SourceTimeout: 504,
}
"""The statuses of the handlers; those of /users/graphql are by GraphQL over HTTP."""


@dataclass(frozen=True)
class Login:
    """Who may sign in; stands for an identity provider."""

    password: str
    scopes: frozenset[str]


LOGINS: Mapping[str, Login] = {
    "ada.lovelace@example.com": Login("analytical-engine", frozenset({"users:read", "users:write"})),
    "grace.hopper@example.com": Login("nanoseconds", frozenset({"users:read"})),
}


def principal_of(session: Mapping[str, Any]) -> Principal | None:
    """Return the caller of a session; None without one, or after its end."""
    email: str | None = session.get("email")
    login = LOGINS.get(email or "")
    if email is None or login is None or session["expires"] <= time.time():
        return None
    # Open subscriptions of the page end with the session.
    return Principal(email, login.scopes, expires=session["expires"])


async def authenticate(connection: Connection) -> Principal | None:
    """Return the caller of a request to /users, for all that is there: HTTP, WebSockets, event streams, pictures."""
    return principal_of(HTTPConnection(connection.request).session)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; without settings the gateway has those of the environment."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with Gateway(settings, authenticate=authenticate) as gateway:
            app.state.gateway = gateway
            app.mount("/users", gateway.asgi_app())
            with gateway.drain_on_signals():  # uvicorn waits for open connections, also for subscriptions
                yield

    app = FastAPI(lifespan=lifespan)
    secret = os.environ.get("BFF_SECRET") or secrets.token_urlsafe()
    app.add_middleware(SessionMiddleware, secret_key=secret, max_age=HOURS * 3600, same_site="lax", https_only=True)
    app.exception_handler(GatewayError)(report)
    app.post("/session", status_code=204)(sign_in)
    app.delete("/session", status_code=204)(sign_out)
    app.get("/profile")(get_profile)
    app.patch("/profile")(rename)
    app.get("/colleagues")(get_colleagues)
    return app


def get_gateway(request: Request) -> Gateway:
    """Return the gateway of the application."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def get_principal(request: Request) -> Principal:
    """Return the caller. Raises Unauthenticated without a session."""
    principal = principal_of(request.session)
    if principal is None:
        raise Unauthenticated("Sign in first.")
    return principal


TheGateway = Annotated[Gateway, Depends(get_gateway)]
Caller = Annotated[Principal, Depends(get_principal)]


class Credentials(BaseModel):
    """The body of POST /session."""

    email: str
    password: str


class NewName(BaseModel):
    """The body of PATCH /profile."""

    name: str


class Profile(BaseModel):
    """A record of a user, as the page shows it."""

    id: str
    source: str
    name: str | None
    role: str | None


class ProfileWithPermissions(Profile):
    """A record of the caller."""

    permissions: list[str]


class Colleagues(BaseModel):
    """A page of users of the account."""

    colleagues: list[Profile]
    after: str | None


async def sign_in(credentials: Credentials, request: Request) -> None:
    """POST /session: begin a session."""
    login = LOGINS.get(credentials.email)
    if login is None or not secrets.compare_digest(login.password, credentials.password):
        raise Unauthenticated("The e-mail address or the password is wrong.")
    request.session.update(email=credentials.email, expires=time.time() + HOURS * 3600)


async def sign_out(request: Request) -> None:
    """DELETE /session: end the session."""
    request.session.clear()


async def get_profile(gateway: TheGateway, caller: Caller) -> list[ProfileWithPermissions]:
    """GET /profile: the records of the caller, of all sources."""
    # What is not requested is not loaded, and reading it raises an error.
    person = await gateway.users.by(caller).find_person(caller.name, fields=FIELDS)
    return [with_permissions(user) for user in person.users]


async def rename(
    change: NewName,
    gateway: TheGateway,
    caller: Caller,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Profile:
    """PATCH /profile: change the caller's name in the account source; a repeated request changes it once."""
    users = gateway.users.by(caller)
    person = await users.find_person(caller.name)
    for user in person.users:
        if user.source is UserSource.ACCOUNT:
            changed = await users.update_account_user(user.id, {"name": change.name}, idempotency_key=idempotency_key)
            return to_profile(changed)
    raise NotFound("You have no user in the account.")


async def get_colleagues(gateway: TheGateway, caller: Caller, after: str | None = None) -> Colleagues:
    """GET /colleagues: the users of the account, newest first, page by page."""
    page = await gateway.users.by(caller).list_users(filter={"sources": [UserSource.ACCOUNT]}, first=10, after=after)
    colleagues = [to_profile(user) for user in page.users]
    return Colleagues(colleagues=colleagues, after=page.end_cursor if page.has_next_page else None)


def to_profile(user: User) -> Profile:
    """Return what the page shows of a user."""
    role = user.role.name if user.role else None
    return Profile(id=user.id, source=user.source.value, name=user.name, role=role)


def with_permissions(user: User) -> ProfileWithPermissions:
    """Return what the page shows of a record of the caller."""
    permissions = list(user.role.permissions or ()) if user.role else []
    return ProfileWithPermissions(**to_profile(user).model_dump(), permissions=permissions)


async def report(_: Request, error: GatewayError) -> Response:
    """Return the response to a request that failed: with the field of each violation, and when to try again."""
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 502)
    violations = {str(violation.path[-1]): violation.message for violation in error.violations}
    headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
    return JSONResponse({"message": error.message, "fields": violations}, status, headers)
