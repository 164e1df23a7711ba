// Composes the gateway with the subgraph of orders, by the composers of Apollo, Hive and Cosmo.
import { composeServices as composeByApollo } from "@apollo/composition";
import { composeServices as composeByHive } from "@theguild/federation-composition";
import { federateSubgraphs as composeByCosmo } from "@wundergraph/composition";
import { parse } from "graphql";
import { serveOrders, typeDefs } from "./orders.mjs";

const orders = { name: "orders", url: await serveOrders(), typeDefs };

/** Reads the schema of a subgraph as routers do. */
export async function readSchema(url) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "query ReadSchema { _service { sdl } }" }),
  });
  return (await response.json()).data._service.sdl;
}

/** Returns the supergraph of the gateway, which has this schema and is at this URL, and of the orders. */
export function compose(sdl, url) {
  const subgraphs = [{ name: "users", url, typeDefs: parse(sdl) }, orders];
  const definitions = subgraphs.map((subgraph) => ({ ...subgraph, definitions: subgraph.typeDefs }));
  const byApollo = composeByApollo(subgraphs);
  for (const { errors } of [byApollo, composeByHive(subgraphs), composeByCosmo({ subgraphs: definitions })]) {
    if (errors?.length) throw new Error(errors.map(({ message }) => message).join("\n"));
  }
  return byApollo.supergraphSdl;
}
