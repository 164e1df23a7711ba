"""Small general tools, which import nothing of users, sources or surfaces."""
