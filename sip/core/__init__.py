"""The user agent without I/O: calls, dialogs and what RFC 3261 §8 asks of both sides, driven by bytes and the clock it
is given."""
