"""What was read from the sources and is kept until it changes, and how long it may be used."""
