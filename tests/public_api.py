"""Describes the public API: the names of each public module with their signatures, and the classes in these.

As a script, it writes the description to docs/public-api.txt.
"""

import ast
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["DESCRIPTION", "MODULES", "description", "exported", "mentioned"]

MODULES = (
    "gateway",
    "gateway.auth",
    "gateway.changes",
    "gateway.errors",
    "gateway.models",
    "gateway.sources",
    "gateway.state",
    "gateway.testing",
)
DESCRIPTION = Path(__file__).parents[1] / "docs/public-api.txt"
_SPECIAL = {
    "__init__",
    "__call__",
    "__aenter__",
    "__aexit__",
    "__aiter__",
    "__anext__",
    "__enter__",
    "__exit__",
    "__iter__",
    "__len__",
    "__getitem__",
    "__contains__",
}
_HEAD = """\
The public API: all that programs may import and use, with its types. `make api` writes it, and a
test compares it with the code, so that each change of it is seen in review (docs/embedding.md, "Versions").
"""


def _modules() -> Iterator[ModuleType]:
    yield from map(import_module, MODULES)


def exported() -> dict[int, str]:
    """Return the public name of each exported object, by its identity."""
    return {id(getattr(module, name)): f"{module.__name__}.{name}" for module in _modules() for name in module.__all__}


def description() -> str:
    """Return all modules with the signatures of their names."""
    public = exported()
    lines = [_HEAD]
    for module in _modules():
        lines.append(f"\n{module.__name__}")
        for name in sorted(module.__all__):
            lines += (f"  {line}" for line in _described(name, getattr(module, name), public))
    return "\n".join(lines) + "\n"


def _described(name: str, value: Any, public: dict[int, str]) -> Iterator[str]:
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases})" if bases else f"class {name}"
        for line in dict.fromkeys(line for each in _inherited(value, public) for line in _members(each)):
            yield f"  {line}"
    elif inspect.isfunction(value):
        [function] = _parsed(value).body
        assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        yield _signature(function)
    else:
        yield f"{name} = {value!r}" if isinstance(value, str | int) else name


def _inherited(value: type, public: dict[int, str]) -> Iterator[type]:
    """Yield a class and those of its bases that are not exported themselves; what is inherited from those is listed."""
    for each in value.__mro__:
        if each.__module__.partition(".")[0] == "gateway" and (each is value or id(each) not in public):
            yield each


def _parsed(value: Any) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(value)))


def _members(value: type) -> Iterator[str]:
    [definition] = _parsed(value).body
    assert isinstance(definition, ast.ClassDef)
    for member in definition.body:
        match member:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if _is_public(member.name):
                yield _signature(member)
            case ast.AnnAssign(target=ast.Name(id=name)) if _is_public(name) and name != "model_config":
                default = f" = {_default(member.value)}" if member.value is not None else ""
                yield f"{name}: {ast.unparse(member.annotation)}{default}"
            case ast.Assign(targets=[ast.Name(id=name)]) if _is_public(name):
                yield f"{name} = {ast.unparse(member.value)}"


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in _SPECIAL


def _default(value: ast.expr) -> str:
    """Return the default of an attribute; of a call that describes a field, its `default` alone."""
    if isinstance(value, ast.Call):
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if "default" in given:
            return ast.unparse(given["default"])
        if "default_factory" in given:
            return f"{ast.unparse(given['default_factory'])}()"
        if isinstance(value.func, ast.Name) and value.func.id in {"Field", "field"}:
            return "..."
    return ast.unparse(value)


def _signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    decorators = {ast.unparse(decorator) for decorator in function.decorator_list}
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    if "property" in decorators or "cached_property" in decorators:
        return f"{function.name}:{returns.removeprefix(' ->')}"
    prefix = "".join(f"@{name} " for name in ("classmethod", "staticmethod", "overload") if name in decorators)
    word = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    return f"{prefix}{word} {function.name}({ast.unparse(function.args)}){returns}"


def mentioned() -> dict[str, set[type]]:
    """Return the classes of the gateway in the public signatures, by where they are mentioned."""
    found: dict[str, set[type]] = {}
    public = exported()
    for module in _modules():
        for name in module.__all__:
            value = getattr(module, name)
            for where, hints in _hints(name, value, public):
                classes = {cls for hint in hints for cls in _classes(hint)}
                found[f"{module.__name__}.{where}"] = {
                    cls for cls in classes if cls.__module__.partition(".")[0] == "gateway"
                }
    return found


def _hints(name: str, value: Any, public: dict[int, str]) -> Iterator[tuple[str, list[Any]]]:
    if inspect.isclass(value):
        for each in _inherited(value, public):
            scope = vars(inspect.getmodule(each)) | _known()
            for attribute, annotation in inspect.get_annotations(each).items():
                if _is_public(attribute):
                    yield f"{name}.{attribute}", [_evaluated(annotation, scope)]
            for attribute, member in vars(each).items():
                if _is_public(attribute) and (function := _function(member)) is not None:
                    yield f"{name}.{attribute}", _of_function(function, scope)
    elif inspect.isfunction(value):
        yield name, _of_function(value, vars(inspect.getmodule(value)) | _known())
    else:
        yield name, [value]


def _function(member: Any) -> Callable[..., Any] | None:
    if isinstance(member, property):
        return member.fget
    if isinstance(member, classmethod | staticmethod):
        return member.__func__
    is_written = inspect.isfunction(member) and member.__code__.co_filename != "<string>"  # as a dataclass has it
    return member if is_written else None


def _of_function(function: Callable[..., Any], scope: dict[str, Any]) -> list[Any]:
    return [_evaluated(annotation, scope) for annotation in function.__annotations__.values()]


def _known() -> dict[str, Any]:
    """Return what signatures name that their modules import for type checkers alone."""
    from aiohttp import web

    names = {name.rpartition(".")[2]: name for name in exported().values()}
    return {"web": web} | {short: _at(name) for short, name in names.items()}


def _at(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def _evaluated(annotation: Any, scope: dict[str, Any]) -> Any:
    return eval(annotation, scope) if isinstance(annotation, str) else annotation  # noqa: S307 - an annotation of ours


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, typing.TypeVar):
        yield from _classes(hint.__bound__)
    elif isinstance(hint, list | tuple):  # the parameters of a Callable
        for each in hint:
            yield from _classes(each)
    elif arguments := typing.get_args(hint):
        if typing.get_origin(hint) is typing.Annotated:
            arguments = arguments[:1]
        elif typing.get_origin(hint) is typing.Literal:
            return
        yield from _classes(typing.get_origin(hint))
        for argument in arguments:
            yield from _classes(argument)
    elif isinstance(hint, type):
        yield hint
    elif isinstance(hint, str | typing.ForwardRef):
        text = hint if isinstance(hint, str) else hint.__forward_arg__
        yield from _classes(eval(text, _known()))  # noqa: S307 - the same


if __name__ == "__main__":
    DESCRIPTION.write_text(description())
