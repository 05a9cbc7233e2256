"""Run by pyVoIP's own Python: places one call, sends a tone, writes what it heard, hangs up, prints a JSON line.

Arguments: engine port, own SIP port, number, lowest RTP port, Hz of the tone, seconds to listen, WAV file to write.
pyVoIP registers before it calls; the engine has no registrar yet, so that one step is left out. It sends no keys.
"""

import audioop
import json
import math
import sys
import time
import wave

from pyVoIP.VoIP import CallState, VoIPPhone  # isort: skip  (pyVoIP.SIP cannot be imported before it)
from pyVoIP.SIP import SIPClient

FRAME = 160


def tone(hertz, seconds):
    """8-bit unsigned samples at 8 kHz, as pyVoIP takes them."""
    return bytes(128 + round(40 * math.sin(2 * math.pi * hertz * n / 8000)) for n in range(int(8000 * seconds)))


def main():
    engine, own, number, rtp, hertz, seconds, path = sys.argv[1:]
    SIPClient.register = lambda self: True
    SIPClient.deregister = lambda self: True
    phone = VoIPPhone(
        "127.0.0.1", int(engine), "pyvoip", "none", myIP="127.0.0.1", sipPort=int(own),
        rtpPortLow=int(rtp), rtpPortHigh=int(rtp) + 40,
    )  # fmt: skip
    phone.start()
    heard = bytearray()
    try:
        call = phone.call(number)
        deadline = time.monotonic() + 10
        while call.state != CallState.ANSWERED and time.monotonic() < deadline:
            time.sleep(0.01)
        answered = call.state == CallState.ANSWERED
        if answered:
            call.write_audio(tone(int(hertz), float(seconds) + 1))
            began = time.monotonic()
            while call.state == CallState.ANSWERED and time.monotonic() - began < float(seconds):
                heard += call.read_audio(FRAME, blocking=True)
            if call.state == CallState.ANSWERED:
                call.hangup()
    finally:
        phone.stop()
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(audioop.lin2lin(audioop.bias(bytes(heard), 1, -128), 1, 2))
    print(json.dumps({"answered": answered, "frames": len(heard) // FRAME}))


main()
