"""What tests of several packages share: rows, payloads, servers and processes."""
