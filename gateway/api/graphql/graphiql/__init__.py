"""GraphiQL, built from its npm package; the gateway serves all of its assets."""
