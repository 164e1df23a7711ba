// Shows a user with Apollo Client, and shows it again after each change.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws"; // browsers have a WebSocket class already

const uri = process.argv[2];
const headers = process.env.API_KEY ? { "x-api-key": process.env.API_KEY } : {};

const live = createClient({
  url: uri.replace("http", "ws"),
  webSocketImpl: WebSocket,
  connectionParams: headers,
  on: { connected: () => console.log("watching") },
});
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(live),
    new HttpLink({ uri, headers }),
  ),
});

const shown = client.watchQuery({
  query: gql`
    query Shown {
      user(id: "acus_adalovelace1", source: ACCOUNT) {
        id
        name
      }
    }
  `,
});
shown.subscribe(({ data }) => data?.user && console.log(data.user.name));

// Apollo Client stores each event in its cache under the id of the user, so every query that shows the user is updated.
const changes = client.subscribe({
  query: gql`
    subscription Changes {
      userChanged(sources: [ACCOUNT]) {
        id
        user {
          id
          name
        }
      }
    }
  `,
});
changes.subscribe(({ error }) => error && console.error(error));
