"""Executing operations: preparing documents, executing them, and their results and errors."""
