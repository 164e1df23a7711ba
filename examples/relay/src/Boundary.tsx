import { Component, createContext, type ReactNode, Suspense, useContext } from "react";
import { useLazyLoadQuery } from "react-relay";
import type { GraphQLTaggedNode, OperationType, VariablesOf } from "relay-runtime";
import { Alert } from "shared/page";
import { failureOf } from "./environment";

/** How often what is shown was to be read again. */
export const Version = createContext(0);

/** Reads a query: from the store if it has everything, and from the gateway in each later version. */
export function useRead<Query extends OperationType>(query: GraphQLTaggedNode, variables: VariablesOf<Query>) {
  const version = useContext(Version);
  const fetchPolicy = version ? "store-and-network" : "store-or-network";
  return useLazyLoadQuery<Query>(query, variables, { fetchKey: version, fetchPolicy });
}

type Props = { reload: () => void; children: ReactNode };

/** Shows that what is inside is being read, or why it could not be read. */
export class Boundary extends Component<Props, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static getDerivedStateFromError = (error: unknown) => ({ error });

  override render() {
    const { error } = this.state;
    if (error === undefined) return <Suspense fallback={<p>Loading…</p>}>{this.props.children}</Suspense>;
    const again = () => {
      this.props.reload();
      this.setState({ error: undefined });
    };
    return <Alert title="This could not be read." action="Try again" onAction={again}>{failureOf(error).message}</Alert>;
  }
}
