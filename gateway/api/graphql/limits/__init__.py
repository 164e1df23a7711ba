"""What a document may ask for: limits on its shape, and its price."""
