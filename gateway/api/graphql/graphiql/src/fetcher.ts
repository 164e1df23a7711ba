// GraphiQL's fetcher, which also requests the calls and the price of each operation and passes them to the panel.

import { createGraphiQLFetcher, isAsyncIterable, type Fetcher } from "@graphiql/toolkit";
import type { ExecutionResult } from "graphql";
import { filledIn, type Headers } from "./credentials";
import { reporter, type Report } from "./reports";
import { storage } from "./storage";

// The page has the same path as the API, so that path is the endpoint.
const endpoint = new URL(location.pathname, location.origin);
const socket = new URL(endpoint);
socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

const fetchFromEndpoint = createGraphiQLFetcher({ url: endpoint.href, subscriptionUrl: socket.href });

export const fetcher: Fetcher = async (parameters, options) => {
  const headers = filledIn(options?.headers ?? storedHeaders());
  if (parameters.operationName === "IntrospectionQuery") {
    return fetchFromEndpoint(parameters, { ...options, headers });
  }
  const show = reporter();
  const requested = { ...parameters, extensions: { calls: true, cost: true } };
  const result = await fetchFromEndpoint(requested, { ...options, headers });
  return isAsyncIterable(result) ? withoutReports(result, show) : withoutReport(result as Payload, show);
};

/** The headers of this browser tab: GraphiQL fetches the schema before its Headers editor exists. */
function storedHeaders(): Headers {
  try {
    return JSON.parse(storage.getItem("graphiql:headers") ?? "{}");
  } catch {
    return {}; // half-typed
  }
}

/** A response or a part of one. Of several parts, the last one has the report. */
type Payload = ExecutionResult<Record<string, unknown>, Report & Record<string, unknown>>;

/** Passes on what the page requested in addition, and returns the response to what the visitor requested. */
function withoutReport(payload: Payload, show: (report: Report) => void): Payload {
  const { extensions: { calls, cost, ...extensions } = {}, ...response } = payload;
  show({ calls, cost });
  return Object.keys(extensions).length > 0 ? { ...response, extensions } : response;
}

/** The same for the events of a subscription, and for a multipart response, which is a list of payloads at a time. */
function withoutReports(payloads: AsyncIterable<ExecutionResult>, show: (report: Report) => void) {
  const iterator = payloads[Symbol.asyncIterator]() as AsyncIterableIterator<Payload | Payload[]>;
  // No async generator: its `return` would wait for the next event before it ends a subscription.
  const changed = {
    [Symbol.asyncIterator]: () => changed,
    async next() {
      const step = await iterator.next().catch((error) => {
        show({});
        throw error;
      });
      if (step.done) return step;
      const payload = Array.isArray(step.value)
        ? step.value.map((each) => withoutReport(each, show))
        : withoutReport(step.value, show);
      return { done: false, value: payload };
    },
    return: () => iterator.return!(),
  };
  return changed as AsyncIterable<ExecutionResult>; // GraphiQL takes lists too, other than its types
}
