"""The public API is what docs/public-api.txt describes, and is complete in itself."""

from importlib import import_module

import pytest
from public_api import DESCRIPTION, MODULES, description, exported, mentioned


def test_the_description_is_up_to_date() -> None:
    """Each public name has the described signature: `make api` writes the description, and the diff is reviewed."""
    assert DESCRIPTION.read_text() == description(), "docs/public-api.txt is stale: run `make api`"


@pytest.mark.parametrize("name", MODULES)
def test_every_name_is_listed(name: str) -> None:
    """What a public module defines without an underscore is in its `__all__`, sorted."""
    module = import_module(name)
    assert list(module.__all__) == sorted(module.__all__, key=_order)
    classes = {name for name, value in vars(module).items() if getattr(value, "__module__", "").startswith("gateway.")}
    assert {each for each in classes if not each.startswith("_") and isinstance(vars(module)[each], type)} <= set(
        module.__all__
    )


def _order(name: str) -> tuple[bool, str]:
    return (not name.isupper(), name)  # as ruff sorts: constants first


def test_signatures_need_public_classes_alone() -> None:
    """No public signature mentions a class of the gateway that is not exported from a public module."""
    public = exported()
    inner = {
        where: names
        for where, classes in mentioned().items()
        if (names := {cls.__name__ for cls in classes if id(cls) not in public})
    }
    assert inner == {}


def test_a_class_is_exported_once() -> None:
    """Each class has one public name."""
    listed = [getattr(import_module(name), each) for name in MODULES for each in import_module(name).__all__]
    classes = [value for value in listed if isinstance(value, type)]
    assert len(classes) == len(set(classes))
