// The documentation explorer, which explains why there is no schema if the server has refused it.

import { DOC_EXPLORER_PLUGIN, DocExplorer } from "@graphiql/plugin-doc-explorer";
import { Button, useSchemaStore } from "@graphiql/react";
import { useEffect } from "react";
import { headersTemplate } from "./credentials";

// The same object: its icon compares it with the plugin that is shown.
export const docsPlugin = Object.assign(DOC_EXPLORER_PLUGIN, { content: Docs });

function Docs() {
  const { fetchError, introspect } = useSchemaStore();
  if (!fetchError) return <DocExplorer />;
  return (
    <section className="graphiql-doc-explorer" aria-label="Documentation Explorer">
      <div className="graphiql-doc-explorer-title">Docs</div>
      <div className="graphiql-doc-explorer-content">
        <div className="graphiql-doc-explorer-error" role="alert">
          The schema could not be fetched: {reasonOf(fetchError)}
        </div>
        {headersTemplate && <p>Fill in the Headers tab below the query.</p>}
        <Button onClick={introspect}>Fetch the schema again</Button>
      </div>
    </section>
  );
}

/** Returns the message in the response to the schema request, or in the error that prevented one. */
function reasonOf(fetchError: string): string {
  try {
    const { errors, message } = JSON.parse(fetchError);
    return errors?.[0]?.message ?? message ?? fetchError;
  } catch {
    return fetchError;
  }
}

/** Fetches the schema again when the headers have changed after it was refused. */
export function SchemaRetry({ headers }: { headers: string | undefined }) {
  const { fetchError, introspect } = useSchemaStore();
  useEffect(() => {
    if (!fetchError) return;
    const timer = setTimeout(introspect, 500);
    return () => clearTimeout(timer);
    // Not `fetchError`: a second refusal is no reason to try once more.
  }, [headers]);
  return null;
}
