"""Which text is executed for a request that names a document, sends one, or both."""

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
NOTHING = DocumentName()
KNOWN = DocumentName("ab")
UNKNOWN = DocumentName("zz")
TEXT = "{ other }"
HASH = hashlib.sha256(TEXT.encode()).hexdigest()
HASHED = DocumentName(HASH, HASH)
TRUSTED = Resolved("{ a }", known=True)
SENT = Resolved(TEXT, known=False)


@pytest.mark.parametrize(
    ("trust", "name", "text", "expected"),
    [
        (Trust.OFF, NOTHING, TEXT, SENT),
        (Trust.OFF, KNOWN, None, TRUSTED),
        (Trust.OFF, UNKNOWN, TEXT, SENT),
        (Trust.OFF, UNKNOWN, None, PersistedQueryNotFound),
        (Trust.OFF, HASHED, TEXT, SENT),
        (Trust.OFF, NOTHING, None, BadUserInput),
        (Trust.LOG, NOTHING, TEXT, SENT),
        (Trust.LOG, KNOWN, None, TRUSTED),
        (Trust.LOG, UNKNOWN, None, PersistedQueryNotFound),
        (Trust.ENFORCE, KNOWN, None, TRUSTED),
        (Trust.ENFORCE, NOTHING, "{ a }", TRUSTED),
        (Trust.ENFORCE, UNKNOWN, "{ a }", TRUSTED),
        (Trust.ENFORCE, KNOWN, TEXT, TRUSTED),  # the name decides, so what is executed is trusted
        (Trust.ENFORCE, NOTHING, TEXT, NotTrusted),
        (Trust.ENFORCE, UNKNOWN, TEXT, NotTrusted),
        (Trust.ENFORCE, HASHED, TEXT, NotTrusted),
        (Trust.ENFORCE, UNKNOWN, None, PersistedQueryNotFound),
        (Trust.ENFORCE, NOTHING, None, BadUserInput),
    ],
)
async def test_manifest(
    trust: Trust, name: DocumentName, text: str | None, expected: Resolved | type[GatewayError]
) -> None:
    """A name of the manifest decides, then a text of it; what is neither is executed, or refused by `enforce`."""
    documents = NamedDocuments(trust, lambda: MANIFEST)
    if isinstance(expected, Resolved):
        assert await documents.resolve(name, text) == expected
    else:
        with pytest.raises(expected):
            await documents.resolve(name, text)


async def test_manifest_of_the_moment() -> None:
    """A new manifest counts from the next request on."""
    manifests = [Manifest({"ab": "{ a }"}), Manifest({"ab": "{ b }"})]
    documents = NamedDocuments(Trust.ENFORCE, lambda: manifests[0])
    assert (await documents.resolve(KNOWN, None)).text == "{ a }"
    del manifests[0]
    assert (await documents.resolve(KNOWN, None)).text == "{ b }"


async def test_nothing_is_known() -> None:
    """Where no document is known by any name, the client is told to stop naming them."""
    with pytest.raises(PersistedQueryNotSupported, match=r"^PersistedQueryNotSupported$"):
        await NamedDocuments().resolve(HASHED, None)


async def test_automatic() -> None:
    """A document is asked for by its hash, sent once, kept when it proves valid, and known then."""
    seen: list[str] = []
    documents = NamedDocuments(automatic=MemoryDocuments(), observe=seen.append)
    with pytest.raises(PersistedQueryNotFound, match=r"^PersistedQueryNotFound$"):
        await documents.resolve(HASHED, None)
    resolved = await documents.resolve(HASHED, TEXT)
    assert resolved == Resolved(TEXT, known=False, sha256=HASH)
    with pytest.raises(PersistedQueryNotFound):
        await documents.resolve(HASHED, None)  # not proved valid yet
    await documents.keep(resolved)
    assert await documents.resolve(HASHED, None) == SENT
    assert seen == ["automatic_miss", "automatic_miss", "automatic_kept", "automatic_hit"]


async def test_automatic_hash() -> None:
    """A text is never kept, nor executed, under a hash that is not its own."""
    documents = NamedDocuments(automatic=MemoryDocuments())
    with pytest.raises(BadUserInput) as refused:
        await documents.resolve(DocumentName("0" * 64, "0" * 64), TEXT)
    assert refused.value.violations[0].path == ("extensions", "persistedQuery", "sha256Hash")


async def test_automatic_only_where_asked() -> None:
    """What a client sends without asking for it to be kept is not kept."""
    store = MemoryDocuments()
    documents = NamedDocuments(automatic=store)
    await documents.keep(await documents.resolve(NOTHING, TEXT))
    await documents.keep(await documents.resolve(UNKNOWN, TEXT))
    assert len(store) == 0
    with pytest.raises(PersistedQueryNotFound):
        await documents.resolve(UNKNOWN, None)


async def test_automatic_beside_manifest() -> None:
    """With automatic persisted queries too, what the manifest knows by a hash is trusted."""
    documents = NamedDocuments(Trust.LOG, lambda: Manifest({HASH: TEXT}), automatic=MemoryDocuments())
    assert await documents.resolve(HASHED, None) == Resolved(TEXT, known=True)


def test_automatic_or_enforced() -> None:
    """Automatic persisted queries and `enforce` exclude each other."""
    with pytest.raises(ValueError, match="enforce"):
        NamedDocuments(Trust.ENFORCE, lambda: MANIFEST, automatic=MemoryDocuments())


async def test_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With `log` an untrusted document is counted each time and logged once: its hash, never its text."""
    seen: list[str] = []
    documents = NamedDocuments(Trust.LOG, lambda: MANIFEST, observe=seen.append)
    for _ in range(3):
        await documents.resolve(NOTHING, TEXT)
    await documents.resolve(KNOWN, None)
    with pytest.raises(PersistedQueryNotFound):
        await documents.resolve(UNKNOWN, None)
    assert seen == ["untrusted"] * 3 + ["trusted", "missing"]
    assert [record.getMessage() for record in caplog.records] == [
        f"a document that is not trusted was executed: sha256 {HASH}"
    ]


async def test_refusals_counted() -> None:
    """With `enforce` what is refused is counted, apart from names that are merely not known."""
    seen: list[str] = []
    documents = NamedDocuments(Trust.ENFORCE, lambda: MANIFEST, observe=seen.append)
    for name, text in ((NOTHING, TEXT), (UNKNOWN, None)):
        with pytest.raises(GatewayError):
            await documents.resolve(name, text)
    assert seen == ["refused", "missing"]
