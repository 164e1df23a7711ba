import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { buildClientSchema, getIntrospectionQuery, printSchema } from "graphql";

// Outside this repository: the URL of a gateway in development, http://127.0.0.1:8000/graphql.
const schema = process.env.SCHEMA ?? "../../schema.graphql";

async function read(url) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query: getIntrospectionQuery() }) });
  return printSchema(buildClientSchema((await response.json()).data));
}

for (const folder of ["gql", "src/gql"]) {
  rmSync(folder, { recursive: true, force: true }); // relay-compiler only adds to its manifest what has changed
  mkdirSync(folder);
}
writeFileSync("gql/schema.graphql", schema.includes("://") ? await read(schema) : readFileSync(schema));
writeFileSync("src/gql/persisted-documents.json", "{}");
