// Composes the supergraph of Hive Gateway from the OpenAPI document of the source; lookups are fields of role and department.

import { writeFile } from "node:fs/promises";
import { getComposedSchemaFromConfig } from "@graphql-mesh/compose-cli";
import { DefaultLogger } from "@graphql-mesh/utils";
import { loadOpenAPISubgraph } from "@omnigraph/openapi";

const byList = process.env.LOOKUPS === "lists";
// Lookups by id are declared here; for lookups by list hive.mjs has resolvers.
const lookup = (field) =>
  byList
    ? ""
    : `@resolveTo(
        sourceName: "account", sourceTypeName: "Query", sourceFieldName: "${field}",
        requiredSelectionSet: "{ id }", sourceArgs: { id: "{root.id}" }
      )`;

const account = loadOpenAPISubgraph("account", {
  source: "./hive.openapi.json",
  endpoint: process.env.SOURCES,
  operationHeaders: JSON.parse(process.env.CREDENTIALS),
});
const supergraph = await getComposedSchemaFromConfig(
  {
    cwd: import.meta.dirname,
    subgraphs: [{ sourceHandler: account }],
    additionalTypeDefs: `
      extend type Role { full: FullRole ${lookup("role")} }
      extend type Department { full: FullDepartment ${lookup("department")} }
    `,
  },
  new DefaultLogger(),
);
await writeFile(process.env.SUPERGRAPH, supergraph);
