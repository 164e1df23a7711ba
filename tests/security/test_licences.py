"""Whose code runs beside ours, and on what terms."""

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
    "MPL-2.0",  # weak: it asks for the source of its own files where they are changed
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
    return [one.name for one in found if one.marker is None or one.marker.evaluate()]


@pytest.mark.parametrize("package", _locked())
def test_a_licence_that_is_allowed(package: str) -> None:
    """Each locked package that runs with the gateway is under a licence of the list, as its own metadata says."""
    told = metadata(package)
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if line.startswith("License")]
    said = told.get("License-Expression") or told.get("License") or " AND ".join(classifiers)  # told[…] warns in 3.13
    expression = SPELLINGS.get(said, said)
    words = [word for word in re.split(r"\s+(?:AND|OR)\s+|[()]", expression) if word.strip()]
    assert words
    assert {SPELLINGS.get(word.strip(), word.strip()) for word in words} <= ALLOWED, said
