// Apollo Server 5 on Fastify, with dataloader and undici. With KEEP, its plugin keeps whole answers for so many seconds.

import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginCacheControl } from "@apollo/server/plugin/cacheControl";
import responseCachePlugin from "@apollo/server-plugin-response-cache";
import { fastifyApolloHandler } from "@as-integrations/fastify";
import Fastify from "fastify";
import { typeDefs, resolvers } from "./schema.mjs";
import { loaders } from "./sources.mjs";

const keep = Number(process.env.KEEP ?? 0);
const plugins = keep
  ? [
      ApolloServerPluginCacheControl({ defaultMaxAge: keep, calculateHttpHeaders: false }),
      responseCachePlugin({ generateCacheKey: (_, key) => key.source + JSON.stringify(key.variables) }),
    ]
  : [];
const apollo = new ApolloServer({ typeDefs, resolvers, plugins });
await apollo.start();
const fastify = Fastify();
fastify.post("/graphql", fastifyApolloHandler(apollo, { context: async () => loaders() }));
await fastify.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
