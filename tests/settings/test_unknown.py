"""Names that are no settings."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from settings.conftest import Run

from gateway import Settings

NO_SETTING = "there is no such setting"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("GATEWAY_HTTP_PROT", "GATEWAY_HTTP_PORT"),
        ("GATEWAY_ACCOUNT_BASE_URL", "GATEWAY_ACCOUNT__BASE_URL"),
        ("GATEWAY_ACCOUNT__BASEURL", "GATEWAY_ACCOUNT__BASE_URL"),
        ("GATEWAY__HTTP__PORT", "GATEWAY_HTTP_PORT"),
        ("gateway_http_port", "GATEWAY_HTTP_PORT"),
        ("Gateway_Account__Token", "GATEWAY_ACCOUNT__TOKEN"),
        ("GATEWAY_ACCOUNT__TOKEN_FIEL", "GATEWAY_ACCOUNT__TOKEN_FILE"),
        ("GATEWAY_REDIS_FILE", "GATEWAY_REDIS_URL_FILE"),
        ("GATEWAY_CONFIGURATION", "GATEWAY_CONFIG"),
        ("GATEWAY_PORT", "GATEWAY_HTTP_PORT or GATEWAY_GRPC_PORT"),
    ],
)
def test_a_variable_with_a_mistake(run: Run, wrong: str, meant: str) -> None:
    """A variable that is no setting exits with 2, names the nearest setting, and does not show the value."""
    completed = run("config", **{wrong: "s3cret"})
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr == f"{wrong}: {NO_SETTING}; did you mean {meant}?\n"


def test_every_mistake_at_once(run: Run, tmp_path: Path) -> None:
    """All mistakes in the file, in the environment and in values are reported, a line each."""
    file = tmp_path / "gateway.toml"
    file.write_text('http_hosst = "x"\nmax_body_bytes = 1\n[account]\ntokn = "s3cret"\n[acount]\ntoken = "s3cret"\n')
    completed = run("config", "--config", str(file), GATEWAY_LOG_LEVL="x", GATEWAY_ENVIRONMENT="prod")
    assert completed.returncode == 2
    assert sorted(completed.stderr.splitlines()) == sorted(
        [
            f"http_hosst of {file}: {NO_SETTING}; did you mean http_host?",
            f"tokn in [account] of {file}: {NO_SETTING}; did you mean token?",
            f"acount of {file}: {NO_SETTING}; did you mean account?",
            f"GATEWAY_LOG_LEVL: {NO_SETTING}; did you mean GATEWAY_LOG_LEVEL?",
            "GATEWAY_ENVIRONMENT: got \"prod\"; must be 'development' or 'production'",
            f"GATEWAY_MAX_BODY_BYTES (max_body_bytes of {file}): got 1; must be at least 1024",
        ]
    )


@pytest.mark.parametrize("key", ["GATEWAY_HTTP_PORT = 9001", "http-port = 9001", "HTTP_PORT = 9001"])
def test_other_spellings_in_the_file(run: Run, tmp_path: Path, key: str) -> None:
    """A setting in another spelling than that of the file is an error with the right one."""
    file = tmp_path / "gateway.toml"
    file.write_text(key)
    completed = run("config", GATEWAY_CONFIG=str(file))
    assert completed.returncode == 2
    assert completed.stderr.endswith(f"of {file}: {NO_SETTING}; did you mean http_port?\n")


def test_an_unknown_option(run: Run) -> None:
    """An option that does not exist exits with 2 and names the nearest one; abbreviations are not options."""
    for wrong in ("--http-prot=1", "--http-por"):
        completed = run("serve", wrong, "1")
        assert completed.returncode == 2
        assert completed.stderr.endswith("; did you mean --http-port?\n")


def test_nothing_is_similar(run: Run) -> None:
    """Where no setting is similar, the message says how to list them."""
    completed = run("config", GATEWAY_XYZZY="1")
    assert completed.stderr == f"GATEWAY_XYZZY: {NO_SETTING}; `gateway config --all` prints all settings\n"


SERVICE_LINKS = {
    "GATEWAY_SERVICE_HOST": "10.96.0.12",
    "GATEWAY_SERVICE_PORT": "8000",
    "GATEWAY_SERVICE_PORT_HTTP": "8000",
    "GATEWAY_PORT": "tcp://10.96.0.12:8000",
    "GATEWAY_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    "GATEWAY_PORT_8000_TCP_ADDR": "10.96.0.12",
    "GATEWAY_PORT_8000_TCP_PORT": "8000",
    "GATEWAY_PORT_8000_TCP_PROTO": "tcp",
    "GATEWAY_REDIS_SERVICE_HOST": "10.96.0.13",
    "GATEWAY_REDIS_PORT": "tcp://10.96.0.13:6379",
    "GATEWAY_HTTP_SERVICE_HOST": "10.96.0.14",
    "GATEWAY_HTTP_PORT": "tcp://10.96.0.14:80",
}


def test_service_links_of_kubernetes(run: Run) -> None:
    """What Kubernetes sets for services whose names begin with `gateway` is ignored, also by a setting of the name."""
    completed = run("config", "--json", **SERVICE_LINKS)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "{}\n", "")


def test_variables_of_other_programs(run: Run) -> None:
    """Variables that are listed as those of other programs are ignored; an empty variable is as one that is not set."""
    completed = run("config", GATEWAY_IGNORED_VARIABLES="GATEWAY_URL", GATEWAY_URL="x", GATEWAY_FOO="")
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.split() == ["GATEWAY_IGNORED_VARIABLES", "GATEWAY_URL", "environment"]


def test_a_program_that_embeds_the_gateway(clean_environment: pytest.MonkeyPatch) -> None:
    """`Settings` refuses unknown arguments and variables with the nearest name, and shows no value."""
    clean_environment.setenv("GATEWAY_ACCOUNT_TOKEN", "s3cret")
    with pytest.raises(ValidationError) as refused:
        Settings(acount={"token": "s3cret"})
    message = str(refused.value)
    assert "did you mean GATEWAY_ACCOUNT__TOKEN?" in message
    assert "did you mean account?" in message
    assert "s3cret" not in message
