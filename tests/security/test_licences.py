"""The licences of the packages that run with the gateway."""

import re
from importlib.metadata import metadata

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",  # weak copyleft: it requires the source of its files where they are changed
    "PSF-2.0",
}
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}


def _locked() -> list[str]:
    lines = (ROOT / "requirements" / "run.txt").read_text().splitlines()
    found = [Requirement(line.rstrip(" \\")) for line in lines if re.match(r"[A-Za-z0-9]", line)]
    return [requirement.name for requirement in found if requirement.marker is None or requirement.marker.evaluate()]


@pytest.mark.parametrize("package", _locked())
def test_a_licence_that_is_allowed(package: str) -> None:
    """The metadata of each locked package that runs with the gateway has a licence of the list."""
    fields = metadata(package)
    classifiers = [
        line.rpartition(" :: ")[2] for line in fields.get_all("Classifier", []) if line.startswith("License")
    ]
    # get() and not [], which warns in Python 3.13.
    licence = fields.get("License-Expression") or fields.get("License") or " AND ".join(classifiers)
    expression = SPELLINGS.get(licence, licence)
    names = [name for name in re.split(r"\s+(?:AND|OR)\s+|[()]", expression) if name.strip()]
    assert names
    assert {SPELLINGS.get(name.strip(), name.strip()) for name in names} <= ALLOWED, licence
