// Executes an operation with a client library, and prints a line of JSON for everything that it receives.
// node client.mjs ws|sse|single URL PAYLOAD [LIMIT]: ends after LIMIT results, at the end of the operation, or when killed.
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import WebSocket from "ws";

const [mode, url, payload, limit] = process.argv.slice(2);
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const client =
  mode === "ws"
    ? createWsClient({
        url: url.replace("http", "ws"),
        webSocketImpl: WebSocket,
        connectionParams: { authorization: "Bearer from-node" },
        on: {
          connected: () => print({ connected: true }),
          closed: (event) => print({ closed: event.code }),
          ping: (received) => print({ ping: received }),
        },
      })
    : createSseClient({
        url,
        singleConnection: mode === "single",
        on: { connected: () => print({ connected: true }) },
      });

let left = Number(limit ?? Infinity);
const stop = client.subscribe(JSON.parse(payload), {
  next: (result) => {
    print({ next: result });
    if (--left === 0) stop();
  },
  error: (error) => {
    print({ error: Array.isArray(error) ? error : String(error) });
    client.dispose();
  },
  complete: () => {
    print({ complete: true });
    client.dispose();
  },
});
