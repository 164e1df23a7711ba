"""What is proposed for a name that is no setting."""

from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from gateway.settings.names import CONFIG, PREFIX, leaves, nearest

__all__ = ["UNKNOWN", "proposal", "with_proposals"]

UNKNOWN = "unknown_setting"
"""The type of the error for a name that is no setting."""

_BUILT_IN = frozenset(get_args(core_schema.ErrorType))


def proposal(model: type[BaseModel], location: tuple[str | int, ...], *, variable: bool) -> str:
    """Return what to do about an unknown name: the end of a sentence, with the nearest names if there are any.

    With `variable` the names are environment variables, otherwise paths in the tree, or names in the same group.
    """
    path = ".".join(map(str, location))
    if variable:
        found = nearest(path, [CONFIG, *(leaf.variable for leaf in leaves(model))])
    else:
        paths = [".".join(leaf.path) for leaf in leaves(model)]
        groups = dict.fromkeys(known.rpartition(".")[0] for known in paths if "." in known)
        group = path.rpartition(".")[0]
        found = [known.removeprefix(f"{group}.") if group else known for known in nearest(path, [*groups, *paths])]
    return f"did you mean {' or '.join(found)}?" if found else "`gateway config --all` prints all settings"


def with_proposals(model: type[BaseModel], error: ValidationError) -> ValidationError:
    """Return the error with a proposal for each name that is no setting."""
    known = {leaf.variable for leaf in leaves(model)}

    def details(found: ErrorDetails) -> InitErrorDetails:
        kind, location, context = found["type"], found["loc"], found.get("ctx", {})
        if kind == "extra_forbidden":
            name = str(location[0])
            is_variable = len(location) == 1 and name.upper().startswith(PREFIX) and name not in known
            text = proposal(model, location, variable=is_variable)
            custom = PydanticCustomError(UNKNOWN, "there is no such setting; {proposal}", {"proposal": text})
            return InitErrorDetails(type=custom, loc=location, input=found["input"])
        if kind not in _BUILT_IN:
            custom = PydanticCustomError(kind, "{message}", {"message": found["msg"]})
            return InitErrorDetails(type=custom, loc=location, input=found["input"])
        return InitErrorDetails(type=kind, loc=location, input=found["input"], ctx=context)

    return ValidationError.from_exception_data(error.title, list(map(details, error.errors())), hide_input=True)
