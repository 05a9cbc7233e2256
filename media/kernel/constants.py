"""The numbers that the kernel and the asyncio side agree on: states, commands, events, reasons, and every limit.

Compiled functions see these as literals. Limits that an operator may set are given to the kernel with the command that
opens or starts a session; the constants here are their defaults or fixed by the protocols.
"""

# Clocks of the system.

CLOCK_REALTIME = 0
CLOCK_MONOTONIC = 1

# For an argument without a meaning in this place. A literal would have the callee compiled once more for it.
NONE = 0
NO = 0
YES = 1

# Time and audio.

NANOSECONDS = 1_000_000_000
TICK_MS = 20
TICK_NS = TICK_MS * 1_000_000
# Four groups of sessions, 5 ms apart: a thousand packets never leave in one burst.
GROUPS = 4
SUBTICK_NS = TICK_NS // GROUPS
CLOCK_RATE = 8000
TICK_SAMPLES = CLOCK_RATE * TICK_MS // 1000
SAMPLES_PER_MS = CLOCK_RATE // 1000
# Work done once in a while for a session (RTCP, time-outs) happens every so many of its ticks: 500 ms.
HOUSEKEEPING_TICKS = 25

PCMU = 0
PCMA = 1
G722 = 2
PCMU_SILENCE = 0xFF
PCMA_SILENCE = 0xD5
# Decoded again and again it comes to rest within a thousandth of full scale, also after speech.
G722_SILENCE = 0xFC
# What a coder or decoder remembers of its stream.
CODEC_STATE_WORDS = 72
# Opus is PCMU inside; its clock of 48 kHz takes six steps for one sample of ours. Packets hold up to 60 ms.
OPUS_CLOCK_STEPS = 6
OPUS_SAMPLES = 480
COMFORT_NOISE = 13  # static payload type, RFC 3551 §6; RFC 3389

PTIME_MIN_MS = 10
PTIME_MAX_MS = 60

# Datagrams.

# One recvmmsg takes so many datagrams; a tick takes so many batches of one socket, the rest waits or is lost in the
# socket's buffer: a flood on one port costs the others a bounded time.
BATCH = 16
BATCHES_PER_TICK = 4
# Asked for together where there is io_uring (behind the places of a batch), and packets that wait to be handed over.
ASKED = 64
MESSAGES = BATCH + ASKED
OUTBOX = 128
# An odd number of cache lines, so that the first lines of many do not compete for the same places of the cache.
DATAGRAM_BYTES = 2048 + 64
HEADER_BYTES = 64
CONTROL_BYTES = 64
PACKET_BYTES = 1024
OUTBOX_BYTES = PACKET_BYTES + 64
# Words of struct mmsghdr on 64-bit Linux.
MESSAGE_LENGTH = 7

RTP_HEADER_BYTES = 12
RTP_SEQUENCE_AT = 2
RTP_TIMESTAMP_AT = 4
RTP_SSRC_AT = 8
# 60 ms of G.711; an encoded frame of any codec of contract §14.1 fits as well.
PAYLOAD_BYTES = 512

# Why the payloads of a session are kept: a listener of asyncio, sessions that hear it, a room it speaks in, a tape,
# keys that are looked for.

TAPPED_LISTENER = 1
TAPPED_BRIDGE = 2
TAPPED_ROOM = 4
TAPPED_RECORDER = 8
TAPPED_KEYS = 16

# Tapes: so many frames go round, 5 s; a tape's number and count share a word, which is published as a whole.
TAPE_FRAMES = 250
TAPE_COUNT_BITS = 32

# Sessions that hear each other on two threads.

# So many of the last frames are kept: for a hearer on another thread, which is not served in step with the one that is
# heard (one that is more than two behind goes on with the newest), and to make up what is lost from those before it.
HEARD_FRAMES = 8
HEARD_BEHIND = 2
# Threads at most.
CORES = 32

# Rooms.

ROOM_MUTED = 1
ROOM_DEAF = 2
# A frame whose samples are no larger on average than A-law's own silence says nothing: it is not mixed.
ROOM_QUIET = 8
# A member's level follows that of its frames within so many of them (a power of two): 160 ms.
ROOM_LEVEL_FRAMES = 8
# The two codecs of G.711, whose whole sum is encoded once for all who say nothing.
ROOM_SHARED = 2

# Which frames go to a listener: received ones, and sent ones.
TRACK_RECEIVED = 0
TRACK_SENT = 1

# Live sources.

