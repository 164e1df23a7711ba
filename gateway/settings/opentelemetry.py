"""The standard environment variables of OpenTelemetry, which configure its SDK in every program."""

import os
from collections.abc import Mapping

__all__ = ["opentelemetry_variables"]


def opentelemetry_variables() -> Mapping[str, str]:
    """Return the variables that begin with `OTEL_`; an empty one counts as unset, as OpenTelemetry specifies."""
    return {name: value for name, value in os.environ.items() if name.startswith("OTEL_") and value}
