"""The only code that posts: the protocol, and one module per transport."""
