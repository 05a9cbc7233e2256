"""What SIGHUP does: the certificate of SIP over TLS is read again, without a connection being dropped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import structlog

logger = structlog.get_logger(__name__)


def reload_on_hangup(reload_certificates: Callable[[], None]) -> None:
    """From now on SIGHUP reads the certificate again; a file that cannot be used is logged, and the old one stays.

    In a terminal it ends the process as ever: there it means that the terminal is closed.
    """
    if not os.isatty(0):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, reload_certificates)


def _reload(reload_certificates: Callable[[], None]) -> None:
    try:
        reload_certificates()
    except OSError as error:
        logger.error("tls.not_reloaded", reason=str(error))  # noqa: TRY400
    else:
        logger.info("tls.reloaded")
