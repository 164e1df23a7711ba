"""Uses of the public API that type checkers accept. It is not executed."""

from pydantic import SecretStr

from gateway import AccountSettings, AuthMode, AuthSettings, Environment, Gateway, LimitSettings, Settings
from gateway.auth import Principal
from gateway.changes import (
    Blob,
    Icon,
    NotificationPreference,
    NotificationType,
    UpdateAccountUser,
    UpdateSoftwareOneUser,
)
from gateway.errors import BadUserInput, GatewayError
from gateway.models import Department, Role, User, UserSource


def settings_by_class() -> Settings:
    """Every setting has a default; a URL is a str, and a port that is off is None."""
    account = AccountSettings(base_url="https://api.example/identity", token=SecretStr("t"), account_id="acct_1")
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
