"""Real-time priority for the calling thread, as much of it as the system grants."""

import ctypes
import os
import threading

FIFO_PRIORITY = 10
NICENESS = -10

_PR_SET_TIMERSLACK = 29


def ask_for_realtime() -> str:
    """Ask for SCHED_FIFO, else for a better niceness, for the calling thread only, and say what was granted.

    One of "SCHED_FIFO 10", "nice -10" and "none: <reason>". A sleep of an ordinary thread may by default end 50 µs
    late; that much is asked for in any case.
    """
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1_000, 0, 0, 0)
    try:
        # Thread 0 is the caller in this call, unlike its name suggests (sched(7)).
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except OSError:
        pass
    else:
        return f"SCHED_FIFO {FIFO_PRIORITY}"
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    except OSError as error:
        return f"none: {error.strerror}"
    return f"nice {NICENESS}"
