// Serves a supergraph by Hive Gateway. Usage: router.mjs FILE [rust] [forward]. With `rust` it plans operations by the
// planner of Hive Router. With `forward` it forwards the credential of each caller, as its manual shows it; otherwise its
// settings are the stock ones. Prints its URL.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";
import { unifiedGraphHandler } from "@graphql-hive/router-runtime";

const [file, ...options] = process.argv.slice(2);
const propagateHeaders = {
  fromClientToSubgraphs: ({ request }) => ({ authorization: request.headers.get("authorization") }),
};
const runtime = createGatewayRuntime({
  supergraph: readFileSync(file, "utf8"),
  logging: false, // the test reads the pipe to the line of the URL alone: what is written later would fill it
  ...(options.includes("rust") ? { unifiedGraphHandler } : {}),
  ...(options.includes("forward") ? { propagateHeaders } : {}),
});
const server = createServer(runtime);
server.listen(0, () => console.log(JSON.stringify({ url: `http://localhost:${server.address().port}/graphql` })));
