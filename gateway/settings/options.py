"""Every setting as an option of the command line, and where each value came from."""

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

_USER_OF_A_URL = re.compile(r"//[^/@\s]*@")


class SettingsError(Exception):
    """A setting that cannot be used, in sentences for whoever set it."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: its place in the tree, its variable and its option."""

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
    """Every setting of the tree, in its order."""
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from leaves(nested, (*path, name))
        else:
            yield Leaf((*path, name), field)


def add_options(parser: argparse.ArgumentParser) -> None:
    """An option for every setting; secrets are left to the environment and the file."""
    parser.add_argument("--config", metavar="FILE.toml", help="settings in a file [GATEWAY_CONFIG]")
    group = parser.add_argument_group("settings", "each option has its environment variable, in brackets")
    for leaf in leaves():
        if _secret(leaf):
            continue  # a process's arguments are there for everybody on the machine to read
        default = "" if leaf.default in {None, ""} else f", default {_shown(leaf.default)}"
        group.add_argument(
            leaf.option,
            dest=".".join(leaf.path),
            metavar="VALUE",
            help=f"{leaf.field.description} [{leaf.variable}{default}]".replace("%", "%%"),
        )


def load(arguments: argparse.Namespace, **fixed: Any) -> Settings:
    """The settings in force; `fixed` is set by the command itself.

    Raises:
        SettingsError: naming each bad setting, what it got and what it takes.
    """
    if arguments.config:
        os.environ["GATEWAY_CONFIG"] = arguments.config
    file = os.environ.get("GATEWAY_CONFIG")
    if file and not Path(file).is_file():  # pydantic-settings passes over it in silence
        raise SettingsError(f"{file}: there is no such file")
    try:
        return Settings(**_deep(_given(arguments), fixed))
    except ValidationError as error:
        raise SettingsError("\n".join(_complaint(one) for one in error.errors(include_url=False))) from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def origins(arguments: argparse.Namespace, settings: Settings) -> Iterator[tuple[Leaf, str, str]]:
    """Each setting with its value, secrets masked, and where the value came from."""
    given = _given(arguments)
    file = os.environ.get("GATEWAY_CONFIG")
    filed = tomllib.loads(Path(file).read_text()) if file else {}
    for leaf in leaves():
        value = _at(settings.model_dump(), leaf.path)
        if _at(given, leaf.path) is not None:
            origin = f"option {leaf.option}"
        elif os.environ.get(leaf.variable):
            origin = f"environment {leaf.variable}"
        elif _at(filed, leaf.path) is not None:
            origin = f"file {file}"
        else:
            origin = "default"
        yield leaf, _shown(value), origin


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line sets, as a tree."""
    tree: dict[str, Any] = {}
    for leaf in leaves():
        value = getattr(arguments, ".".join(leaf.path), None)
        if value is not None:
            place = tree
            for name in leaf.path[:-1]:
                place = place.setdefault(name, {})
            place[leaf.path[-1]] = value
    return tree


def _deep(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for name, value in high.items():
        below = merged.get(name)
        merged[name] = _deep(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return merged


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _secret(leaf: Leaf) -> bool:
    return "SecretStr" in str(leaf.field.annotation)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "********"
    return "" if value is None else _USER_OF_A_URL.sub("//********@", str(value))


def _complaint(error: Any) -> str:
    leaf = next((one for one in leaves() if one.path == error["loc"][: len(one.path)]), None)
    name = leaf.variable if leaf else "GATEWAY_" + "__".join(map(str, error["loc"])).upper()
    told = f"{error['msg'][0].lower()}{error['msg'][1:]}"
    if leaf is None:
        return f"{name}: {told}"  # an error of a whole group comes with all that is set in it, secrets too
    got = "a value that is not shown" if _secret(leaf) else _USER_OF_A_URL.sub("//********@", repr(error["input"]))
    return f"{name}: got {got}; {told}"
