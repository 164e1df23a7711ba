"""Secrets that are read from files."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from settings.conftest import Run

from gateway import Settings
from gateway.settings.names import Leaf, leaves
from gateway.settings.secret_files import SecretFile

SECRETS = [leaf for leaf in leaves(Settings) if leaf.is_secret]
VALUE = "s3cret-s3cret-s3cret"


def _tree(path: tuple[str, ...], value: object) -> dict[str, object]:
    return {path[0]: value} if len(path) == 1 else {path[0]: _tree(path[1:], value)}


@pytest.mark.parametrize("leaf", SECRETS, ids=lambda leaf: leaf.variable)
def test_every_secret(clean_environment: pytest.MonkeyPatch, tmp_path: Path, leaf: Leaf) -> None:
    """Each secret can be in a file that the environment, the settings file or the embedding program names."""
    file, config = tmp_path / "secret", tmp_path / "gateway.toml"
    file.write_text(f"{VALUE}\n")
    *group, name = leaf.path
    by_program = Settings.model_validate(_tree((*group, f"{name}_file"), str(file)))
    clean_environment.setenv(f"{leaf.variable}_FILE", str(file))
    by_environment = Settings()
    clean_environment.delenv(f"{leaf.variable}_FILE")
    config.write_text("".join(f"[{part}]\n" for part in group) + f'{name}_file = "{file}"\n')
    clean_environment.setenv("GATEWAY_CONFIG", str(config))
    for settings in (by_program, by_environment, Settings()):
        secret = leaf.value(settings)
        assert isinstance(secret, SecretStr)
        assert secret.get_secret_value() == VALUE
        assert VALUE not in f"{settings!r}{settings.model_dump()}{settings.model_dump_json()}"


@pytest.mark.parametrize(("content", "value"), [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), (" a b\n", " a b")])
def test_the_line_break_at_the_end(tmp_path: Path, content: str, value: str) -> None:
    """The line break at the end of the file is no part of the secret; everything else is."""
    (tmp_path / "secret").write_bytes(content.encode())
    assert SecretFile(tmp_path / "secret").get_secret_value() == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the file cannot be read: No such file or directory"),
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"s3cret\xff", "the file is not UTF-8 text"),
        (b"s3cret", "must have at least 16 characters"),
    ],
)
def test_a_file_that_is_unusable(run: Run, tmp_path: Path, content: bytes | None, message: str) -> None:
    """A file without a usable secret exits with 2; the message names the setting and the file, not the content."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    completed = run("config", GATEWAY_PICTURES__SECRET_FILE=str(file))
    assert completed.returncode == 2
    assert completed.stderr == f'GATEWAY_PICTURES__SECRET_FILE: got "{file}"; {message}\n'


@pytest.mark.parametrize("arguments", [(), ("--account-token-file", "{file}")])
def test_the_secret_and_its_file(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A secret and a file for it, both set, are an error."""
    file = tmp_path / "secret"
    file.write_text(VALUE)
    by_environment = {} if arguments else {"GATEWAY_ACCOUNT__TOKEN_FILE": str(file)}
    arguments = tuple(argument.format(file=file) for argument in arguments)
    completed = run("config", *arguments, GATEWAY_ACCOUNT__TOKEN="s3cret", **by_environment)
    assert completed.returncode == 2
    [line] = completed.stderr.splitlines()
    assert "GATEWAY_ACCOUNT__TOKEN_FILE" in line
    assert line.endswith("the secret itself is set as well: set one of them")
    assert "s3cret" not in line


def test_config_shows_the_file(run: Run, tmp_path: Path) -> None:
    """`config` prints the path of the file, and the secret masked with the setting that it comes from."""
    file = tmp_path / "secret"
    file.write_text(VALUE)
    printed = run("config", GATEWAY_ACCOUNT__TOKEN_FILE=str(file)).stdout
    secret, of_file = printed.index("GATEWAY_ACCOUNT__TOKEN "), printed.index("GATEWAY_ACCOUNT__TOKEN_FILE  ")
    assert printed[secret:of_file].split() == ["GATEWAY_ACCOUNT__TOKEN", "********", "GATEWAY_ACCOUNT__TOKEN_FILE"]
    assert printed[of_file:].split() == ["GATEWAY_ACCOUNT__TOKEN_FILE", str(file), "environment"]