# Two seconds of the ring that asyncio writes to, in samples.
LIVE_SAMPLES = 16_384
# A source that ran dry is heard again when so much has come, or so many ticks after the first of it.
LIVE_CUSHION_SAMPLES = 3 * TICK_SAMPLES
LIVE_CUSHION_TICKS = 2

# Words that asyncio writes (samples written, samples to leave out, position to tell of) and that the kernel does.
LIVE_TAIL = 0
LIVE_SKIP = 1
LIVE_NOTIFY = 2
LIVE_HEAD = 8
LIVE_CURSOR_WORDS = 16
LIVE_NO_POSITION = 2**62

EVENT_LIVE_REACHED = 16

# Jitter buffer.

JITTER_SLOTS = 32
JITTER_START_SAMPLES = 40 * SAMPLES_PER_MS
JITTER_MIN_SAMPLES = 20 * SAMPLES_PER_MS
JITTER_MAX_SAMPLES = 200 * SAMPLES_PER_MS
# A transit time that changes by more than this is a new timeline of the sender, not jitter.
JITTER_DISCONTINUITY_SAMPLES = 2 * CLOCK_RATE
# So long must the delay exceed its target before a frame is left out: 1 s.
JITTER_EXCESS_TICKS = 50

# A packet may come so much earlier than the fastest one so far would have.
JITTER_EARLY_SAMPLES = 2 * SAMPLES_PER_MS

JITTER_IDLE = 0
JITTER_FILLING = 1
JITTER_PLAYING = 2

# Concealment of lost packets in G.711: what is made up of the last 60 ms is at full level for 10 ms, and gone after 60.

MADE_UP_FULL = 10 * SAMPLES_PER_MS
MADE_UP_MOST = 60 * SAMPLES_PER_MS
HISTORY_FRAMES = 3
HISTORY_SAMPLES = HISTORY_FRAMES * TICK_SAMPLES
# The pitch of what is repeated: 66 to 200 Hz; what is higher repeats in whole multiples of its period.
PITCH_SHORTEST = 40
PITCH_LONGEST = 120
# What is heard after a hole comes in over 4 ms.
MADE_UP_FADE = 4 * SAMPLES_PER_MS

# Reception (RFC 3550 appendix A.1).

MAX_DROPOUT = 3000
MAX_MISORDER = 100
# Sequence numbers remembered to tell a duplicate from a packet out of order.
SEEN_WINDOW = 48
# A second SSRC from the accepted source takes over at once when the first has been silent for so long,
# else with its second consecutive packet.
SSRC_SILENCE_NS = 200_000_000

# Symmetric RTP.

# An address that was not signalled is learned only so soon after the stream was started or moved …
LATCH_WINDOW_NS = 10 * NANOSECONDS
# … and only after so many consecutive packets of one SSRC with a negotiated payload type.
LATCH_PACKETS = 3
# Half of them for other ports of the signalled host, half for anybody else.
LATCH_CANDIDATES = 8
# A candidate heard within this time is not pushed out by another address.
CANDIDATE_STALE_NS = 200_000_000

RANK_NONE = 0
RANK_FOREIGN = 1
RANK_SAME_HOST = 2
RANK_SIGNALLED = 3

# Sockets that several sessions share.

# An address in the table is known by two kinds: signalled, and found.
ROUTE_SIGNALLED = 0
ROUTE_SOURCE = 1
ROUTES = 2
ROUTE_BUCKETS = 8192

# Telephone events (RFC 4733).

KEYS = "0123456789*#ABCD"
KEY_COUNT = 16
# Without an update for so long an event is over: its end packets were lost (RFC 4733 §2.5.2.2).
EVENT_LOST_NS = 120_000_000
# After so long without any event an older timestamp is a restarted clock, not a straggler.
EVENT_MEMORY_NS = 5 * NANOSECONDS
EVENT_SEGMENT = 0xFFFF

DIGITS_MAX = 64
PAUSE_HALF = 16
PAUSE_FULL = 17
DIGIT_MIN_MS = 100
DIGIT_DEFAULT_MS = 160
GAP_MIN_MS = 60
GAP_DEFAULT_MS = 80
END_REPEATS = 2
EVENT_VOLUME = 10

DIGITS_NONE = 0
DIGITS_NEXT = 1
DIGITS_EVENT = 2
DIGITS_GAP = 3
DIGITS_SENT = 4

# Playing.

# Items of the queue that the kernel holds for one session; Python holds the rest.
ITEMS = 16
FLUSHED_GROUPS = 4
NO_GROUP = 0
ALL_GROUPS = -1

