"""Compares `media.codecs` with what this version of the engine speaks (contract §14.1)."""

from __future__ import annotations

from media import SPOKEN_CODECS
from server.config import Config
from server.doctor.finding import Finding, fail, ok


def check_codecs(config: Config) -> Finding:
    """Say which of the configured codecs are offered to peers."""
    offered = [name for name in config.media.codecs if name in SPOKEN_CODECS]
    others = [name for name in config.media.codecs if name not in SPOKEN_CODECS]
    if not offered:
        known = ", ".join(f'"{name}"' for name in sorted(SPOKEN_CODECS))
        what = f"media.codecs has none that this version speaks ({', '.join(others)}): every call would be refused"
        return fail("codecs", what, f"put {known} into media.codecs")
    left_out = f"; not spoken here, and left out: {', '.join(others)}" if others else ""
    return ok("codecs", f"offered: {', '.join(offered)}{left_out}")
