// Mercurius on Fastify, with graphql-jit from the first use of a document, and with dataloader and undici.

import Fastify from "fastify";
import mercurius from "mercurius";
import { typeDefs, resolvers } from "./schema.mjs";
import { loaders } from "./sources.mjs";

const fastify = Fastify();
fastify.register(mercurius, { schema: typeDefs, resolvers, context: loaders, jit: 1 });
await fastify.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