ITEM_ID = 0
ITEM_ADDRESS = 1
ITEM_LENGTH = 2
ITEM_LOOPS = 3
ITEM_KEYS = 4
ITEM_GROUP = 5
ITEM_PLAYED = 6
ITEM_REASON = 7
ITEM_PACKETS = 8
ITEM_WORDS = 9
# A frame of a prompt that is kept in Opus: so many octets at most, and their number behind them.
KEPT_OCTETS = 126
KEPT_BYTES = 128
# A packet of 20 ms that is sent on as it came: 102 kbit/s at most.
FORWARDED_BYTES = 256

REASON_NONE = 0
REASON_FINISHED = 1
REASON_STOPPED = 2
# The key that stopped the playback is added to this.
REASON_KEY = 16

# SRTP.

# SSRCs of the far end under one key. Phones take a new one with a hold or a transfer, and seldom otherwise.
SRTP_SOURCES = 64
# So long after a change of keys are packets under the old one still taken: they were on their way.
SRTP_OLD_KEY_NS = 2 * NANOSECONDS
# A stream under a new key does not begin with so few packets left before its sequence number wraps: 10 s.
SRTP_WRAP_MARGIN = 500

# RTCP.

# RFC 3550 §6.2: five seconds, varied by a half either way so that reports of many sessions spread.
REPORT_INTERVAL_NS = 5 * NANOSECONDS
NTP_EPOCH_OFFSET = 2_208_988_800
CNAME_BYTES = 16

# Sessions.

FREE = 0
OPEN = 1
STARTED = 2
CLOSING = 3

# Rings.

COMMANDS = 2048
COMMAND_WORDS = 24
EVENTS = 16384
EVENT_WORDS = 8
TAPS = 8192
TAP_WORDS = 4
# The last part of the event ring is kept for what a call waits for: digits, ends of playback, ends of sessions.
EVENT_RESERVE = EVENTS // 4

CURSOR_COMMAND_TAIL = 0
CURSOR_COMMAND_HEAD = 8
CURSOR_EVENT_TAIL = 16
CURSOR_EVENT_HEAD = 24
CURSOR_TAP_TAIL = 32
CURSOR_TAP_HEAD = 40
CURSOR_ASLEEP = 48
CURSOR_WORDS = 56

COMMAND_SHUTDOWN = 1
COMMAND_OPEN = 2
COMMAND_START = 3
COMMAND_PLAY = 4
COMMAND_STOP = 5
COMMAND_RECODE = 6
COMMAND_DIGITS = 7
COMMAND_TAP = 8
COMMAND_CLOSE = 9
COMMAND_HEAR = 10
COMMAND_JOIN = 11
COMMAND_LEAVE = 12
COMMAND_LIVE = 13
COMMAND_TAPE = 14
COMMAND_OPUS = 15
COMMAND_INBAND = 16
COMMAND_SEAT = 17
COMMAND_FORGET = 18
COMMAND_HEARD = 19
COMMAND_PACKETS = 20
# The slot and generation of these are a room's.
COMMAND_ROOM_OPEN = 32
COMMAND_ROOM_TONE = 33
COMMAND_ROOM_TAP = 34

EVENT_DIGIT_STARTED = 1
EVENT_DIGIT_ENDED = 2
EVENT_ITEM_ENDED = 3
EVENT_LATCHED = 4
EVENT_MEDIA_TIMEOUT = 5
EVENT_FIRST_PACKET = 6
EVENT_BYE = 7
EVENT_DIGITS_SENT = 8
EVENT_CLOSED = 9
EVENT_STARTED = 10
EVENT_KEYS_DROPPED = 11
EVENT_TAPE_ENDED = 12

# Statistics.

# Upper bounds, in µs, of the classes of lateness of a tick; a last class takes the rest.
LATE_CLASSES_US = (250, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
LATE_CLASSES = len(LATE_CLASSES_US) + 1

DROP_MALFORMED = 0
DROP_FOREIGN = 1
DROP_PROBATION = 2
DROP_PAYLOAD_TYPE = 3
DROP_DIRECTION = 4
DROP_SEQUENCE = 5
DROP_SSRC = 6
DROP_EARLY = 7
DROP_RTCP = 8
DROP_AUTHENTICATION = 9
DROP_REPLAY = 10
DROPS = 11
DROP_NAMES = (
    "malformed",
    "foreign",
    "probation",
    "payload_type",
    "direction",
    "sequence",
    "ssrc",
    "early",
    "rtcp",
    "authentication",
    "replay",
)
