"""The command-line option of each setting, and loading the settings of a command."""

import argparse
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import pydantic_settings
from pydantic import ValidationError

from gateway.settings.given import Given
from gateway.settings.messages import SettingsError, error_lines, line
from gateway.settings.names import CONFIG, Leaf, leaves, variable_of
from gateway.settings.shown import as_text
from gateway.settings.tree import Settings

__all__ = ["SettingsError", "add_options", "load", "read_given"]

_FREQUENT = {
    "addresses": ("http_host", "http_port", "grpc_host", "grpc_port", "admin_host", "admin_port"),
    "callers": ("environment", "auth.mode", "auth.keys_file"),
    "sources": (
        "account.base_url",
        "account.account_id",
        "softwareone.base_url",
        "reseller.base_url",
        "reseller.reseller_id",
    ),
    "log, metrics and traces": ("log_level", "log_format", "access_log", "otlp_endpoint"),
}
"""The settings that the help of a command has, by heading."""

_FIELD = re.compile(r'field "(\w+)"')


def add_options(parser: argparse.ArgumentParser, *, listed: bool = True) -> None:
    """Add an option for each setting that is not a secret, and `--help-all`, which prints all of them.

    The help of the command has the most frequent settings and the variables of the secrets; with `listed` False it has
    neither.
    """
    parser.formatter_class = _Formatter
    parser.usage = "%(prog)s [--config FILE.toml] [--OPTION VALUE ...]"
    parser.add_argument("--help-all", action=_HelpAll, help="show the options of all settings, and exit")
    parser.add_argument("--config", metavar="FILE.toml", help=f"read settings from a file [{CONFIG}]")
    known = {".".join(leaf.path): leaf for leaf in leaves(Settings)}
    parser.epilog = "All settings can be given as options: see --help-all."
    if listed:
        parser.epilog = _secrets(known.values())
        for title, names in _FREQUENT.items():
            group = parser.add_argument_group(title)
            for name in names:
                leaf = known.pop(name)
                _add_option(group, leaf, leaf.field.description)
    for leaf in known.values():
        _add_option(parser, leaf, None)


def load(arguments: argparse.Namespace, **fixed: Any) -> Settings:
    """Load the settings; `fixed` has those that the command sets itself.

    Raises:
        SettingsError: settings are not valid; the message names each of them, its value and the rule.
    """
    given = read_given(arguments)
    try:
        settings = Settings(**_merged(given.options, fixed))
    except ValidationError as error:
        raise SettingsError(error_lines(error, given)) from None
    if settings.lacks_authentication:
        rule = "production requires GATEWAY_AUTH__MODE: api_key, jwt or both"
        raise SettingsError(line(("environment",), settings.environment.value, rule, given))
    return settings


def read_given(arguments: argparse.Namespace) -> Given:
    """Return the settings as they are given.

    Raises:
        SettingsError: the file of settings, or a variable for a group of them, cannot be read.
    """
    if arguments.config:
        os.environ[CONFIG] = arguments.config
    file = os.environ.get(CONFIG)
    if file and not Path(file).is_file():  # pydantic-settings ignores a missing file
        problem = "is no file" if Path(file).exists() else "does not exist"
        raise SettingsError(f"{file}: the settings file {problem}")
    try:
        return Given.read(arguments)
    except pydantic_settings.SettingsError as error:
        group = variable_of(_FIELD.findall(str(error)))
        raise SettingsError(f"{group}: the value must be JSON; or set the settings of this group one by one") from None
    except OSError as error:
        raise SettingsError(f"{file}: the settings file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: the settings file is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: the settings file is not valid TOML: {error}") from None


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Formats the help so that most options take one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)


class _HelpAll(argparse.Action):
    """Prints the help with all settings, in groups."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        whole = argparse.ArgumentParser(
            parser.prog,
            usage=parser.usage,
            description="All settings, each by option or by environment variable.",
            formatter_class=_Formatter,
            add_help=False,
        )
        known = list(leaves(Settings))
        for name, members in groupby(known, lambda leaf: leaf.path[0] if leaf.path[1:] else ""):
            group = whole.add_argument_group(_title(name))
            for leaf in members:
                _add_option(group, leaf, leaf.field.description)
        whole.epilog = _secrets(known)
        whole.print_help()
        parser.exit()


def _title(group: str) -> str:
    """Return what the settings of a group are about; those in no group are about the whole gateway."""
    text = (Settings.model_fields[group].annotation.__doc__ or "").splitlines()[0] if group else "The gateway."
    return text.removeprefix("The settings of ").removeprefix("The ").rstrip(".")


def _add_option(parser: Any, leaf: Leaf, description: str | None) -> None:
    """Add the option of a setting to a parser or to a group of options; a secret has none."""
    if leaf.is_secret:
        return  # all users of the machine can read the arguments of a process
    default = as_text(leaf, leaf.default)
    notes = f"[{leaf.variable}{f', default {default}' if default else ''}]"
    text = argparse.SUPPRESS if description is None else f"{description} {notes}".replace("%", "%%")
    parser.add_argument(leaf.option, dest=".".join(leaf.path), metavar="VALUE", help=text)


def _secrets(known: Iterable[Leaf]) -> str:
    """Return the part of the help about secrets, with the beginning of each description."""
    secrets = [leaf for leaf in known if leaf.is_secret]
    width = max(len(leaf.variable) for leaf in secrets)
    descriptions = [str(leaf.field.description).partition(";")[0] for leaf in secrets]
    rows = [f"  {leaf.variable:<{width}}  {text}" for leaf, text in zip(secrets, descriptions, strict=True)]
    return "\n".join(
        (
            "secrets, which have no option, because other users of the machine can read the options of a process:",
            *rows,
            "Each can be in a file, which is read again when it changes: GATEWAY_ACCOUNT__TOKEN_FILE=/run/secrets/…",
        )
    ).replace("%", "%%")


def _merged(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two trees; where both have a value, the one of `override` wins."""
    merged = dict(base)
    for name, value in override.items():
        group = merged.get(name)
        merged[name] = _merged(group, value) if isinstance(group, dict) and isinstance(value, Mapping) else value
    return merged
