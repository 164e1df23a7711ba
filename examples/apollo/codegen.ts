import type { CodegenConfig } from "@graphql-codegen/cli";
import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset";

const config: CodegenConfig = {
  // Outside this repository: the URL of a gateway in development, http://127.0.0.1:8000/graphql.
  schema: process.env.SCHEMA ?? "../../schema.graphql",
  documents: "src/**/*.tsx",
  generates: {
    // The types of the operations, and the manifest of their texts, as Apollo Client sends them: with `__typename`.
    "src/gql/": {
      preset: "client",
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: { fragmentMasking: { unmaskFunctionName: "getFragmentData" }, persistedDocuments: true },
      config: { scalars: { DateTime: "string", JSON: "unknown", Upload: "File" }, useTypeImports: true },
    },
    // Which types an interface has: the cache needs it for fragments on `Node`.
    "src/gql/possibleTypes.ts": { plugins: ["fragment-matcher"] },
  },
};

export default config;
