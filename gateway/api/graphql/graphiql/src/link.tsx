// Links to an operation: ?query=…&variables=…&operationName=…, opened in a tab of its own. Opening one runs nothing,
// and no link contains headers.

import { ToolbarButton, useEditorContext } from "@graphiql/react";
import { useEffect, useState } from "react";
import type { Example } from "./examples";

/** Of path and query, in characters; the gateway's server accepts 8 KiB. */
const MAX_LENGTH = 8000;

const parameters = new URLSearchParams(location.search);
const query = parameters.get("query");
const operationName = parameters.get("operationName");

/** The operation that the page was opened with; null without one. */
export const linked: Example | null = query ? { query, variables: parameters.get("variables") ?? "" } : null;

// From now on the tab holds it: a reload would open it again beside what the visitor has made of it.
if (linked) history.replaceState(null, "", location.pathname);

/** The button that puts a link to the operation of the tab into the address bar and, if possible, the clipboard. */
export function LinkButton() {
  const { queryEditor, variableEditor, setOperationName } = useEditorContext({ nonNull: true });
  const [done, setDone] = useState(false);

  // Of a document with several operations, select the one that the page was opened with.
  useEffect(() => {
    if (linked && operationName && queryEditor) setOperationName(operationName);
  }, [queryEditor]);

  useEffect(() => {
    const timer = setTimeout(setDone, 2000, false);
    return () => clearTimeout(timer);
  }, [done]);

  const link = () => {
    const values = {
      query: queryEditor?.getValue() ?? "",
      variables: variableEditor?.getValue() ?? "",
      operationName: queryEditor?.operationName ?? "",
    };
    const search = `?${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`;
    if (location.pathname.length + search.length > MAX_LENGTH) throw new Error("Too long for a link");
    history.replaceState(null, "", search);
    // Without TLS the clipboard is only available on localhost.
    void navigator.clipboard?.writeText(location.href).catch(() => undefined);
    setDone(true);
  };
  return (
    <ToolbarButton label="Copy a link to this operation" onClick={link}>
      <svg className="graphiql-toolbar-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" aria-hidden>
        <path strokeWidth="2" d={done ? CHECK_MARK : CHAIN} />
      </svg>
    </ToolbarButton>
  );
}

const CHAIN = "M10 14a4 4 0 0 0 6 0l4-4a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-4 4a4 4 0 0 0 6 6l1-1";
const CHECK_MARK = "M4 12l6 6L20 6";
