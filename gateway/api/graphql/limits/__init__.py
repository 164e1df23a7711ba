"""Limits on documents, and the cost of operations."""
