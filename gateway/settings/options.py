"""The command-line option of each setting, and the origin of each value."""

import argparse
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from gateway.settings import Settings

__all__ = ["Leaf", "SettingsError", "add_options", "leaves", "load", "origins"]

_URL_CREDENTIALS = re.compile(r"//[^/@\s]*@")


class SettingsError(Exception):
    """A setting that is not valid; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: its path in the tree, its environment variable and its option."""

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def variable(self) -> str:
        return "GATEWAY_" + "__".join(self.path).upper()

    @property
    def option(self) -> str:
        return "--" + "-".join(self.path).replace("_", "-")

    @property
    def default(self) -> Any:
        return self.field.get_default(call_default_factory=True)


def leaves(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield all settings, in the order of the tree."""
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from leaves(nested, (*path, name))
        else:
            yield Leaf((*path, name), field)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each setting that is not a secret."""
    parser.add_argument("--config", metavar="FILE.toml", help="read settings from a file [GATEWAY_CONFIG]")
    group = parser.add_argument_group("settings", "the environment variable of each option is in brackets")
    for leaf in leaves():
        if _is_secret(leaf):
            continue  # all users of the machine can read the arguments of a process
        default = "" if leaf.default in {None, "", ()} else f", default {_shown(leaf.default)}"
        group.add_argument(
            leaf.option,
            dest=".".join(leaf.path),
            metavar="VALUE",
            help=f"{leaf.field.description} [{leaf.variable}{default}]".replace("%", "%%"),
        )


def load(arguments: argparse.Namespace, **fixed: Any) -> Settings:
    """Load the settings; `fixed` has those that the command sets itself.

    Raises:
        SettingsError: settings are not valid; the message names each of them, its value and the rule.
    """
    if arguments.config:
        os.environ["GATEWAY_CONFIG"] = arguments.config
    file = os.environ.get("GATEWAY_CONFIG")
    if file and not Path(file).is_file():  # pydantic-settings ignores a missing file
        raise SettingsError(f"{file}: the settings file does not exist")
    try:
        return Settings(**_merged(_given(arguments), fixed))
    except ValidationError as error:
        raise SettingsError("\n".join(_line(details) for details in error.errors(include_url=False))) from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def origins(arguments: argparse.Namespace, settings: Settings) -> Iterator[tuple[Leaf, str, str]]:
    """Yield each setting with its value, secrets masked, and the origin of the value."""
    given = _given(arguments)
    file = os.environ.get("GATEWAY_CONFIG")
    from_file = tomllib.loads(Path(file).read_text()) if file else {}
    for leaf in leaves():
        value = _at(settings.model_dump(), leaf.path)
        if _at(given, leaf.path) is not None:
            origin = f"option {leaf.option}"
        elif os.environ.get(leaf.variable):
            origin = f"environment {leaf.variable}"
        elif _at(from_file, leaf.path) is not None:
            origin = f"file {file}"
        else:
            origin = "default"
        yield leaf, _shown(value), origin


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the command line as a tree."""
    tree: dict[str, Any] = {}
    for leaf in leaves():
        value = getattr(arguments, ".".join(leaf.path), None)
        if value is not None:
            group = tree
            for name in leaf.path[:-1]:
                group = group.setdefault(name, {})
            group[leaf.path[-1]] = value
    return tree


def _merged(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two trees; where both have a value, the one of `override` wins."""
    merged = dict(base)
    for name, value in override.items():
        group = merged.get(name)
        merged[name] = _merged(group, value) if isinstance(group, dict) and isinstance(value, Mapping) else value
    return merged


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _is_secret(leaf: Leaf) -> bool:
    return "SecretStr" in str(leaf.field.annotation)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, tuple):  # as it is given: with blanks between
        value = " ".join(map(str, value))
    return "" if value is None else _URL_CREDENTIALS.sub("//********@", str(value))


def _line(error: Any) -> str:
    """Format one error of pydantic for the operator, without secrets."""
    leaf = next((leaf for leaf in leaves() if leaf.path == error["loc"][: len(leaf.path)]), None)
    name = leaf.variable if leaf else "GATEWAY_" + "__".join(map(str, error["loc"])).upper()
    message: str = error["msg"].removeprefix("Value error, ")  # pydantic's, of a validator of ours
    if not error["loc"]:
        return message  # of several settings, which it names
    message = f"{message[0].lower()}{message[1:]}"
    if leaf is None:
        return f"{name}: {message}"  # the input of an error in a whole group is the group, with its secrets
    value = "a secret value" if _is_secret(leaf) else _URL_CREDENTIALS.sub("//********@", repr(error["input"]))
    return f"{name}: got {value}; {message}"
