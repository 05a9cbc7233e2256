"""RTP, keys, jitter buffer and playing in a thread without the GIL, compiled by numba. Its face is `core`."""
