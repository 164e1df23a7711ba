"""The log of changes that happened to users, and the subscriptions that read from it."""
