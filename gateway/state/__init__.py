"""What replicas have in common: protocols, with one implementation in memory and one in Redis each."""
