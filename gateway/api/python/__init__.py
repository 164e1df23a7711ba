"""The surface for programs that embed the gateway: typed methods in place of documents and messages."""
