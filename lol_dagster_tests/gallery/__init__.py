"""Every kind of message, as docs/messages.md shows it."""
