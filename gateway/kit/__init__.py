"""Small general tools that know nothing of users, sources or surfaces."""
