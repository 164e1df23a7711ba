"""The settings as they are given: by options, the environment and the file, before they are validated."""

import argparse
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.settings.environment import EnvironmentSource
from gateway.settings.names import CONFIG, Leaf, LeafPath, at, leaves
from gateway.settings.tree import Settings

__all__ = ["Given"]


@dataclass(frozen=True, slots=True)
class Given:
    """Three trees of values, and the path of the settings file, empty if there is none."""

    options: dict[str, Any] = field(repr=False)
    environment: dict[str, Any] = field(repr=False)
    file: dict[str, Any] = field(repr=False)
    file_name: str = ""

    @classmethod
    def read(cls, arguments: argparse.Namespace) -> "Given":
        """Read all of them.

        Raises:
            OSError, tomllib.TOMLDecodeError: the file cannot be read, or is not TOML.
            pydantic_settings.SettingsError: a variable for a group of settings is not JSON.
        """
        file_name = os.environ.get(CONFIG, "")
        file = tomllib.loads(Path(file_name).read_text("utf-8")) if file_name else {}
        return cls(_tree(leaves(Settings), arguments), EnvironmentSource(Settings)(), file, file_name)

    def origin(self, path: LeafPath) -> str:
        """Return where a value comes from: `option`, `environment`, `file`, or `default`."""
        origins = (("option", self.options), ("environment", self.environment), ("file", self.file))
        return next((name for name, tree in origins if at(tree, path) is not None), "default")


def _tree(known: Iterable[Leaf], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the command line as a tree."""
    tree: dict[str, Any] = {}
    for leaf in known:
        value = getattr(arguments, ".".join(leaf.path), None)
        if value is not None:
            group = tree
            for name in leaf.path[:-1]:
                group = group.setdefault(name, {})
            group[leaf.path[-1]] = value
    return tree
