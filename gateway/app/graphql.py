"""GraphQL, put together: the schema, its documents, and what an operation has to pass."""

import asyncio
import logging
from contextlib import AsyncExitStack

from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode

from gateway.api.capacity import Capacity
from gateway.api.graphql.compiled import Compiled, Uncovered, compile_operation
from gateway.api.graphql.execution.admission import Admission
from gateway.api.graphql.execution.documents import Compile, Documents, InvalidDocument
from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.limits.limits import DocumentLimits, Guard, Limit
from gateway.api.graphql.schema.build import build_schema, executable, rules
from gateway.api.graphql.trusted.manifest import Manifest, ManifestFiles
from gateway.api.graphql.trusted.named import NamedDocuments, Trust
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.state_memory import MemoryState
from gateway.kit.tasks import cancel_and_wait
from gateway.settings import Settings

__all__ = ["executor_of"]

_LOG = logging.getLogger("gateway.graphql")


def executor_of(
    settings: Settings, shared: MemoryState, open: AsyncExitStack, observed: MetricsObserver, capacity: Capacity
) -> Executor:
    """What executes operations as the settings have it. Made inside the event loop."""
    told = settings.in_development if settings.introspection is None else settings.introspection
    schema = executable(build_schema())
    own = settings.limits
    limits = DocumentLimits(**own.model_dump(exclude={"log"}), log=frozenset(map(Limit, own.log)))
    guard = Guard(limits, observed.limited)
    documents = Documents(
        schema,
        rules(introspection=told),
        guard=guard,
        suggestions=told,
        compiling=_compiling(suggestions=told),
        held=settings.documents.memory,
    )
    admission = Admission(guard, capacity)
    named = _named(settings, shared, open, observed, documents)
    return Executor(schema, documents, admission, named=named, suggestions=told)


def _named(
    settings: Settings, shared: MemoryState, open: AsyncExitStack, observed: MetricsObserver, documents: Documents
) -> NamedDocuments | None:
    """The documents that clients may name; None where they cannot."""
    own = settings.documents
    if own.trust == "off" and not own.manifests and not own.automatic:
        return None
    files = ManifestFiles(own.manifests)

    def prepare(manifest: Manifest) -> None:
        """Parse, validate and compile what will be asked for, before it is."""
        for text in manifest:
            try:
                documents.prepare(text, trusted=True)
            except InvalidDocument as invalid:
                _LOG.warning("a document of the manifest is not valid here: %s", invalid)

    prepare(files.manifest)
    if own.manifests:
        watching = asyncio.get_running_loop().create_task(files.watch(prepare, every=own.reload))
        open.push_async_callback(cancel_and_wait, watching)
    return NamedDocuments(
        Trust(own.trust), lambda: files.manifest, automatic=shared.documents(), observe=observed.document
    )


def _compiling(*, suggestions: bool) -> Compile:
    def compiled(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Compiled | None:
        found = compile_operation(schema, document, operation, hide_suggestions=not suggestions)
        return None if isinstance(found, Uncovered) else found

    return compiled
