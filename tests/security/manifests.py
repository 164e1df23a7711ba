"""Manifests of trusted documents, in the formats of three clients."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["DOCUMENTS", "FORMS", "sha256", "write_manifest"]

DOCUMENTS = {
    "Ada": 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { __typename id name } }',
    "ById": "query ById($id: ID!) { user(id: $id, source: ACCOUNT) { __typename id name } }",
}


def sha256(text: str) -> str:
    """Return the hash by which clients of Apollo and codegen name a document."""
    return hashlib.sha256(text.encode()).hexdigest()


def _apollo() -> object:
    operations = [{"id": sha256(body), "name": name, "type": "query", "body": body} for name, body in DOCUMENTS.items()]
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}


def _relay() -> object:
    """Return a manifest of Relay, which names documents by MD5."""
    return [[hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), text] for text in DOCUMENTS.values()]


def _codegen() -> object:
    return {sha256(text): text for text in DOCUMENTS.values()}


FORMS: dict[str, tuple[Callable[[], object], Callable[[str], str]]] = {
    "apollo": (_apollo, sha256),
    "relay": (_relay, lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()),
    "codegen": (_codegen, sha256),
}
"""For each format, the function that returns a manifest, and the function that returns the name of a document."""


def write_manifest(form: str, folder: Path) -> Path:
    """Write a manifest of the given format to a file."""
    file = folder / f"{form}.json"
    file.write_text(json.dumps(FORMS[form][0]()))
    return file
