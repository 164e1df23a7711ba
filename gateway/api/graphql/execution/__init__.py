"""Executing operations: documents parsed, validated, planned and kept; admission, execution, results and errors."""
