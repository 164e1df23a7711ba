/* eslint-disable */
import * as types from './graphql';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  subscription UserChanged {\n    userChanged {\n      id\n      change\n      user { id source name email ...UserRow ...UserDetails }\n    }\n  }\n": typeof types.UserChangedDocument,
    "\n  fragment UserDetails on User {\n    id source name status imageUrl company lastActiveAt\n    role { id name }\n    department { id name }\n    organization { id name }\n    accounts { id name }\n    ...EditableUser\n  }\n": typeof types.UserDetailsFragmentDoc,
    "\n  query Person($email: String!) {\n    person(email: $email) {\n      users { id ...UserDetails }\n      unavailable { source code message retryAfter }\n    }\n  }\n": typeof types.PersonDocument,
    "\n  query User($id: ID!) {\n    user(id: $id) { id ...UserDetails }\n  }\n": typeof types.UserDocument,
    "\n  query Users($filter: UserFilter, $after: String) {\n    users(first: 25, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node { id ...UserRow }\n      }\n      pageInfo { endCursor hasNextPage }\n      unavailable { source code message retryAfter }\n    }\n  }\n": typeof types.UsersDocument,
    "\n  fragment UserRow on User { id source name email status imageUrl }\n": typeof types.UserRowFragmentDoc,
    "\n  fragment EditableUser on User {\n    id source name email username firstName lastName company\n    role { id name }\n    department { id name }\n  }\n": typeof types.EditableUserFragmentDoc,
    "\n  query Choices {\n    roles(first: 100) { nodes { id name } }\n    departments(first: 100) { nodes { id name } }\n  }\n": typeof types.ChoicesDocument,
    "\n  mutation CreateAccountUser($input: CreateAccountUserInput!, $key: String!) {\n    createAccountUser(input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n": typeof types.CreateAccountUserDocument,
    "\n  mutation UpdateAccountUser($id: ID!, $input: UpdateAccountUserInput!, $key: String!) {\n    updateAccountUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n": typeof types.UpdateAccountUserDocument,
    "\n  mutation UpdateSoftwareOneUser($id: ID!, $input: UpdateSoftwareOneUserInput!, $key: String!) {\n    updateSoftwareOneUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n": typeof types.UpdateSoftwareOneUserDocument,
    "\n  mutation UpdateResellerUser($id: ID!, $input: UpdateResellerUserInput!, $key: String!) {\n    updateResellerUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n": typeof types.UpdateResellerUserDocument,
    "\n  mutation UploadIcon($id: ID!, $icon: Upload!, $key: String!) {\n    updateSoftwareOneUser(id: $id, input: { icon: $icon }, idempotencyKey: $key) { id ...UserDetails }\n  }\n": typeof types.UploadIconDocument,
};
const documents: Documents = {
    "\n  subscription UserChanged {\n    userChanged {\n      id\n      change\n      user { id source name email ...UserRow ...UserDetails }\n    }\n  }\n": types.UserChangedDocument,
    "\n  fragment UserDetails on User {\n    id source name status imageUrl company lastActiveAt\n    role { id name }\n    department { id name }\n    organization { id name }\n    accounts { id name }\n    ...EditableUser\n  }\n": types.UserDetailsFragmentDoc,
    "\n  query Person($email: String!) {\n    person(email: $email) {\n      users { id ...UserDetails }\n      unavailable { source code message retryAfter }\n    }\n  }\n": types.PersonDocument,
    "\n  query User($id: ID!) {\n    user(id: $id) { id ...UserDetails }\n  }\n": types.UserDocument,
    "\n  query Users($filter: UserFilter, $after: String) {\n    users(first: 25, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node { id ...UserRow }\n      }\n      pageInfo { endCursor hasNextPage }\n      unavailable { source code message retryAfter }\n    }\n  }\n": types.UsersDocument,
    "\n  fragment UserRow on User { id source name email status imageUrl }\n": types.UserRowFragmentDoc,
    "\n  fragment EditableUser on User {\n    id source name email username firstName lastName company\n    role { id name }\n    department { id name }\n  }\n": types.EditableUserFragmentDoc,
    "\n  query Choices {\n    roles(first: 100) { nodes { id name } }\n    departments(first: 100) { nodes { id name } }\n  }\n": types.ChoicesDocument,
    "\n  mutation CreateAccountUser($input: CreateAccountUserInput!, $key: String!) {\n    createAccountUser(input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n": types.CreateAccountUserDocument,
    "\n  mutation UpdateAccountUser($id: ID!, $input: UpdateAccountUserInput!, $key: String!) {\n    updateAccountUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n": types.UpdateAccountUserDocument,
    "\n  mutation UpdateSoftwareOneUser($id: ID!, $input: UpdateSoftwareOneUserInput!, $key: String!) {\n    updateSoftwareOneUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n": types.UpdateSoftwareOneUserDocument,
    "\n  mutation UpdateResellerUser($id: ID!, $input: UpdateResellerUserInput!, $key: String!) {\n    updateResellerUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n": types.UpdateResellerUserDocument,
    "\n  mutation UploadIcon($id: ID!, $icon: Upload!, $key: String!) {\n    updateSoftwareOneUser(id: $id, input: { icon: $icon }, idempotencyKey: $key) { id ...UserDetails }\n  }\n": types.UploadIconDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription UserChanged {\n    userChanged {\n      id\n      change\n      user { id source name email ...UserRow ...UserDetails }\n    }\n  }\n"): (typeof documents)["\n  subscription UserChanged {\n    userChanged {\n      id\n      change\n      user { id source name email ...UserRow ...UserDetails }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment UserDetails on User {\n    id source name status imageUrl company lastActiveAt\n    role { id name }\n    department { id name }\n    organization { id name }\n    accounts { id name }\n    ...EditableUser\n  }\n"): (typeof documents)["\n  fragment UserDetails on User {\n    id source name status imageUrl company lastActiveAt\n    role { id name }\n    department { id name }\n    organization { id name }\n    accounts { id name }\n    ...EditableUser\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Person($email: String!) {\n    person(email: $email) {\n      users { id ...UserDetails }\n      unavailable { source code message retryAfter }\n    }\n  }\n"): (typeof documents)["\n  query Person($email: String!) {\n    person(email: $email) {\n      users { id ...UserDetails }\n      unavailable { source code message retryAfter }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query User($id: ID!) {\n    user(id: $id) { id ...UserDetails }\n  }\n"): (typeof documents)["\n  query User($id: ID!) {\n    user(id: $id) { id ...UserDetails }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Users($filter: UserFilter, $after: String) {\n    users(first: 25, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node { id ...UserRow }\n      }\n      pageInfo { endCursor hasNextPage }\n      unavailable { source code message retryAfter }\n    }\n  }\n"): (typeof documents)["\n  query Users($filter: UserFilter, $after: String) {\n    users(first: 25, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node { id ...UserRow }\n      }\n      pageInfo { endCursor hasNextPage }\n      unavailable { source code message retryAfter }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment UserRow on User { id source name email status imageUrl }\n"): (typeof documents)["\n  fragment UserRow on User { id source name email status imageUrl }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment EditableUser on User {\n    id source name email username firstName lastName company\n    role { id name }\n    department { id name }\n  }\n"): (typeof documents)["\n  fragment EditableUser on User {\n    id source name email username firstName lastName company\n    role { id name }\n    department { id name }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Choices {\n    roles(first: 100) { nodes { id name } }\n    departments(first: 100) { nodes { id name } }\n  }\n"): (typeof documents)["\n  query Choices {\n    roles(first: 100) { nodes { id name } }\n    departments(first: 100) { nodes { id name } }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateAccountUser($input: CreateAccountUserInput!, $key: String!) {\n    createAccountUser(input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n"): (typeof documents)["\n  mutation CreateAccountUser($input: CreateAccountUserInput!, $key: String!) {\n    createAccountUser(input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateAccountUser($id: ID!, $input: UpdateAccountUserInput!, $key: String!) {\n    updateAccountUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n"): (typeof documents)["\n  mutation UpdateAccountUser($id: ID!, $input: UpdateAccountUserInput!, $key: String!) {\n    updateAccountUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateSoftwareOneUser($id: ID!, $input: UpdateSoftwareOneUserInput!, $key: String!) {\n    updateSoftwareOneUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n"): (typeof documents)["\n  mutation UpdateSoftwareOneUser($id: ID!, $input: UpdateSoftwareOneUserInput!, $key: String!) {\n    updateSoftwareOneUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateResellerUser($id: ID!, $input: UpdateResellerUserInput!, $key: String!) {\n    updateResellerUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n"): (typeof documents)["\n  mutation UpdateResellerUser($id: ID!, $input: UpdateResellerUserInput!, $key: String!) {\n    updateResellerUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UploadIcon($id: ID!, $icon: Upload!, $key: String!) {\n    updateSoftwareOneUser(id: $id, input: { icon: $icon }, idempotencyKey: $key) { id ...UserDetails }\n  }\n"): (typeof documents)["\n  mutation UploadIcon($id: ID!, $icon: Upload!, $key: String!) {\n    updateSoftwareOneUser(id: $id, input: { icon: $icon }, idempotencyKey: $key) { id ...UserDetails }\n  }\n"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;