"""`/status`: a page for operators, and the same as JSON."""
