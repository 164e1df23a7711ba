// Serves the gateway and the subgraph of orders as one API, by Apollo's router for Node. Usage: routers.mjs FOLDER OPEN
// GUARDED, with the URL of a gateway without authentication and of one that requires it. In front of the first one the
// router has its stock settings; in front of the second one it forwards the credential of each caller, as its manual
// shows it. Writes the two supergraphs to the folder, and prints the URLs of the routers.
import { writeFileSync } from "node:fs";
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { compose, readSchema } from "./compose.mjs";

class Forwarding extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context.authorization) request.http.headers.set("authorization", context.authorization);
  }
}
const forwarding = {
  gateway: { buildService: ({ url }) => new Forwarding({ url }) },
  server: { context: async ({ req }) => ({ authorization: req.headers.authorization }) },
};

async function serve(supergraphSdl, { gateway, server } = {}) {
  const router = new ApolloServer({ gateway: new ApolloGateway({ supergraphSdl, ...gateway }) });
  return (await startStandaloneServer(router, { listen: { port: 0 }, ...server })).url;
}

const [folder, open, guarded] = process.argv.slice(2);
const sdl = await readSchema(open);
const supergraphs = { open: compose(sdl, open), guarded: compose(sdl, guarded) };
for (const [name, supergraph] of Object.entries(supergraphs)) {
  writeFileSync(`${folder}/${name}.graphql`, supergraph);
}
console.log(JSON.stringify({ open: await serve(supergraphs.open), guarded: await serve(supergraphs.guarded, forwarding) }));
