"""The contents of docker/compose.yaml and of the Dockerfile."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, RESELLER_ID, RESELLER_TOKEN, SOFTWAREONE_TOKEN, WEBHOOK_TOKEN
from gateway.settings import Settings
from gateway.settings.names import leaves

ROOT = Path(__file__).parents[2]


def test_every_variable_is_a_setting(instructions, services):
    """All variables that compose and the image set are settings."""
    known = {leaf.variable for leaf in leaves(Settings)}
    image = {
        name
        for instruction in instructions
        if instruction.name == "ENV"
        for name in instruction.pairs
        if name.startswith("GATEWAY_")
    }
    assert image == {"GATEWAY_HTTP_HOST", "GATEWAY_HTTP_PORT", "GATEWAY_GRPC_HOST", "GATEWAY_ADMIN_HOST"}
    assert image <= known
    assert set(services["gateway"]["environment"]) <= known


def test_the_credentials_are_the_sandboxs(services):
    """The gateway has the public credentials of the sandbox."""
    environment = services["gateway"]["environment"]
    assert {name: value for name, value in environment.items() if not name.endswith(("URL", "PORT"))} == {
        "GATEWAY_ACCOUNT__TOKEN": ACCOUNT_TOKEN,
        "GATEWAY_ACCOUNT__ACCOUNT_ID": ACCOUNT_ID,
        "GATEWAY_SOFTWAREONE__TOKEN": SOFTWAREONE_TOKEN,
        "GATEWAY_RESELLER__TOKEN": RESELLER_TOKEN,
        "GATEWAY_RESELLER__RESELLER_ID": RESELLER_ID,
        "GATEWAY_RESELLER__WEBHOOK_TOKEN": WEBHOOK_TOKEN,
    }


def test_the_gateway_waits_for_a_healthy_sandbox(services):
    """The sandbox has a separate health check, and the gateway starts after it has passed."""
    assert services["gateway"]["depends_on"] == {"sandbox": {"condition": "service_healthy"}}
    assert services["sandbox"]["healthcheck"]["test"][0] == "CMD"
    assert "healthcheck" not in services["gateway"]  # the one of the image


def test_ports_are_published_on_loopback(services):
    """The gateway is published on loopback only, the sandbox not at all."""
    assert services["gateway"]["ports"] == [
        "127.0.0.1:8000:8000",
        "127.0.0.1:50051:50051",
        "127.0.0.1:8001:8001",
    ]
    assert "ports" not in services["sandbox"]


@pytest.mark.parametrize("name", ["gateway", "sandbox"])
def test_a_service_is_locked_down(services, name):
    """Of a service only bounded temporary files can be written; it has no capabilities and no new privileges."""
    assert services[name]["read_only"] is True
    assert services[name]["tmpfs"] == ["/tmp:size=128m"]  # noqa: S108 - inside the container, where one process runs
    assert services[name]["cap_drop"] == ["ALL"]
    assert services[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["gateway", "sandbox"])
def test_a_service_has_limits(services, name):
    """A service cannot take all memory, processor time and processes of the machine, and may open enough files."""
    assert (services[name]["mem_limit"], services[name]["pids_limit"]) == ("1g", 256)
    assert services[name]["cpus"] == 2
    assert services[name]["ulimits"] == {"nofile": 65_536}


@pytest.mark.parametrize("name", ["gateway", "sandbox"])
def test_a_service_is_built_here(services, name):
    """The image of a service is built from the Dockerfile of this checkout."""
    built = services[name]["build"]
    context = (ROOT / "docker" / built["context"]).resolve()
    assert context == ROOT
    assert (context / built["dockerfile"]).is_file()


def test_the_bases_are_official_python_images(instructions):
    """A base image is named without a registry, which the settings of the engine determine, and can be pinned."""
    bases = {instruction.text.split(" AS ")[0] for instruction in instructions if instruction.name == "FROM"}
    assert bases == {"${PYTHON_IMAGE}"}
    defaults = [instruction.pairs.get("PYTHON_IMAGE") for instruction in instructions if instruction.name == "ARG"]
    assert "python:3.13-slim" in defaults
    assert "# syntax=" not in (ROOT / "docker/Dockerfile").read_text()


def test_code_comes_after_dependencies(instructions):
    """After a change of the code, the layers of both locks and of GraphiQL are reused."""
    texts = [instruction.text for instruction in instructions]
    code = texts.index("gateway gateway")
    for layer in ("requirements/run.txt", "requirements/build.txt", "graphiql/build.py"):
        assert max(index for index, text in enumerate(texts) if layer in text) < code


def test_the_labels_are_the_projects(instructions):
    """Version, title and description of the image are those of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pairs = {
        name: value
        for instruction in instructions
        if instruction.name in {"ARG", "LABEL"}
        for name, value in instruction.pairs.items()
    }
    assert pairs["VERSION"] == project["version"]
    assert pairs["org.opencontainers.image.title"] == project["name"]
    assert pairs["org.opencontainers.image.description"] == project["description"]


def test_docker_reads_nothing_that_git_ignores(context):
    """The context of the image has no file that git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    assert context <= set(known)


def test_docker_reads_what_the_image_needs_and_no_more(context):
    """The context of the image has the two packages, their locks and their two files only."""
    packages = {"gateway", "usergateway"}
    assert {path.split("/")[0] for path in context} == packages | {"pyproject.toml", "README.md", "requirements"}
    assert not [path for path in context if path.endswith(".pyc") or "/dist/" in path]
