"""What happens to users: the log of it, and those who follow it."""
