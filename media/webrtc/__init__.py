"""Media with a browser: ICE as a lite agent (RFC 8445 §2.5), DTLS-SRTP (RFC 5764), and the port they share with RTP.

The handshake runs on the asyncio thread; the keys that come of it go to the media kernel, which carries the audio as it
does with keys by SDES. `media.webrtc.link` is the whole of what the rest of the engine uses.
"""
