"""Compiled operations: Python code is generated for an operation once and gives the response of graphql-core.

The fast path is straight-line code: it reads attributes, checks scalars and iterates over lists. All other values (a
wrong type, null for a non-null type, an exception or an awaitable as a value) take the slow path: graphql-core's
executor completes the value at hand. A root resolver is never called twice. docs/compiled.md explains the mechanism.
"""

from gateway.api.graphql.compiled.coverage import Uncovered
from gateway.api.graphql.compiled.operation import Compiled, compile_operation

__all__ = ["Compiled", "Uncovered", "compile_operation"]
