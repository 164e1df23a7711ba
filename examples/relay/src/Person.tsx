import { graphql, useFragment } from "react-relay";
import { Unavailable, UserFacts } from "shared/page";
import type { Person_user$key } from "./gql/Person_user.graphql";
import type { PersonQuery } from "./gql/PersonQuery.graphql";
import type { PersonUserQuery } from "./gql/PersonUserQuery.graphql";
import { useRead } from "./Boundary";
import { EditUser } from "./Forms";

/** All records that have one e-mail address. */
export function Person({ email, reload }: { email: string; reload: () => void }) {
  const { person } = useRead<PersonQuery>(
    graphql`
      query PersonQuery($email: String!) @throwOnFieldError {
        person(email: $email) {
          users { id ...Person_user }
          unavailable { source code message retryAfter asOf }
        }
      }
    `,
    { email },
  );
  const users = (person?.users ?? []).filter((user) => user); // a deleted one is null
  return (
    <>
      <h1>{email}</h1>
      <Unavailable sources={person?.unavailable ?? []} retry={reload} />
      {users.map((user) => <UserCard key={user.id} user={user} reload={reload} />)}
      {users.length === 0 && <p>No user has this e-mail address.</p>}
    </>
  );
}

/** One record: not every user has an e-mail address. */
export function OneUser({ id, reload }: { id: string; reload: () => void }) {
  const { user } = useRead<PersonUserQuery>(
    graphql`
      query PersonUserQuery($id: ID!) @throwOnFieldError {
        user(id: $id) { id ...Person_user }
      }
    `,
    { id },
  );
  return user ? <UserCard user={user} reload={reload} /> : <p>There is no such user.</p>;
}

function UserCard({ reload, ...props }: { user: Person_user$key; reload: () => void }) {
  const user = useFragment(
    graphql`
      fragment Person_user on User {
        id source name status imageUrl company lastActiveAt
        role { id name }
        department { id name }
        # It is looked up. If that fails, the other fields are there.
        organization @catch(to: RESULT) { id name }
        accounts { id name }
        ...Forms_user
      }
    `,
    props.user,
  );
  const organization = user.organization.ok ? user.organization.value?.name : "could not be read";
  return (
    <UserFacts user={user} organization={organization}>
      <EditUser user={user} reload={reload} />
    </UserFacts>
  );
}
