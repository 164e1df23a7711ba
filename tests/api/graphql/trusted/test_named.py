"""The text that is executed for a request with a document's name, a text, or both."""

import hashlib

import pytest

from gateway.api.graphql.trusted.manifest import Manifest
from gateway.api.graphql.trusted.named import NamedDocuments, Resolved, Trust
from gateway.api.graphql.trusted.naming import (
    DocumentName,
    NotTrusted,
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
)
from gateway.errors import BadUserInput, GatewayError
from gateway.state.memory.documents import MemoryDocuments

MANIFEST = Manifest({"ab": "{ a }"})
NO_NAME = DocumentName()
KNOWN = DocumentName("ab")
UNKNOWN = DocumentName("zz")
TEXT = "{ other }"
HASH = hashlib.sha256(TEXT.encode()).hexdigest()
HASHED = DocumentName(HASH, HASH)
TRUSTED = Resolved("{ a }", trusted=True)
SENT = Resolved(TEXT, trusted=False)


@pytest.mark.parametrize(
    ("trust", "name", "text", "expected"),
    [
        (Trust.OFF, NO_NAME, TEXT, SENT),
        (Trust.OFF, KNOWN, None, TRUSTED),
        (Trust.OFF, UNKNOWN, TEXT, SENT),
        (Trust.OFF, UNKNOWN, None, PersistedQueryNotFound),
        (Trust.OFF, HASHED, TEXT, SENT),
        (Trust.OFF, NO_NAME, None, BadUserInput),
        (Trust.LOG, NO_NAME, TEXT, SENT),
        (Trust.LOG, KNOWN, None, TRUSTED),
        (Trust.LOG, UNKNOWN, None, PersistedQueryNotFound),
        (Trust.ENFORCE, KNOWN, None, TRUSTED),
        (Trust.ENFORCE, NO_NAME, "{ a }", TRUSTED),
        (Trust.ENFORCE, UNKNOWN, "{ a }", TRUSTED),
        (Trust.ENFORCE, KNOWN, TEXT, TRUSTED),  # the name takes priority, so a trusted document is executed
        (Trust.ENFORCE, NO_NAME, TEXT, NotTrusted),
        (Trust.ENFORCE, UNKNOWN, TEXT, NotTrusted),
        (Trust.ENFORCE, HASHED, TEXT, NotTrusted),
        (Trust.ENFORCE, UNKNOWN, None, PersistedQueryNotFound),
        (Trust.ENFORCE, NO_NAME, None, BadUserInput),
    ],
)
async def test_manifest(
    trust: Trust, name: DocumentName, text: str | None, expected: Resolved | type[GatewayError]
) -> None:
    """A name in the manifest takes priority, then a text in it; `enforce` refuses all other documents."""
    documents = NamedDocuments(trust, lambda: MANIFEST)
    if isinstance(expected, Resolved):
        assert await documents.resolve(name, text) == expected
    else:
        with pytest.raises(expected):
            await documents.resolve(name, text)


async def test_a_new_manifest() -> None:
    """A new manifest applies from the next request on."""
    manifests = [Manifest({"ab": "{ a }"}), Manifest({"ab": "{ b }"})]
    documents = NamedDocuments(Trust.ENFORCE, lambda: manifests[0])
    assert (await documents.resolve(KNOWN, None)).text == "{ a }"
    del manifests[0]
    assert (await documents.resolve(KNOWN, None)).text == "{ b }"


async def test_no_document_has_a_name() -> None:
    """If no document can have a name, the client gets PersistedQueryNotSupported."""
    with pytest.raises(PersistedQueryNotSupported, match=r"^PersistedQueryNotSupported$"):
        await NamedDocuments().resolve(HASHED, None)


async def test_automatic() -> None:
    """An automatic persisted query is requested by its hash, sent once, stored once it has proved valid, then found."""
    seen: list[str] = []
    documents = NamedDocuments(automatic=MemoryDocuments(), observe=seen.append)
    with pytest.raises(PersistedQueryNotFound, match=r"^PersistedQueryNotFound$"):
        await documents.resolve(HASHED, None)
    resolved = await documents.resolve(HASHED, TEXT)
    assert resolved == Resolved(TEXT, trusted=False, sha256=HASH)
    with pytest.raises(PersistedQueryNotFound):
        await documents.resolve(HASHED, None)  # not proved valid yet
    await documents.keep(resolved)
    assert await documents.resolve(HASHED, None) == SENT
    assert seen == ["automatic_miss", "automatic_miss", "automatic_kept", "automatic_hit"]


async def test_automatic_hash() -> None:
    """A text with a wrong hash is neither stored nor executed."""
    documents = NamedDocuments(automatic=MemoryDocuments())
    with pytest.raises(BadUserInput) as refused:
        await documents.resolve(DocumentName("0" * 64, "0" * 64), TEXT)
    assert refused.value.violations[0].path == ("extensions", "persistedQuery", "sha256Hash")


async def test_automatic_only_on_request() -> None:
    """A document is stored only if the client requests it."""
    store = MemoryDocuments()
    documents = NamedDocuments(automatic=store)
    await documents.keep(await documents.resolve(NO_NAME, TEXT))
    await documents.keep(await documents.resolve(UNKNOWN, TEXT))
    assert len(store) == 0
    with pytest.raises(PersistedQueryNotFound):
        await documents.resolve(UNKNOWN, None)


async def test_automatic_beside_manifest() -> None:
    """A document that the manifest has under its hash is trusted, also with automatic persisted queries."""
    documents = NamedDocuments(Trust.LOG, lambda: Manifest({HASH: TEXT}), automatic=MemoryDocuments())
    assert await documents.resolve(HASHED, None) == Resolved(TEXT, trusted=True)


def test_automatic_or_enforced() -> None:
    """Automatic persisted queries and `enforce` exclude each other."""
    with pytest.raises(ValueError, match="enforce"):
        NamedDocuments(Trust.ENFORCE, lambda: MANIFEST, automatic=MemoryDocuments())


async def test_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With `log` an untrusted document is counted each time, and its hash is logged once, but never its text."""
    seen: list[str] = []
    documents = NamedDocuments(Trust.LOG, lambda: MANIFEST, observe=seen.append)
    for _ in range(3):
        await documents.resolve(NO_NAME, TEXT)
    await documents.resolve(KNOWN, None)
    with pytest.raises(PersistedQueryNotFound):
        await documents.resolve(UNKNOWN, None)
    assert seen == ["untrusted"] * 3 + ["trusted", "missing"]
    assert [record.getMessage() for record in caplog.records] == [
        f"a document that is not trusted was executed: sha256 {HASH}"
    ]


async def test_refusals_counted() -> None:
    """With `enforce` refused documents and unknown names are counted separately."""
    seen: list[str] = []
    documents = NamedDocuments(Trust.ENFORCE, lambda: MANIFEST, observe=seen.append)
    for name, text in ((NO_NAME, TEXT), (UNKNOWN, None)):
        with pytest.raises(GatewayError):
            await documents.resolve(name, text)
    assert seen == ["refused", "missing"]
