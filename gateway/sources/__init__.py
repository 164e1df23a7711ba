"""The systems behind the gateway, one folder each."""
