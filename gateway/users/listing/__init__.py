"""Lists: users of all sources merged into one list, pages of reference data, and the positions in their cursors."""
