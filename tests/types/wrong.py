"""Uses of the public API that are mistakes: a type checker reports exactly the lines with the comment."""

from gateway import AccountSettings, Gateway, Settings
from gateway.auth import Connection, Principal
from gateway.changes import UpdateAccountUser
from gateway.models import StaleData, UserSource
from gateway.testing import AccountUser, Sandbox


def settings() -> None:
    """Names and types of settings are checked."""
    Settings(http_prot=8000)  # expect error
    Settings(http_port="eight")  # expect error
    Settings(log_level="LOUD")  # expect error
    AccountSettings(base_url=8000)  # expect error
    AccountSettings(token="a token, which is to be a SecretStr")  # expect error
    Settings(account={"base_url": "https://api.example"})  # expect error
    Settings().http_port = 8080  # expect error


async def reads(gateway: Gateway) -> str:
    """Arguments, and results that may be None, are checked."""
    await gateway.users.get_user(1)  # expect error
    await gateway.users.get_user("acus_1", "account")  # expect error
    user = await gateway.users.get_user("acus_1", UserSource.ACCOUNT)
    gateway.users.get_usr("acus_1")  # expect error
    return user.name  # expect error


async def changes(gateway: Gateway) -> None:
    """Changes are checked, and are frozen."""
    UpdateAccountUser(emial="ada@example.test")  # expect error
    change = UpdateAccountUser(name="Ada")
    change.name = "Grace"  # expect error
    await gateway.users.update_account_user("acus_1", 1)  # expect error


def principal() -> Principal:
    """A principal has a name."""
    return Principal(scopes=frozenset())  # expect error


async def by_headers(headers: dict[str, str]) -> Principal:
    """It takes the headers where a connection is given."""
    return Principal(headers["x-user"])


def by_connection(connection: Connection) -> Principal | None:
    """It is not asynchronous."""
    return Principal(connection.peer)


def own_parts() -> None:
    """What replaces a part has to fulfil its protocol."""
    Gateway(authenticate=by_headers)  # expect error
    Gateway(authenticate=by_connection)  # expect error
    Gateway(sources=("account",))  # expect error
    Gateway(credentials=by_headers)  # expect error
    Gateway(transport=by_headers)  # expect error
    Gateway(clock=1)  # expect error


async def subscriptions(gateway: Gateway) -> None:
    """A subscription is iterated over, not awaited."""
    await gateway.subscribe("subscription { userChanged { id } }")  # expect error
    await gateway.execute("{ __typename }", principal="ada")  # expect error


def sandboxes(sandbox: Sandbox) -> None:
    """Faults and records are checked by name."""
    sandbox.fail("acount")  # expect error
    sandbox.fail("account", "explode")  # expect error
    sandbox.fail("account", statuss=500)  # expect error
    sandbox.seed(AccountUser(nam="Eve"))  # expect error


async def typed_service(gateway: Gateway) -> None:
    """Names in mappings, views and paths are checked, and what pages and iterations have."""
    await gateway.users.update_account_user("acus_1", {"emial": "ada@example.test"})  # expect error
    await gateway.users.update_account_user("acus_1", {"role_id": 5})  # expect error
    await gateway.users.create_account_user({"name": None})  # expect error
    await gateway.users.list_users({"emial": "ada@example.test"})  # expect error
    await gateway.users.get_user("acus_1", view="full")  # expect error
    page = await gateway.users.list_users()
    assert page.edges  # expect error
    async for user in gateway.users.iterate():
        assert user.identifier  # expect error


async def remember(stale: StaleData) -> None:
    """It is asynchronous, so nobody would await it."""


async def kept_records(gateway: Gateway) -> None:
    """What is accepted of kept records has types; changes and subscriptions read anew."""
    await gateway.users.get_user("acus_1", max_age="60")  # expect error
    await gateway.users.get_user("acus_1", max_stale=None)  # expect error
    await gateway.users.list_users(only_if_cached="yes")  # expect error
    await gateway.users.find_person("ada@example.test", on_stale=remember)  # expect error
    await gateway.users.update_account_user("acus_1", {"name": "Ada"}, max_age=0)  # expect error
    gateway.users.subscribe(max_stale=60)  # expect error
    await gateway.execute("{ __typename }", on_stale=print)  # expect error
