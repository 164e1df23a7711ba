// Apollo Server 5 on Fastify, with dataloader and undici.

import { ApolloServer } from "@apollo/server";
import { fastifyApolloHandler } from "@as-integrations/fastify";
import Fastify from "fastify";
import { typeDefs, resolvers } from "./schema.mjs";
import { loaders } from "./sources.mjs";

const apollo = new ApolloServer({ typeDefs, resolvers });
await apollo.start();
const fastify = Fastify();
fastify.post("/graphql", fastifyApolloHandler(apollo, { context: async () => loaders() }));
await fastify.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
