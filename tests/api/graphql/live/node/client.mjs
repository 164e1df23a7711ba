// Follows an operation by the client library that is named, and prints a line of JSON for whatever comes.
// node client.mjs ws|sse|single URL PAYLOAD [MOST]: ends after MOST results, else when it is killed or told the end.
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import WebSocket from "ws";

const [mode, url, payload, most] = process.argv.slice(2);
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const client =
  mode === "ws"
    ? createWsClient({
        url: url.replace("http", "ws"),
        webSocketImpl: WebSocket,
        connectionParams: { authorization: "Bearer from-node" },
        retryWait: () => new Promise((done) => setTimeout(done, 100)),
        on: {
          connected: () => tell({ connected: true }),
          closed: (event) => tell({ closed: event.code }),
          ping: (received) => tell({ ping: received }),
        },
      })
    : createSseClient({
        url,
        singleConnection: mode === "single",
        retry: () => new Promise((done) => setTimeout(done, 100)),
        on: { connected: () => tell({ connected: true }) },
      });

let left = Number(most ?? Infinity);
const stop = client.subscribe(JSON.parse(payload), {
  next: (result) => {
    tell({ next: result });
    if (--left === 0) stop();
  },
  error: (error) => {
    tell({ error: Array.isArray(error) ? error : String(error) });
    client.dispose();
  },
  complete: () => {
    tell({ complete: true });
    client.dispose();
  },
});
