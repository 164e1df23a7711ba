// GraphiQL for this gateway: with examples, links to operations, and a panel that shows the calls to the sources.

import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { CallsPanel } from "./calls";
import { headersTemplate } from "./credentials";
import { docsPlugin, SchemaRetry } from "./docs";
import { examples } from "./examples";
import { fetcher } from "./fetcher";
import { linked, LinkButton } from "./link";
import "./page.css";
import { storage } from "./storage";

const isFirstVisit = storage.getItem("graphiql:tabState") === null;
// Header values last as long as the browser tab (see storage.ts), unless the visitor has switched that off.
const shouldPersistHeaders = storage.getItem("graphiql:shouldPersistHeaders") !== "false";
const opened = linked ?? (isFirstVisit ? examples[0] : null);

// GraphiQL opens a tab with what it remembers as the last content of its editors.
if (opened) {
  storage.setItem("graphiql:query", opened.query);
  storage.setItem("graphiql:variables", opened.variables);
}

function Page() {
  // What was typed into one tab is the template of the others, so that a credential is typed once.
  const [headers, setHeaders] = useState(headersTemplate);
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      defaultTabs={linked ? [linked, ...examples] : examples}
      defaultQuery={"# Ctrl+Enter runs the operation, Ctrl+Space completes, the book icon opens the docs.\n"}
      defaultHeaders={headers}
      onEditHeaders={setHeaders}
      defaultEditorToolsVisibility={headersTemplate ? "headers" : "variables"}
      shouldPersistHeaders={shouldPersistHeaders}
      referencePlugin={docsPlugin}
      inputValueDeprecation
      schemaDescription
    >
      <GraphiQL.Logo>User gateway</GraphiQL.Logo>
      <GraphiQL.Toolbar>
        {({ prettify, merge, copy }) => (
          <>
            {prettify}
            {merge}
            {copy}
            <LinkButton />
          </>
        )}
      </GraphiQL.Toolbar>
      <GraphiQL.Footer>
        <CallsPanel />
      </GraphiQL.Footer>
      <SchemaRetry headers={headers} />
    </GraphiQL>
  );
}

createRoot(document.getElementById("graphiql")!).render(<Page />);
