// GraphQL Yoga on the HTTP server of Node, with dataloader and undici. It caches parsed and validated documents by default.
// With KEEP, its plugin keeps whole answers for so many seconds.

import { createServer } from "node:http";
import { createSchema, createYoga } from "graphql-yoga";
import { responseCache } from "./response-cache.mjs";
import { typeDefs, resolvers } from "./schema.mjs";
import { loaders } from "./sources.mjs";

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  context: loaders,
  plugins: responseCache(),
  logging: false,
  graphiql: false,
  landingPage: false,
});
createServer(yoga).listen(Number(process.env.PORT), "127.0.0.1");
