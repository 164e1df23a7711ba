"""GraphiQL, built from its npm package and served with every asset from this gateway."""
