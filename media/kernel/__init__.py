"""The media kernel: RTP, keys, jitter and playing in a thread without the GIL, compiled by numba; `core` is its face."""
