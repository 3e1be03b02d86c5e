"""The tests: they mirror the package; end_to_end/ and scenarios/ go through all of them."""
