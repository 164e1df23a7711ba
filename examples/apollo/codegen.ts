import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  // Outside this repository: the URL of a gateway in development, http://127.0.0.1:8000/graphql.
  schema: process.env.SCHEMA ?? "../../schema.graphql",
  documents: "src/**/*.tsx",
  generates: {
    // The types of the operations, and the manifest of persisted documents.
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: { unmaskFunctionName: "getFragmentData" }, persistedDocuments: true },
      config: { scalars: { DateTime: "string", JSON: "unknown", Upload: "File" }, useTypeImports: true },
    },
    // Which types an interface has: the cache needs it for fragments on `Node`.
    "src/gql/possibleTypes.ts": { plugins: ["fragment-matcher"] },
  },
};

export default config;
