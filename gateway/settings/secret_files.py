"""Secrets that are read from files, as Docker and Kubernetes mount them.

Every setting that is a secret has a second name with `_file` at its end, for a file that contains it:
`GATEWAY_ACCOUNT__TOKEN_FILE` instead of `GATEWAY_ACCOUNT__TOKEN`, `token_file` in the settings file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidatorFunctionWrapHandler, WrapValidator, model_validator
from pydantic.fields import FieldInfo

from gateway.kit.watched_file import WatchedFile

__all__ = [
    "FILE_SUFFIX",
    "NamedFile",
    "Secret",
    "SecretFile",
    "SettingsGroup",
    "is_secret",
    "secret_that",
    "take_files",
]

FILE_SUFFIX = "_file"
_NUMBER = re.compile(r"\b(int|float)\b")
_MAX_BYTES = 64 * 1024

Check = Callable[[str], None]
"""Raises a ValueError with the rule that a secret breaks, and nothing of the secret."""


class SecretFile(SecretStr):
    """A secret that is read from a file: without the line break at its end, and again when the file has changed.

    While the file is missing, empty, no text or breaks the rule of `check`, the last usable secret stays in effect, and
    the log says so.

    Raises:
        OSError, ValueError: the file cannot be read, or its content is unusable, when the object is created.
    """

    def __init__(self, path: Path, check: Check | None = None) -> None:
        self.path = path
        self._check = check
        self._file = WatchedFile(path, self._parse, max_bytes=_MAX_BYTES)
        super().__init__(self._file.current())

    def get_secret_value(self) -> str:
        """Return the secret; at most four times a second the file is checked for changes."""
        return self._file.current()

    def refresh(self) -> None:
        """Read the file now if it has changed."""
        self._file.check()

    def _parse(self, content: bytes) -> str:
        try:
            text = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError("the file is not UTF-8 text") from None  # the original names the bytes
        if not text.strip():
            raise ValueError("the file is empty")
        if self._check is not None:
            self._check(text)
        return text


@dataclass(frozen=True, slots=True)
class NamedFile:
    """The file that a setting names for a secret, before it is read, and whether the secret is given as well."""

    path: str
    is_ambiguous: bool


def secret_that(check: Check | None = None) -> WrapValidator:
    """Return the validator of a secret that may be in a file; it has to pass `check`, also when it is read again."""

    def read(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, NamedFile):
            secret = handler(value)
            if check is not None:
                check(secret.get_secret_value())
            return secret
        if value.is_ambiguous:
            raise ValueError("the secret itself is set as well: set one of them")
        try:
            return handler(SecretFile(Path(value.path), check))
        except OSError as error:
            raise ValueError(f"the file cannot be read: {error.strerror}") from None

    return WrapValidator(read)


Secret = Annotated[SecretStr, secret_that()]


def is_secret(field: FieldInfo) -> bool:
    """Return whether the value of a setting is a secret."""
    return "SecretStr" in str(field.annotation)


def take_files(fields: Mapping[str, FieldInfo], values: object) -> object:
    """Return the values of a group of settings with the files of its secrets in the place of the secrets."""
    if not isinstance(values, Mapping):
        return values
    taken = {name: _as_text(value, fields.get(name)) for name, value in values.items()}
    for name in filter(lambda name: is_secret(fields[name]), fields):
        if path := taken.pop(name + FILE_SUFFIX, None):
            taken[name] = NamedFile(str(path), is_ambiguous=bool(taken.get(name)))
    return taken


def _as_text(value: object, field: FieldInfo | None) -> object:
    """Return a truth value as the file has it where a number is meant; pydantic would take it for 0 or 1."""
    if isinstance(value, bool) and field is not None and _NUMBER.search(str(field.annotation)):
        return str(value).lower()
    return value


class SettingsGroup(BaseModel, frozen=True):
    """A group of settings: unknown names are errors, and each secret can be in a file."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _take_files(cls, values: object) -> object:
        return take_files(cls.model_fields, values)
