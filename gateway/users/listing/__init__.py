"""Lists: newest first, merged out of the pages of all sources, with positions and cursors to go on from."""
