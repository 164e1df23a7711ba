"""Apollo Federation 2: the API as a subgraph, whose records other subgraphs can refer to and extend."""
