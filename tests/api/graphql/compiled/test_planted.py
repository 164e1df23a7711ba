"""Plants bugs in copies of the compiler, and checks that the comparison with graphql-core finds each of them."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from api.graphql.compiled.comparison import Case, case_of

from gateway.api.graphql import compiled

_SEEDS = 1000  # as many as the comparison has by default
_CASES: dict[int, Case | None] = {}  # the answers of graphql-core do not depend on the bug


class Bug(NamedTuple):
    """A change to the source of one module: `original` is replaced by `planted`."""

    module: str
    original: str
    planted: str


_BUGS = {
    "an alias is ignored": Bug("field_codegen", "r[{slot.key!r}]", "r[{slot.nodes[0].name.value!r}]"),
    "the program of other conditions is used": Bug(
        "operation", "return tuple(variables.coerced.get(name) for name in self._condition_variables)", "return ()"
    ),
    "skip and include are swapped": Bug(
        "operation",
        "self._operation, values, hide",
        "self._operation, values._replace("
        "coerced={k: not v if isinstance(v, bool) else v for k, v in values.coerced.items()}), hide",
    ),
    "a type condition applies to every type": Bug(
        "codegen",
        "                type_,\n                slot.details",
        "                self._schema.get_type('User') if type_.interfaces else type_,\n                slot.details",
    ),
    "a null is not propagated": Bug("run", "(error, slot.type,", "(error, getattr(slot.type, 'of_type', slot.type),"),
    "an index counts from one": Bug("codegen", "in enumerate(v):", "in enumerate(v, 1):"),
    "an index is that of the outer list": Bug("answer_slots", "indices[self.depth - 1]", "indices[0]"),
    "a text is not checked": Bug("leaves", 'f"a if a.__class__ is str else {name(_text)}(a)"', '"a"'),
    "an enum member becomes its value": Bug(
        "leaves", "{member: type_.coerce_output_value(member)", "{member: member.value"
    ),
    "an item fails its list": Bug("codegen", 'f"        r.append(x.handle_error(e, ', 'f"        raise #'),
    "a batch is in another order": Bug(
        "levels", "for ref, _ in self._consumers.values()", "for ref, _ in reversed(self._consumers.values())"
    ),
    "records of two sources are taken for one": Bug("lookups", '("source", "tenant") if', "() if"),
    "an error of a lookup is reported for one consumer only": Bug(
        "run",
        "if uses == self._slow_path_uses:\n                    reusable",
        "if True:\n                    reusable",
    ),
    "an error of a lookup in a reused result is reported once": Bug("run", "if other != indices:", "if False:"),
    "a result is reused in different slots": Bug("field_codegen", "number = len(self.reused_slots)", "number = 0"),
    "a result of the slow path is reused": Bug(
        "run",
        "if uses == self._slow_path_uses:\n            self.reusable",
        "if True:\n            self.reusable",
    ),
    "a lookup is not made": Bug("field_codegen", '"if {need} <= v.loaded or not v.source_id:"', '"if True or {need}:"'),
    "a bare reference is taken for a record": Bug(
        "field_codegen", "a.name is None and {need}", "a.name is None and not {need}"
    ),
    "an expansion lacks what is below it": Bug(
        "lookups", "plan.below(self.kind, self.attribute)", "frozenset({self.attribute})"
    ),
    "mutations run at the same time": Bug("operation", "self._is_mutation or len(", "len("),
    "a change is executed twice": Bug(
        "run",
        "                    value = root.resolve(None,",
        "                    await root.resolve(None, self._info(slot, ()), **arguments)\n"
        "                    value = root.resolve(None,",
    ),
    "the default of a variable is ignored": Bug(
        "arguments", "required or definition.default_value is not None", "required"
    ),
    "a null argument is left out": Bug(
        "arguments",
        "if value is None:\n                if variable not in coerced:",
        "if value is None:\n                continue\n                if variable not in coerced:",
    ),
    "a wrong variable is accepted": Bug("arguments", "not is_plain(value):", "False:"),
    "a value is not awaited": Bug("run", "if not is_awaitable(completed):", "if True:"),
}


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Bug], Any]]:
    """Return a function that copies the compiler with a bug in it, and returns the `compile_operation` of the copy."""
    name = f"planted_{tmp_path.name}"

    def make(bug: Bug) -> Any:
        modules = list(Path(compiled.__file__).parent.glob("*.py"))
        assert bug.module in {module.stem for module in modules}
        for module in modules:
            source = module.read_text()
            if module.stem == bug.module:
                assert bug.original in source
                source = source.replace(bug.original, bug.planted)
            target = tmp_path / name / module.name
            target.parent.mkdir(exist_ok=True)
            target.write_text(source.replace("gateway.api.graphql.compiled", name))
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(name).compile_operation

    yield make
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("bug", [pytest.param(bug, id=name) for name, bug in _BUGS.items()])
async def test_is_found(plant: Callable[[Bug], Any], bug: Bug) -> None:
    """With the bug, a document of the comparison has another answer, or none."""
    compile_operation = plant(bug)
    for seed in range(_SEEDS):
        if seed not in _CASES:
            _CASES[seed] = await case_of(seed)
        case = _CASES[seed]
        try:
            found = case is not None and await case.difference(compile_operation)
        except Exception as error:  # noqa: BLE001 - any exception is a difference
            found = f"{type(error).__name__}: {error}"
        if found:
            print(f"found by seed {seed}: {found}")  # noqa: T201 - shown if the test is run with -s
            return
    pytest.fail("The comparison does not find this bug.")
