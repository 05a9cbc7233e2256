"""How the audio of a leg went: the members that the record of a call and its last event have in common."""

from __future__ import annotations

from pydantic import BaseModel, Field


class LegMedia(BaseModel):
    """Members of `engine.leg_media.LegMedia`; each way out has names of its own for them."""

    leg: str | None = Field(description="Public id of a leg that the call dialled; null: the leg of the call itself")
    packets_in: int
    packets_out: int
    lost: int = Field(description="Packets of the far end that never came")
    late: int = Field(description="Packets of the far end that came after their time")
    jitter_ms: float
    concealed_ms: int = Field(description="Milliseconds made up in place of what did not come")
    round_trip_ms: float | None
    mos: float | None = Field(description="Estimate of how well we heard the far end, 1 to 4.4 (ITU-T G.107)")
    remote_lost: int | None = Field(description="Packets of ours that the far end missed; null without its RTCP")
    remote_jitter_ms: float | None
    remote_mos: float | None = Field(description="Estimate of how well the far end heard us; null without its RTCP")
