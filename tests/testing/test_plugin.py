"""The pytest plugin, in runs of pytest of other projects."""

from collections.abc import Callable
from pathlib import Path

import pytest

LIGHT = """
import sys

MODULES = set(sys.modules)

def test_nothing_is_imported():
    assert "gateway.testing.plugin" in MODULES
    assert not {"aiohttp", "pydantic", "gateway.app", "gateway.testing.sandbox"} & MODULES
"""

SYNCHRONOUS = """
from gateway.testing import AccountUser

def test_sandbox(gateway_sandbox):
    user_id = gateway_sandbox.seed(AccountUser(name="Eve"))
    assert gateway_sandbox.stored(user_id)["name"] == "Eve"
"""

ASYNCHRONOUS = """
from gateway.testing import AccountUser

async def test_gateway(gateway, gateway_sandbox):
    user_id = gateway_sandbox.seed(AccountUser(name="Eve"))
    user = await gateway.users.get_user(user_id)
    assert user.name == "Eve"
    assert len(gateway_sandbox.calls) == 1
"""

ASYNCIO = "import pytest\npytestmark = pytest.mark.asyncio\n" + ASYNCHRONOUS
ANYIO = (
    "import pytest\npytestmark = pytest.mark.anyio\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    + ASYNCHRONOUS
)
TRIO = ANYIO.replace("return 'asyncio'", "return 'trio'")

PROJECT_FIXTURES = """
import pytest

@pytest.fixture
def gateway_settings(gateway_sandbox):
    return gateway_sandbox.settings(account={"timeout": 3}, reseller=None)
"""

SETTINGS = """
async def test_settings(gateway):
    assert gateway.settings.account.timeout == 3
    assert not gateway.settings.reseller.configured
"""

RunPytest = Callable[..., str]


@pytest.fixture
def run_pytest(run_tests_in: Callable[..., str], tmp_path: Path) -> RunPytest:
    """Runs pytest on some files, with warnings as errors."""
    project = tmp_path / "project"
    project.mkdir()

    def run(*options: str, **files: str) -> str:
        for name, text in files.items():
            (project / f"{name}.py").write_text(text)
        return run_tests_in(project, "-W", "error", *options)

    return run


def test_with_pytest_asyncio_and_anyio(run_pytest: RunPytest) -> None:
    """In strict mode, each asynchronous test has its gateway in its event loop, with the settings of the project.

    Other tests pay nothing for it. The tests of examples/bff run in auto mode.
    """
    files = {"test_1": LIGHT, "test_2": SYNCHRONOUS, "test_3": ASYNCIO + SETTINGS, "test_4": ANYIO}
    output = run_pytest("-o", "asyncio_default_fixture_loop_scope=function", conftest=PROJECT_FIXTURES, **files)
    assert "5 passed" in output, output


def test_with_anyio_alone(run_pytest: RunPytest) -> None:
    """Without pytest-asyncio the plugin of anyio enters the gateway; with Trio the test fails with the reason."""
    output = run_pytest("-p", "no:asyncio", test_1=ANYIO, test_2=TRIO)
    assert "1 passed, 1 error" in output, output
    assert "The gateway needs asyncio: let the fixture `anyio_backend` return 'asyncio'." in output


def test_with_neither(run_pytest: RunPytest) -> None:
    """Without a plugin for asynchronous tests the sandbox works, and the gateway is refused with the reason."""
    synchronous = "def test_gateway(gateway):\n    pass\n"
    output = run_pytest("-p", "no:asyncio", "-p", "no:anyio", test_1=SYNCHRONOUS, test_2=synchronous)
    assert "1 passed, 1 error" in output, output
    assert "needs the plugin pytest-asyncio or that of anyio" in output
