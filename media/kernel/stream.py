"""The parameters of a stream, as offer and answer settled them, checked and put into the kernel's form."""

from dataclasses import dataclass

from media.kernel import commands as at
from media.kernel import constants as c
from media.kernel.addresses import address_text, address_words, ip_address
from media.kernel.codecs import CODECS, SILENCE
from media.kernel.keys import SRTP_SUITES, SUITES, SrtpParameters
from media.kernel.libopus import AVAILABLE, OpusSending

OPUS = "opus"

# RFC 4568 §6.1.
MKI_LIMIT = 128


SPOKEN_CODECS = (*CODECS, OPUS) if AVAILABLE else tuple(CODECS)


class StreamError(ValueError):
    """The parameters of a stream cannot be used; the message names the field."""


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """One audio stream as negotiated (RFC 3264): where to send, and in which payload types both ways.

    `payload_type` and `dtmf_send_pt` are what the far end asked for, `receive_payload_type` and `dtmf_receive_pt` what
    we did; without telephone-event they are None. `ptime` is the far end's, in ms; any from 10 to 60 is received.
    `rtcp_address` is the `a=rtcp` address, else the next port; `rtcp_mux` puts RTCP on the RTP port (RFC 5761).
    Opus has a clock of 48 kHz and is sent in packets of 20 ms, whatever `ptime` says, as
    the far end asked for in `opus`.
    With `inband_keys` tones of keys are looked for in what is received; without `dtmf_send_pt` keys are sent as tones.
    With `srtp` both ways are SRTP and SRTCP, and nothing else is taken.
    """

    remote_address: str
    remote_port: int
    codec: str
    payload_type: int
    receive_payload_type: int
    dtmf_send_pt: int | None
    dtmf_receive_pt: int | None
    dtmf_clock: int = 8000
    ptime: int = 20
    send: bool = True
    receive: bool = True
    rtcp_address: tuple[str, int] | None = None
    rtcp_mux: bool = False
    srtp: SrtpParameters | None = None
    opus: OpusSending | None = None
    inband_keys: bool = False

    @property
    def inner_codec(self) -> str:
        """The codec that the session has inside: PCMU for Opus, the same for all others."""
        return "PCMU" if self.codec == OPUS else self.codec


def _check_payload_types(parameters: StreamParameters) -> None:
    for name, value in (
        ("payload_type", parameters.payload_type),
        ("receive_payload_type", parameters.receive_payload_type),
        ("dtmf_send_pt", parameters.dtmf_send_pt),
        ("dtmf_receive_pt", parameters.dtmf_receive_pt),
    ):
        if value is not None and not 0 <= value <= 127:
            raise StreamError(f"{name}: {value} is not an RTP payload type")
    if parameters.dtmf_receive_pt == parameters.receive_payload_type:
        raise StreamError(f"dtmf_receive_pt: {parameters.dtmf_receive_pt} is the payload type of the audio")


def _check_srtp(srtp: SrtpParameters) -> None:
    suite = SUITES.get(srtp.suite)
    if suite is None:
        raise StreamError(f"srtp.suite: {srtp.suite} is none of {', '.join(SRTP_SUITES)}")
    for name, key in (("send_key", srtp.send_key), ("receive_key", srtp.receive_key)):
        if len(key) != suite.key_octets:
            raise StreamError(f"srtp.{name}: {len(key)} octets are not {suite.key_octets}")
    if not 0 <= srtp.receive_mki_octets <= MKI_LIMIT:
        raise StreamError(f"srtp.receive_mki_octets: {srtp.receive_mki_octets} is not from 0 to {MKI_LIMIT}")


def _words(field: str, host: str, port: int, version: int) -> tuple[int, int, int]:
    try:
        words = address_words(host, port)
    except ValueError as error:
        raise StreamError(f"{field}: {error}") from error
    address = ip_address(host)
    if address.is_multicast:
        raise StreamError(f"{field}: {host} is no single host")
    if address.version != version:
        raise StreamError(f"{field}: {host} cannot be reached from an IPv{version} socket")
    return words


def sent_from(parameters: StreamParameters) -> tuple[str, int] | None:
    """Return the address that the far end says it sends from, None where it gives none. Raises ValueError."""
    if parameters.remote_port == 0 or ip_address(parameters.remote_address).is_unspecified:
        return None
    return address_text(*address_words(parameters.remote_address, parameters.remote_port))


def start_arguments(parameters: StreamParameters, version: int) -> tuple[int, ...]:
    """Return the arguments of the start command for sockets of an IP version. Raises StreamError.

    Towards port 0 or no address at all (a hold of RFC 2543) nothing is sent. The words of a keyring follow them.
    """
    if parameters.codec not in SPOKEN_CODECS:
        raise StreamError(f"codec: {parameters.codec} is none of {', '.join(SPOKEN_CODECS)}")
    if not c.PTIME_MIN_MS <= parameters.ptime <= c.PTIME_MAX_MS:
        raise StreamError(f"ptime: {parameters.ptime} ms is not from {c.PTIME_MIN_MS} to {c.PTIME_MAX_MS}")
    if not 8000 <= parameters.dtmf_clock <= 192_000:
        raise StreamError(f"dtmf_clock: {parameters.dtmf_clock} Hz is not from 8000 to 192000")
    _check_payload_types(parameters)
    if parameters.srtp is not None:
        _check_srtp(parameters.srtp)
    remote = _words("remote_address", parameters.remote_address, parameters.remote_port, version)
    reports = (0, 0, 0)
    if parameters.rtcp_address is not None:
        reports = _words("rtcp_address", *parameters.rtcp_address, version)
    reachable = parameters.remote_port != 0 and not ip_address(parameters.remote_address).is_unspecified
    codec = CODECS[parameters.inner_codec]
    ptime = c.TICK_MS if parameters.codec == OPUS else parameters.ptime
    arguments = {
        at.START_CODEC: codec,
        at.START_SILENCE: SILENCE[codec],
        at.START_PAYLOAD_TYPE: parameters.payload_type,
        at.START_RECEIVE_PAYLOAD_TYPE: parameters.receive_payload_type,
        at.START_EVENT_SEND_TYPE: -1 if parameters.dtmf_send_pt is None else parameters.dtmf_send_pt,
        at.START_EVENT_RECEIVE_TYPE: -1 if parameters.dtmf_receive_pt is None else parameters.dtmf_receive_pt,
        at.START_EVENT_CLOCK: parameters.dtmf_clock,
        at.START_PACKET_SAMPLES: ptime * c.SAMPLES_PER_MS,
        at.START_SEND: int(parameters.send and reachable),
        at.START_RECEIVE: int(parameters.receive),
        at.START_RTCP_MUX: int(parameters.rtcp_mux),
    }
    return (*remote, *reports, *(arguments[place] for place in sorted(arguments)))
