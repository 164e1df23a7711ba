"""Builds the GraphQL executor: the schema, its documents, the limits and the compiler."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode
from strawberry import Schema

from gateway.api.capacity import Capacity
from gateway.api.graphql.compiled import Compiled, Uncovered, compile_operation
from gateway.api.graphql.execution.documents import Compile, Documents, InvalidDocument
from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.limits.limits import DocumentLimits, Guard, Limit
from gateway.api.graphql.schema.build import build_schema, executable, rules
from gateway.api.graphql.trusted.manifest import Manifest, ManifestFiles
from gateway.api.graphql.trusted.named import NamedDocuments, Trust
from gateway.api.graphql.trusted.naming import sha256_of
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.setting_errors import named_setting
from gateway.app.stores import Stores
from gateway.kit.tasks import cancel_and_wait
from gateway.settings import Settings

__all__ = ["build_executor"]

_LOG = logging.getLogger("gateway.graphql")
_NEVER_COMPILED = frozenset({"subscription", "__schema", "__type"})


def build_executor(
    settings: Settings, stores: Stores, stack: AsyncExitStack, observer: MetricsObserver, capacity: Capacity
) -> Executor:
    """Build the executor of GraphQL operations. Call it inside the event loop; `stack` stops its tasks."""
    introspection = settings.in_development if settings.introspection is None else settings.introspection
    schema = executable(_build_subgraph() if settings.federation else build_schema())
    limits = DocumentLimits(
        **settings.limits.model_dump(exclude={"log"}), log=frozenset(map(Limit, settings.limits.log))
    )
    guard = Guard(limits, observer.limited)
    documents = Documents(
        schema,
        rules(introspection=introspection),
        guard=guard,
        suggestions=introspection,
        compiling=_compiler(observer.uncompiled, suggestions=introspection),
        max_bytes=settings.documents.memory,
    )
    named = _build_named_documents(settings, stores, stack, observer, documents)
    return Executor(
        schema, documents, guard, capacity, named=named, suggestions=introspection, shows_calls=settings.in_development
    )


def _build_subgraph() -> Schema:
    """Build the schema with the fields of a subgraph, and print what `_service` returns: both take a while."""
    # Strawberry's union and the schema with it take memory, and few gateways are subgraphs.
    from gateway.api.graphql.federation.entities import SubgraphQueryObject  # noqa: PLC0415
    from gateway.api.graphql.federation.subgraph import subgraph_sdl  # noqa: PLC0415

    subgraph_sdl()
    return build_schema(SubgraphQueryObject)


def _build_named_documents(
    settings: Settings, stores: Stores, stack: AsyncExitStack, observer: MetricsObserver, documents: Documents
) -> NamedDocuments | None:
    """Build the trusted documents and persisted queries; None where both are disabled."""
    configured = settings.documents
    if configured.trust == "off" and not configured.manifests and not configured.automatic:
        return None
    with named_setting("documents", "manifests"):
        files = ManifestFiles(configured.manifests)

    def prepare(manifest: Manifest) -> None:
        """Parse, validate and compile all documents of a manifest before they are requested."""
        for text in manifest:
            try:
                documents.prepare(text, trusted=True)
            except InvalidDocument as invalid:
                _LOG.warning("a document of the manifest is not valid for this schema: %s", invalid)

    prepare(files.manifest)
    if configured.manifests:
        watching = asyncio.get_running_loop().create_task(files.watch(prepare, every=configured.reload))
        stack.push_async_callback(cancel_and_wait, watching)
    return NamedDocuments(
        Trust(configured.trust), lambda: files.manifest, automatic=stores.documents(), observe=observer.document
    )


def _compiler(observe: Callable[[str], None], *, suggestions: bool) -> Compile:
    """Return the function that compiles an operation; it returns None for one that cannot be compiled.

    `observe` is called with the reason for that, once for each operation that enters the cache of documents.
    """

    def compiled(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Compiled | None:
        found = compile_operation(schema, document, operation, hide_suggestions=not suggestions)
        if not isinstance(found, Uncovered):
            return found
        observe(found.reason)
        fields = {"reason": found.reason}
        if document.loc is not None:
            fields["document"] = sha256_of(document.loc.source.body)
        level = logging.DEBUG if found.reason in _NEVER_COMPILED else logging.INFO
        _LOG.log(level, "an operation is not compiled, graphql-core executes it: %s", found.reason, extra=fields)
        return None

    return compiled
