"""A sandbox for all tests, gateways in front of it with any settings, and callers with API keys."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count

import pytest
from aiohttp import ClientSession
from security.outside import Caller, Control, Keys, RecordedProcess, Serve, run_recorded

from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes as all_scopes
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

SCOPES = {
    "all": ("users:read", "users:write"),
    "reader": ("users:read",),
    "account-reader": ("users:read:account",),
    "nobody": (),
}


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedProcess]:
    """A sandbox that no test changes."""
    with _sandbox(tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="module")
def second_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings for a gateway in front of another sandbox, which tests may change."""
    with _sandbox(tmp_path_factory) as running:
        yield _settings(running)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """An API key for each kind of caller."""
    created = {name: new_api_key(name, scopes, KNOWN) for name, scopes in SCOPES.items()}
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    file.write_text("\n".join(entry.to_toml() for _, entry in created.values()))
    return Keys(file, {name: key for name, (key, _) in created.items()})


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory, sandbox: RecordedProcess, keys: Keys) -> Iterator[Serve]:
    """A function that starts `gateway serve` in front of the sandbox, with settings given as environment variables.

    After all tests it checks that no gateway printed the API key of a caller or the token of a source.
    """
    folder, number, source_settings = tmp_path_factory.mktemp("printed"), count(), _settings(sandbox)

    def start(*, files: int | None = None, **environment: str) -> AbstractContextManager[RecordedProcess]:
        ports = {"GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "0"}
        all_settings = source_settings | ports | environment
        return run_recorded(folder / f"{next(number)}", "serve", files=files, **all_settings)

    yield start
    secret_values = [
        *keys.by_name.values(),
        *(value for name, value in source_settings.items() if name.endswith("TOKEN")),
    ]
    printed = {file: file.read_text() for file in folder.iterdir()}
    assert [(file, secret) for file, text in printed.items() for secret in secret_values if secret in text] == []


@pytest.fixture(scope="session")
def production_settings(keys: Keys) -> dict[str, str]:
    """The settings that production requires."""
    return {
        "GATEWAY_ENVIRONMENT": "production",
        "GATEWAY_AUTH__MODE": "api_key",
        "GATEWAY_AUTH__KEYS_FILE": str(keys.file),
    }


@pytest.fixture(scope="session")
def production(serve: Serve, production_settings: dict[str, str]) -> Iterator[RecordedProcess]:
    """A gateway with the settings of production."""
    with serve(**production_settings) as running:
        yield running


@pytest.fixture(scope="session")
def development(serve: Serve) -> Iterator[RecordedProcess]:
    """A gateway with default settings."""
    with serve() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """An HTTP client."""
    async with ClientSession() as session:
        yield session


@pytest.fixture
def caller_of(session: ClientSession, keys: Keys) -> Callable[..., Caller]:
    """A function that returns a caller of a running gateway, with the API key of that name if one is given."""

    def caller(running: RecordedProcess, name: str | None = None) -> Caller:
        headers = {} if name is None else {"X-API-Key": keys.by_name[name]}
        return Caller(session, running.address("GraphQL"), headers)

    return caller


@pytest.fixture
def control(sandbox: RecordedProcess, session: ClientSession) -> Control:
    """The control API of the sandbox."""
    found = re.search(r"^control\s+(http\S+)", sandbox.printed, re.MULTILINE)
    assert found
    return Control(session, found[1])


def _sandbox(folders: pytest.TempPathFactory) -> AbstractContextManager[RecordedProcess]:
    file = folders.mktemp("sandbox") / "printed"
    return run_recorded(file, "sandbox", "--port", "0", "--no-rate-limits", last="_sandbox")


def _settings(sandbox: RecordedProcess) -> dict[str, str]:
    return dict(re.findall(r"^\s*(GATEWAY_\w+)=(\S+)$", sandbox.printed, re.MULTILINE))
