"""Manifests of trusted documents, as the builds of three clients write them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["DOCUMENTS", "FORMS", "sha256", "written"]

DOCUMENTS = {
    "Ada": 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { __typename id name } }',
    "ById": "query ById($id: ID!) { user(id: $id, source: ACCOUNT) { __typename id name } }",
}


def sha256(text: str) -> str:
    """The hash that Apollo's and codegen's clients name a document by."""
    return hashlib.sha256(text.encode()).hexdigest()


def _apollo() -> object:
    operations = [{"id": sha256(body), "name": name, "type": "query", "body": body} for name, body in DOCUMENTS.items()]
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}


def _relay() -> object:
    """Relay names by MD5."""
    return [[hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), text] for text in DOCUMENTS.values()]


def _codegen() -> object:
    return {sha256(text): text for text in DOCUMENTS.values()}


FORMS: dict[str, tuple[Callable[[], object], Callable[[str], str]]] = {
    "apollo": (_apollo, sha256),
    "relay": (_relay, lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()),
    "codegen": (_codegen, sha256),
}
"""How each writes its manifest, and how it names a document."""


def written(form: str, folder: Path) -> Path:
    """A manifest in that form."""
    file = folder / f"{form}.json"
    file.write_text(json.dumps(FORMS[form][0]()))
    return file
