"""Plain web endpoints: health."""
