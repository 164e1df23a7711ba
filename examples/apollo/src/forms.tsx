import { useMutation, useQuery } from "@apollo/client/react";
import { useState } from "react";
import { ChangeForm, type Input } from "shared/ChangeForm";
import { accountFields, MARKETPLACE_FIELDS, RESELLER_FIELDS } from "shared/fields";
import { IconForm } from "shared/IconForm";
import { pathTo } from "shared/page";
import { dataOf, failureOf, WITH_FAILED_FIELDS } from "./client";
import { type FragmentType, getFragmentData, graphql } from "./gql";

const EDITABLE = graphql(`
  fragment EditableUser on User {
    id source name email username firstName lastName company
    role { id name }
    department { id name }
  }
`);

const CHOICES = graphql(`
  query Choices {
    roles(first: 100) { nodes { id name } }
    departments(first: 100) { nodes { id name } }
  }
`);

const CREATE = graphql(`
  mutation CreateAccountUser($input: CreateAccountUserInput!, $key: String!) {
    createAccountUser(input: $input, idempotencyKey: $key) { id ...UserDetails }
  }
`);

const UPDATE_ACCOUNT = graphql(`
  mutation UpdateAccountUser($id: ID!, $input: UpdateAccountUserInput!, $key: String!) {
    updateAccountUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }
  }
`);

const UPDATE_MARKETPLACE = graphql(`
  mutation UpdateSoftwareOneUser($id: ID!, $input: UpdateSoftwareOneUserInput!, $key: String!) {
    updateSoftwareOneUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }
  }
`);

const UPDATE_RESELLER = graphql(`
  mutation UpdateResellerUser($id: ID!, $input: UpdateResellerUserInput!, $key: String!) {
    updateResellerUser(id: $id, input: $input, idempotencyKey: $key) { id ...UserDetails }
  }
`);

const UPLOAD_ICON = graphql(`
  mutation UploadIcon($id: ID!, $icon: Upload!, $key: String!) {
    updateSoftwareOneUser(id: $id, input: { icon: $icon }, idempotencyKey: $key) { id ...UserDetails }
  }
`);

export function NewUser() {
  const [create] = useMutation(CREATE, WITH_FAILED_FIELDS);
  const { data: choices } = useQuery(CHOICES);
  async function save(input: Input, key: string) {
    const data = await dataOf(create({ variables: { input, key } }));
    if (data?.createAccountUser) location.hash = pathTo("user", data.createAccountUser.id);
  }
  return (
    <>
      <h1>New user</h1>
      <ChangeForm fields={accountFields(choices)} values={{}} save={save} failureOf={failureOf} />
    </>
  );
}

type EditProps = { user: FragmentType<typeof EDITABLE>; reload: () => void };

/** The form for a user of any source: each source has its mutation. */
export function EditUser({ user, reload }: EditProps) {
  const { id, source, role, department, ...texts } = getFragmentData(EDITABLE, user);
  const values = { ...texts, roleId: role?.id, departmentId: department?.id };
  const form = { values, failureOf, reload };
  const { data: choices } = useQuery(CHOICES);
  const [updateAccount] = useMutation(UPDATE_ACCOUNT, WITH_FAILED_FIELDS);
  const [updateMarketplace] = useMutation(UPDATE_MARKETPLACE, WITH_FAILED_FIELDS);
  const [updateReseller] = useMutation(UPDATE_RESELLER, WITH_FAILED_FIELDS);
  const [uploadIcon] = useMutation(UPLOAD_ICON, WITH_FAILED_FIELDS);
  const [progress, setProgress] = useState(0);

  switch (source) {
    case "ACCOUNT":
      return (
        <ChangeForm
          {...form}
          fields={accountFields(choices, { role, department })}
          save={(input, key) => dataOf(updateAccount({ variables: { id, input, key } }))}
        />
      );
    case "RESELLER":
      return (
        <ChangeForm
          {...form}
          fields={RESELLER_FIELDS}
          save={(input, key) => dataOf(updateReseller({ variables: { id, input, key } }))}
        />
      );
    case "SOFTWAREONE":
      return (
        <>
          <ChangeForm
            {...form}
            fields={MARKETPLACE_FIELDS}
            save={(input, key) => dataOf(updateMarketplace({ variables: { id, input, key } }))}
          />
          <IconForm
            progress={progress}
            upload={(icon, key) =>
              dataOf(uploadIcon({ variables: { id, icon, key }, context: { onProgress: setProgress } }))
            }
            failureOf={failureOf}
          />
        </>
      );
  }
}
