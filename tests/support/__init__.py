"""What several rooms' tests need: a running engine, a call flow over HTTP, tones to send and ears to hear them."""
