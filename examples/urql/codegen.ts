import type { CodegenConfig } from "@graphql-codegen/cli";
import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset";

const config: CodegenConfig = {
  // Outside this repository: the URL of a gateway in development, http://127.0.0.1:8000/graphql.
  schema: process.env.SCHEMA ?? "../../schema.graphql",
  documents: "src/*.{ts,tsx}",
  generates: {
    // The types of the operations, and the manifest of their texts, as graphcache sends them: with `__typename`.
    "src/gql/": {
      preset: "client",
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: { fragmentMasking: { unmaskFunctionName: "getFragmentData" }, persistedDocuments: true },
      config: { scalars: { DateTime: "string", JSON: "unknown", Upload: "File" }, useTypeImports: true },
    },
    // The schema as graphcache needs it: the types, their fields, and which of them may be null.
    "src/gql/introspection.ts": { plugins: ["urql-introspection"] },
  },
};

export default config;
