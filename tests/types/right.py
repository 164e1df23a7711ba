"""Uses of the public API that type checkers accept. It is not executed."""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from gateway import (
    AccountSettings,
    AuthMode,
    AuthSettings,
    CredentialMode,
    Environment,
    Gateway,
    LimitSettings,
    Result,
    Settings,
    Users,
)
from gateway.auth import Authenticate, Connection, Credential, Credentials, Principal
from gateway.changes import (
    Blob,
    CreateAccountUserFields,
    Icon,
    NotificationPreference,
    NotificationPreferenceFields,
    NotificationType,
    UpdateAccountUser,
    UpdateSoftwareOneUser,
)
from gateway.errors import BadUserInput, FieldNotLoaded, Forbidden, GatewayError, NotFound, Origin, SourceUnavailable
from gateway.models import (
    Department,
    Person,
    Role,
    StaleData,
    StaleReason,
    User,
    UserChange,
    UserEvent,
    UserFilter,
    UserSource,
    View,
)
from gateway.sources import Ref, Request, Response, Source, Transport, TransportLimits, UserQuery, Window
from gateway.testing import AccountUser, Sandbox


def settings_by_class() -> Settings:
    """Every setting has a default; a URL is a str, and a port that is off is None."""
    account = AccountSettings(base_url="https://api.example.com", token=SecretStr("t"), account_id="ac_1")
    url: str | None = account.base_url
    return Settings(
        account=account,
        public_url=url,
        grpc_port=None,
        auth=AuthSettings(mode=AuthMode.NONE),
        environment=Environment.DEVELOPMENT,
        limits=LimitSettings(depth=5),
        cors_origins=("https://app.example",),
    )


async def reads(gateway: Gateway) -> str | None:
    """Reads give records or None."""
    user: User | None = await gateway.users.get_user("acus_1", UserSource.ACCOUNT)
    role: Role | None = await gateway.users.get_role("role_1")
    department: Department | None = await gateway.users.get_department("dept_1")
    if user is None or role is None or department is None:
        return None
    return user.name


async def changes(gateway: Gateway, principal: Principal) -> User:
    """Changes take a model or a mapping of its fields."""
    preference = NotificationPreference(notification_type=NotificationType.INVOICE, enabled=True)
    change = UpdateAccountUser(name="Ada King", department_id=None, preferences=[preference])
    users = gateway.users.by(principal)
    await users.update_account_user("acus_1", change, idempotency_key="1")
    icon = Icon(content=Blob.of(b"..."), filename="ada.png", content_type="image/png")
    await users.update_software_one_user("USR-1", UpdateSoftwareOneUser(icon=icon, first_name=None))
    return await users.update_account_user("acus_1", {"department_id": None})


async def errors(gateway: Gateway) -> list[str]:
    """All errors are of one family."""
    try:
        await gateway.users.update_account_user("acus_1", {"email": "x"})
    except BadUserInput as error:
        return [".".join(map(str, violation.path)) for violation in error.violations]
    except GatewayError as error:
        return [error.code, error.message, str(error.retry_after), str(error.origin.http_status)]
    return []


async def documents(gateway: Gateway) -> object:
    """A document is executed without HTTP."""
    result = await gateway.execute("{ user(id: 1) { name } }", {"id": "1"}, timeout=2.0)
    messages: list[str] = [error.message for error in result.errors or ()]
    return messages or result.data["user"]


async def embedding() -> tuple[str, int, bool]:
    """The gateway is an asynchronous context manager; without arguments it reads the environment."""
    async with Gateway() as gateway, Gateway(Settings()) as other:
        grpc = await gateway.serve_grpc()
        http = await other.serve_http(grace=1.0)
        address: str | None = grpc.address if grpc is not None else None
        host, port = http.address
        await http.stop()
        return address or host, port, gateway.ready


async def by_session(connection: Connection) -> Principal | None:
    """A function identifies callers, by what they sent or by the request of the host."""
    session: Mapping[str, str] = connection.request["session"]
    name = session.get("user") or connection.cookies.get("user")
    if name == "mallory":
        raise Forbidden("You are not welcome.")
    return Principal(name, frozenset({"users:read"})) if name else None


class BySession:
    """An object identifies callers too; `version` is optional."""

    async def __call__(self, connection: Connection, /) -> Principal | None:
        return Principal(connection.peer, expires=1.0) if connection.surface == "grpc" else None

    def version(self) -> object:
        return 1


class TokenExchange:
    """Provides what the sources are called with for each caller."""

    async def __call__(self, source: str, principal: Principal) -> Credential | None:
        return Credential({"Authorization": f"Bearer {source} {principal.name}"}, expires=None)


