"""The tests: they mirror the package's rooms; end_to_end/ and scenarios/ go through all of them."""
