"""Who is asking, what they may do, and whose credential the systems are called with."""