class OwnTransport:
    """An HTTP client of the program."""

    def __init__(self, limits: TransportLimits) -> None:
        self.seconds = limits.total

    async def send(self, request: Request) -> Response:
        if request.on_write is not None:
            request.on_write()
        if request.method != "GET":
            raise SourceUnavailable("It is not reachable.", origin=Origin(source=request.source))
        return Response(200, {}, b"{}")

    async def aclose(self) -> None:
        return None


def own_transport(source: str, limits: TransportLimits) -> Transport:
    """A function creates the client of each source."""
    return OwnTransport(limits)


class OwnSource(Source):
    """A source of the program."""

    @property
    def name(self) -> UserSource:
        return UserSource.RESELLER

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:
        return User(ref.source, ref.source_id, name="Ada") if not needs else None

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        raise NotImplementedError  # only the types are checked

    async def update_user(self, ref: Ref, change: object, key: str) -> User | None:
        raise NotFound(f"There is no user {ref.source_id}, for {key} and {change}.")


def own_parts(settings: Settings) -> Gateway:
    """An embedding program replaces parts of the gateway."""
    authenticate: Authenticate = BySession()
    credentials: Credentials = TokenExchange()
    sources: Sequence[Source] = (OwnSource(),)
    Gateway(settings, authenticate=by_session)
    return Gateway(
        settings, authenticate=authenticate, credentials=credentials, transport=own_transport, sources=sources
    )


async def subscriptions(gateway: Gateway, principal: Principal) -> list[Result]:
    """A subscription is an asynchronous iterator of results."""
    results: list[Result] = []
    async for result in gateway.subscribe("subscription { userChanged { id } }", principal=principal):
        results.append(result)
        if result.errors:
            break
    return results


async def with_sandbox() -> int:
    """A sandbox is configured in a line."""
    async with Sandbox() as sandbox, Gateway(sandbox.settings(request_timeout=2.0)) as gateway:
        user_id: str = sandbox.seed(AccountUser(name="Eve"))
        sandbox.fail("account", status=500, times=None)
        await gateway.users.get_user(user_id)
        mode: CredentialMode = gateway.settings.account.credentials
        return len(sandbox.calls) if mode is CredentialMode.CONFIGURED else 0


async def typed_service(gateway: Gateway) -> list[str]:
    """What is loaded is stated by a view or by paths; mappings have types, and iterations yield records."""
    only: UserFilter = {"sources": [UserSource.ACCOUNT], "include_removed": True}
    users: list[User] = [user async for user in gateway.users.iterate(only, limit=3, view=View.FULL)]
    page = await gateway.users.list_users(only, first=1, fields=["name", "role.permissions"])
    person: Person = await gateway.users.find_person("ada@example.test", timeout=1.0)
    fields: CreateAccountUserFields = {"email": "eve@example.test", "name": "Eve"}
    users += [*page.users, *person.users, await gateway.users.create_account_user(fields, view=View.FULL)]
    await gateway.users.update_software_one_user(
        "USR-1", {"icon": Icon(content=b"GIF89a"), "phone": {"prefix": "+34", "number": "5"}}
    )
    preference: NotificationPreferenceFields = {"notification_type": "invoice", "enabled": True}
    await gateway.users.update_account_user("acus_1", {"preferences": [preference]})
    roles: Sequence[Role] = (await gateway.users.list_roles(search="a")).roles
    async for event in gateway.users.subscribe(ids=[users[0].id], resume_token=None):
        found: UserEvent = event
        if found.change is UserChange.DELETED:
            break
    return [record.id for record in (*users, *roles)]


async def kept_records(gateway: Gateway) -> list[str]:
    """Reads state which kept records they accept, and a function receives those past their lifetime."""
    ages: list[str] = []

    def show(stale: StaleData) -> None:
        if stale.reason is not StaleReason.REVALIDATING:
            ages.append(f"{stale.source.value} {stale.id or 'the list'}: {stale.age:.1f} s")

    await gateway.users.get_user("acus_1", UserSource.ACCOUNT, max_age=0, on_stale=show)
    await gateway.users.list_users(max_stale=float("inf"), on_stale=lambda stale: ages.append(stale.source))
    await gateway.users.get_role("role_1", only_if_cached=True, max_age=2.5)
    ages += [user.id async for user in gateway.users.iterate(max_stale=60, on_stale=show)]
    await gateway.execute("{ __typename }", max_age=10, max_stale=60, only_if_cached=False)
    async for _ in gateway.subscribe("{ __typename }", max_age=None):
        break
    return ages


async def name_of(users: Users, principal: Principal) -> str | None:
    """The service can be passed on, as a whole or for a caller."""
    user = await users.by(principal).get_user("acus_1", UserSource.ACCOUNT, fields=("name",))
    try:
        return user.name if user else None
    except FieldNotLoaded as error:
        return f"{error.record}.{error.field}"
