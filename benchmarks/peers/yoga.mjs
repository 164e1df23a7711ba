// GraphQL Yoga on the HTTP server of Node, with dataloader and undici. It caches parsed and validated documents by default.

import { createServer } from "node:http";
import { createSchema, createYoga } from "graphql-yoga";
import { typeDefs, resolvers } from "./schema.mjs";
import { loaders } from "./sources.mjs";

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  context: loaders,
  logging: false,
  graphiql: false,
  landingPage: false,
});
createServer(yoga).listen(Number(process.env.PORT), "127.0.0.1");
