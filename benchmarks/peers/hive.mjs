// Hive Gateway on the HTTP server of Node, with its JIT; its plugin merges equal GETs of a request.
// With KEEP, the response cache keeps whole answers for so many seconds, without the JIT, which mistakes one document that
// the cache has extended for another. A hit is not executed.

import { createServer } from "node:http";
import { createGatewayRuntime } from "@graphql-hive/gateway";
import { useDeduplicateRequest } from "@graphql-hive/plugin-deduplicate-request";
import { useJIT } from "@graphql-mesh/plugin-jit";
import { parse } from "graphql";
import { responseCache } from "./response-cache.mjs";

const byList = process.env.LOOKUPS === "lists";

// Calls a list once for all keys of a request, by the batching of Hive.
const batched = (field, selection) => ({
  selectionSet: "{ id }",
  resolve: (root, _, context, info) =>
    context.account.Query[field]({
      root,
      context,
      info,
      key: root.id,
      argsFromKeys: () => ({ limit: 1000 }),
      selectionSet: () => selection,
      valuesFromResults: ({ data }, ids) => {
        const found = new Map(data.map((record) => [record.id, record]));
        return ids.map((id) => found.get(id) ?? null);
      },
    }),
});
const resolvers = {
  Role: { full: batched("roles", parse("{ data { id permissions owner { type } } }")) },
  Department: { full: batched("departments", parse("{ data { id location { name } } }")) },
};

const gateway = createGatewayRuntime({
  supergraph: process.env.SUPERGRAPH,
  additionalResolvers: byList ? resolvers : {},
  plugins: () => [...(process.env.KEEP ? responseCache() : [useJIT()]), useDeduplicateRequest()],
  logging: false,
  graphiql: false,
  landingPage: false,
});
createServer(gateway).listen(Number(process.env.PORT), "127.0.0.1");
