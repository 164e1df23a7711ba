"""One sandbox for all, gateways in front of it with any settings, and callers with keys to production."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count

import pytest
from aiohttp import ClientSession
from security.outside import Caller, Control, Keys, Recorded, Serve, recorded

from gateway.callers.api_keys import new_api_key
from gateway.operation import scopes as all_scopes
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

SCOPES = {
    "all": ("users:read", "users:write"),
    "reader": ("users:read",),
    "account-reader": ("users:read:account",),
    "nobody": (),
}


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """The three systems, in which nobody changes what others read."""
    with _sandbox(tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings with which a gateway finds three systems in which anything may be changed."""
    with _sandbox(tmp_path_factory) as running:
        yield _settings(running)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A key for each kind of caller."""
    made = {name: new_api_key(name, scopes, KNOWN) for name, scopes in SCOPES.items()}
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    file.write_text("\n".join(entry.to_toml() for _, entry in made.values()))
    return Keys(file, {name: key for name, (key, _) in made.items()})


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory, sandbox: Recorded, keys: Keys) -> Iterator[Serve]:
    """Starts `gateway serve` in front of the sandbox, with settings by variable.

    When all tests are done, nothing that any of these gateways printed has a caller's key or a system's token in it.
    """
    folder, number, systems = tmp_path_factory.mktemp("printed"), count(), _settings(sandbox)

    def start(**environment: str) -> AbstractContextManager[Recorded]:
        ports = {"GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "0"}
        return recorded(folder / f"{next(number)}", "serve", **(systems | ports | environment))

    yield start
    known = [*keys.by_name.values(), *(value for name, value in systems.items() if name.endswith("TOKEN"))]
    printed = {file: file.read_text() for file in folder.iterdir()}
    assert [(file, secret) for file, text in printed.items() for secret in known if secret in text] == []


@pytest.fixture(scope="session")
def production_settings(keys: Keys) -> dict[str, str]:
    """What production takes at the least."""
    return {
        "GATEWAY_ENVIRONMENT": "production",
        "GATEWAY_AUTH__MODE": "api_key",
        "GATEWAY_AUTH__KEYS_FILE": str(keys.file),
    }


@pytest.fixture(scope="session")
def production(serve: Serve, production_settings: dict[str, str]) -> Iterator[Recorded]:
    """A gateway as it is put on the internet."""
    with serve(**production_settings) as running:
        yield running


@pytest.fixture(scope="session")
def development(serve: Serve) -> Iterator[Recorded]:
    """A gateway as it starts without being told anything."""
    with serve() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """An HTTP client."""
    async with ClientSession() as session:
        yield session


@pytest.fixture
def at(session: ClientSession, keys: Keys) -> Callable[..., Caller]:
    """Makes a caller of a running gateway; with a name, one who has that key."""

    def made(running: Recorded, name: str | None = None) -> Caller:
        headers = {} if name is None else {"X-API-Key": keys.by_name[name]}
        return Caller(session, running.address("GraphQL"), headers)

    return made


@pytest.fixture
def control(sandbox: Recorded, session: ClientSession) -> Control:
    """What the sandbox was asked, and what shall go wrong there."""
    found = re.search(r"^control\s+(http\S+)", sandbox.printed, re.MULTILINE)
    assert found
    return Control(session, found[1])


def _sandbox(folders: pytest.TempPathFactory) -> AbstractContextManager[Recorded]:
    file = folders.mktemp("sandbox") / "printed"
    return recorded(file, "sandbox", "--port", "0", "--no-rate-limits", last="_sandbox")


def _settings(sandbox: Recorded) -> dict[str, str]:
    return dict(re.findall(r"^\s*(GATEWAY_\w+)=(\S+)$", sandbox.printed, re.MULTILINE))
