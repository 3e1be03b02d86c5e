"""The web view, over HTTP and in a real browser."""
