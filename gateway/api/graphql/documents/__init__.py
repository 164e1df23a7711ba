"""Documents: parsed, checked, validated, planned and compiled once, kept while they are used."""
