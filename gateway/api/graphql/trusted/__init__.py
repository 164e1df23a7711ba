"""Documents that are known before they are sent, and documents that are sent once and named afterwards."""
