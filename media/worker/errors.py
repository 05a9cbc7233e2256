"""What can go wrong between the engine and its child processes."""

from __future__ import annotations


class Refused(ValueError):
    """The request itself cannot be fulfilled: bad input, never a fault of ours. The child lives on."""


class WorkerError(Exception):
    """The child process did not answer a request; the message says why. Base of the four below."""


class WorkerBusy(WorkerError):
    """As many requests are waiting as may wait."""


class WorkerUnavailable(WorkerError):
    """The child process cannot be started, or the worker is closed."""


class WorkerCrashed(WorkerError):
    """The child ended, broke the frame format or failed by a fault of ours, in the middle of this request."""


class WorkerTimeout(WorkerError):
    """The request took longer than it may; its child was killed."""
