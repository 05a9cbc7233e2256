"""The I/O floor of SIP: sockets, name look-ups and our own addresses. It moves bytes and knows nothing of what they
say."""
