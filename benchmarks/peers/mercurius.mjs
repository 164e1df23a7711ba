// Mercurius on Fastify, with graphql-jit from the first use of a document, and with dataloader and undici.
// With KEEP, its cache keeps the results of the two fields for so many seconds.

import Fastify from "fastify";
import mercurius from "mercurius";
import cache from "mercurius-cache";
import { typeDefs, resolvers, completeResolvers } from "./schema.mjs";
import { loaders } from "./sources.mjs";

const keep = Number(process.env.KEEP ?? 0);
const fastify = Fastify();
fastify.register(mercurius, {
  schema: typeDefs,
  resolvers: keep ? completeResolvers : resolvers,
  context: loaders,
  jit: 1,
});
if (keep) {
  fastify.register(cache, {
    ttl: keep,
    storage: { type: "memory", options: { size: Number(process.env.KEEP_ENTRIES) } },
    // The resolvers return whole records, so that the key needs no selected fields.
    policy: {
      Query: {
        user: { key: ({ arg }) => arg.id },
        users: { key: ({ arg }) => `${arg.first} ${arg.filter.search}` },
      },
    },
  });
}
await fastify.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
