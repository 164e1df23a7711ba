import { useQuery } from "@apollo/client/react";
import { Alert, Unavailable, UserFacts } from "shared/page";
import { failureOf } from "./client";
import { EditUser } from "./forms";
import { type FragmentType, getFragmentData, graphql } from "./gql";

const DETAILS = graphql(`
  fragment UserDetails on User {
    id source name status imageUrl company lastActiveAt
    role { id name }
    department { id name }
    organization { id name }
    accounts { id name }
    ...EditableUser
  }
`);

const PERSON = graphql(`
  query Person($email: String!) {
    person(email: $email) {
      users { id ...UserDetails }
      unavailable { source code message retryAfter asOf }
    }
  }
`);

const USER = graphql(`
  query User($id: ID!) {
    user(id: $id) { id ...UserDetails }
  }
`);

/** All records that have one e-mail address. */
export function Person({ email }: { email: string }) {
  // A field that fails alone is null; the others are shown.
  const { data, error, loading, refetch } = useQuery(PERSON, { variables: { email }, errorPolicy: "all" });
  const reload = () => void refetch();
  const person = data?.person;
  return (
    <>
      <h1>{email}</h1>
      {loading && <p>Loading…</p>}
      <Incomplete error={error} reload={reload} />
      {person && <Unavailable sources={person.unavailable} retry={reload} />}
      {person?.users.map((user) => <UserCard key={user.id} user={user} reload={reload} />)}
      {person?.users.length === 0 && <p>No user has this e-mail address.</p>}
    </>
  );
}

/** One record: not every user has an e-mail address. */
export function OneUser({ id }: { id: string }) {
  const { data, error, loading, refetch } = useQuery(USER, { variables: { id }, errorPolicy: "all" });
  const reload = () => void refetch();
  return (
    <>
      {loading && <p>Loading…</p>}
      <Incomplete error={error} reload={reload} />
      {data?.user && <UserCard user={data.user} reload={reload} />}
      {data?.user === null && !error && <p>There is no such user.</p>}
    </>
  );
}

function Incomplete({ error, reload }: { error: unknown; reload: () => void }) {
  if (!error) return null;
  return (
    <Alert title="Something is missing here." action="Try again" onAction={reload}>
      {failureOf(error).message}
    </Alert>
  );
}

function UserCard({ reload, ...props }: { user: FragmentType<typeof DETAILS>; reload: () => void }) {
  const user = getFragmentData(DETAILS, props.user);
  return (
    <UserFacts user={user} organization={user.organization?.name}>
      <EditUser user={user} reload={reload} />
    </UserFacts>
  );
}
