// GraphiQL for this gateway. The page has the same path as the API, so that path is the endpoint.

import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import { createRoot } from "react-dom/client";
import { examples } from "./examples";
import "./page.css";
import { storage } from "./storage";

const endpoint = new URL(location.pathname, location.origin);
const socket = new URL(endpoint);
socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

const fetcher = createGraphiQLFetcher({ url: endpoint.href, subscriptionUrl: socket.href });

// GraphiQL shows the first default tab without its variables, unless it remembers them.
if (storage.getItem("graphiql:tabState") === null) {
  storage.setItem("graphiql:variables", examples[0].variables);
}

createRoot(document.getElementById("graphiql")!).render(
  <GraphiQL
    fetcher={fetcher}
    storage={storage}
    defaultTabs={examples}
    defaultQuery={"# Ctrl+Enter runs the operation, Ctrl+Space completes, the book icon opens the docs.\n"}
    // Header values last as long as the browser tab (see storage.ts), unless the visitor has switched that off.
    shouldPersistHeaders={storage.getItem("graphiql:shouldPersistHeaders") !== "false"}
    inputValueDeprecation
    schemaDescription
  >
    <GraphiQL.Logo>User gateway</GraphiQL.Logo>
  </GraphiQL>,
);
