"""Compiled documents: an operation becomes Python code once, and answers what graphql-core would answer.

The usual is straight-line code: attributes read, leaves checked, lists walked. What is unusual (a wrong type, a null
in a non-null place, an exception or an awaitable as a value) is completed by graphql-core's own executor, from the
value in hand. A root resolver is never called twice.
"""

from gateway.api.graphql.compiled.coverage import Uncovered
from gateway.api.graphql.compiled.operation import Compiled, Executed, compile_operation

__all__ = ["Compiled", "Executed", "Uncovered", "compile_operation"]
