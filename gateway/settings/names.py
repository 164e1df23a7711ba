"""The names of all settings: paths in the tree, environment variables, options; and the nearest one of a wrong name."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings.secret_files import FILE_SUFFIX, SecretFile, is_secret

__all__ = ["CONFIG", "PREFIX", "Leaf", "LeafPath", "at", "leaves", "nearest", "variable_of"]

PREFIX = "GATEWAY_"
CONFIG = "GATEWAY_CONFIG"
"""The variable with the path of the settings file: no setting, because the file cannot name itself."""

LeafPath = tuple[str, ...]
"""The names of the groups around a setting, and its name."""

_SIMILAR = 0.6  # the least ratio of a name that is proposed; `PORT` for `HTTP_PORT` has 0.62
_EQUALLY = 0.02  # the greatest difference to the best ratio


def variable_of(path: Iterable[str]) -> str:
    """Return the environment variable of a path."""
    return PREFIX + "__".join(path).upper()


def at(tree: Any, path: LeafPath) -> Any:
    """Return the value at a path in nested mappings, None if there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: its path in the tree, its environment variable and its option.

    `of_secret` is the name of the secret if the setting is the file for one.
    """

    path: LeafPath
    field: FieldInfo
    of_secret: str | None = None

    @property
    def variable(self) -> str:
        """The environment variable."""
        return variable_of(self.path)

    @property
    def option(self) -> str:
        """The option of the command line."""
        return "--" + "-".join(self.path).replace("_", "-")

    @property
    def default(self) -> Any:
        """The value if none is given."""
        return self.field.get_default(call_default_factory=True)

    @property
    def is_secret(self) -> bool:
        """Whether the value must not be shown."""
        return self.of_secret is None and is_secret(self.field)

    def value(self, settings: BaseModel) -> Any:
        """Return the value in effect; that of a file for a secret is its path."""
        group: Any = settings
        for name in self.path[:-1]:
            group = getattr(group, name)
        value = getattr(group, self.of_secret or self.path[-1])
        if self.of_secret is None:
            return value
        return value.path if isinstance(value, SecretFile) else None


def leaves(model: type[BaseModel], path: LeafPath = ()) -> Iterator[Leaf]:
    """Yield all settings, in the order of the tree; after each secret, the file for it."""
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from leaves(nested, (*path, name))
            continue
        leaf = Leaf((*path, name), field)
        yield leaf
        if leaf.is_secret:
            description = f"file with that secret, instead of `{leaf.variable}`; read again when it changes"
            of_file = FieldInfo(annotation=str, default=None, description=description)
            yield Leaf((*path, name + FILE_SUFFIX), of_file, of_secret=name)


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that are most similar to a wrong one; none if no name is similar.

    Upper and lower case, hyphens and the number of underscores make no difference: these are the usual mistakes.
    """
    wrong = _normalised(name)
    ratios = {candidate: SequenceMatcher(None, wrong, _normalised(candidate)).ratio() for candidate in known}
    best = max(ratios.values(), default=0.0)
    return [candidate for candidate, ratio in ratios.items() if ratio >= max(_SIMILAR, best - _EQUALLY)][:3]


def _normalised(name: str) -> str:
    """Return the part of a name that distinguishes it from other ones."""
    return re.sub(r"[-_.]+", "_", name).upper().removeprefix(PREFIX)
