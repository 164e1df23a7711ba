// Composes the gateway with the subgraph of orders, by both composers for Node; the result is that of Apollo's.
import { composeServices } from "@apollo/composition";
import { composeServices as composeByTheGuild } from "@theguild/federation-composition";
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
  for (const composeBy of [composeByTheGuild, composeServices]) {
    const { errors, supergraphSdl } = composeBy(subgraphs);
    if (errors?.length) throw new Error(errors.map(({ message }) => message).join("\n"));
    if (composeBy === composeServices) return supergraphSdl;
  }
}
