// The rules for schemas that graphql-eslint recommends, and those for Relay; each exception has its reason.
// ESLint resolves paths from the folder in which it runs: that of `schema.graphql`.
import graphql from "@graphql-eslint/eslint-plugin"

// Only what a source identifies has an id. These are parts of one record, or of one response.
const WITHOUT_ID = [
  "PageInfo", // of one page
  "Person", // the result of one search: its users have ids
  "PhoneNumber", // of one user
  "PostalAddress", // of one organization
  "RoleOwner", // of one role: its account has an id
  "SourceError", // of one response
  "UserSettings", // of one user
]
const LISTS = ["Connection", "Edge", "List"] // pages and positions: they change with every record that is added

export default [
  {
    files: ["**/*.graphql"],
    plugins: { "@graphql-eslint": graphql },
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: "schema.graphql" } } },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,
      "@graphql-eslint/strict-id-in-types": ["error", { exceptions: { types: WITHOUT_ID, suffixes: LISTS } }],
      // No source can be read from its end, so lists go forward only.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      // Short lists inside a record, such as `permissions`, are no connections; and `nodes` saves the edges.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
      // `User.username` is a word of its own. A warning, since the rule has no exceptions: the test knows this one.
      "@graphql-eslint/no-typename-prefix": "warn",
    },
  },
]
