import { useState } from "react";
import { graphql, useFragment } from "react-relay";
import type { GraphQLTaggedNode, MutationParameters } from "relay-runtime";
import { ChangeForm, type Input } from "shared/ChangeForm";
import { accountFields, MARKETPLACE_FIELDS, RESELLER_FIELDS } from "shared/fields";
import { IconForm } from "shared/IconForm";
import { pathTo } from "shared/page";
import type { Forms_user$key } from "./gql/Forms_user.graphql";
import type { FormsChoicesQuery } from "./gql/FormsChoicesQuery.graphql";
import type { FormsCreateMutation } from "./gql/FormsCreateMutation.graphql";
import type { FormsIconMutation } from "./gql/FormsIconMutation.graphql";
import type { FormsUpdateAccountMutation } from "./gql/FormsUpdateAccountMutation.graphql";
import type { FormsUpdateMarketplaceMutation } from "./gql/FormsUpdateMarketplaceMutation.graphql";
import type { FormsUpdateResellerMutation } from "./gql/FormsUpdateResellerMutation.graphql";
import { useRead } from "./Boundary";
import { commit, failureOf } from "./environment";

/** Returns the roles and departments to choose from; without those that cannot be read, the form can still be used. */
function useChoices() {
  const { roles, departments } = useRead<FormsChoicesQuery>(
    graphql`
      query FormsChoicesQuery {
        roles(first: 100) @catch(to: NULL) { nodes { id name } }
        departments(first: 100) @catch(to: NULL) { nodes { id name } }
      }
    `,
    {},
  );
  return { roles, departments };
}

export function NewUser() {
  const choices = useChoices();
  async function save(input: Input, key: string) {
    const { createAccountUser: created } = await commit<FormsCreateMutation>(
      graphql`
        mutation FormsCreateMutation($input: CreateAccountUserInput!, $key: String!) {
          createAccountUser(input: $input, idempotencyKey: $key) @catch(to: RESULT) { id ...Person_user }
        }
      `,
      { input, key },
    );
    if (created.ok && created.value) location.hash = pathTo("user", created.value.id);
  }
  return (
    <>
      <h1>New user</h1>
      <ChangeForm fields={accountFields(choices)} values={{}} save={save} failureOf={failureOf} />
    </>
  );
}

/** The form for a user of any source: each source has its mutation. */
export function EditUser({ user, reload }: { user: Forms_user$key; reload: () => void }) {
  const { id, source, role, department, ...texts } = useFragment(
    graphql`
      fragment Forms_user on User {
        id source name email username firstName lastName company
        role { id name }
        department { id name }
      }
    `,
    user,
  );
  const form = { values: { ...texts, roleId: role?.id, departmentId: department?.id }, failureOf, reload };
  const choices = useChoices();
  const [progress, setProgress] = useState(0);

  const update =
    <Mutation extends MutationParameters>(mutation: GraphQLTaggedNode) =>
    (input: Input, key: string) => commit<Mutation>(mutation, { id, input, key });
  function uploadIcon(icon: File, key: string) {
    return commit<FormsIconMutation>(
      graphql`
        mutation FormsIconMutation($id: ID!, $icon: Upload!, $key: String!) {
          updateSoftwareOneUser(id: $id, input: { icon: $icon }, idempotencyKey: $key) { id ...Person_user }
        }
      `,
      { id, icon: null, key },
      { uploadables: { icon }, cacheConfig: { metadata: { onProgress: setProgress } } },
    );
  }

  switch (source) {
    case "ACCOUNT":
      return (
        <ChangeForm
          {...form}
          fields={accountFields(choices, { role, department })}
          save={update<FormsUpdateAccountMutation>(graphql`
            mutation FormsUpdateAccountMutation($id: ID!, $input: UpdateAccountUserInput!, $key: String!) {
              updateAccountUser(id: $id, input: $input, idempotencyKey: $key) { id ...Person_user }
            }
          `)}
        />
      );
    case "RESELLER":
      return (
        <ChangeForm
          {...form}
          fields={RESELLER_FIELDS}
          save={update<FormsUpdateResellerMutation>(graphql`
            mutation FormsUpdateResellerMutation($id: ID!, $input: UpdateResellerUserInput!, $key: String!) {
              updateResellerUser(id: $id, input: $input, idempotencyKey: $key) { id ...Person_user }
            }
          `)}
        />
      );
    case "SOFTWAREONE":
      return (
        <>
          <ChangeForm
            {...form}
            fields={MARKETPLACE_FIELDS}
            save={update<FormsUpdateMarketplaceMutation>(graphql`
              mutation FormsUpdateMarketplaceMutation($id: ID!, $input: UpdateSoftwareOneUserInput!, $key: String!) {
                updateSoftwareOneUser(id: $id, input: $input, idempotencyKey: $key) { id ...Person_user }
              }
            `)}
          />
          <IconForm progress={progress} upload={uploadIcon} failureOf={failureOf} />
        </>
      );
  }
}
