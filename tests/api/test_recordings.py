"""`/v1/recordings` and the recordings of a call (contract §6.3, §6.6)."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from engine.model import CallOutcome, Recording, RecordingSource
from engine.recordings import KEY_FILE, Recordings
from engine.secrets import open_key_file
from tests.api.client import Api, error
from tests.engine.opened import a_call
from tests.support.tones import sine, wav

AUDIO = wav(sine(440, 1.5))
NO_LINK = error(403, "Forbidden", "The link is not valid or has expired")
NOT_FOUND = error(404, "Not Found", "Recording not found")


async def a_recording(api: Api, call_id: str, source: RecordingSource = "record") -> Recording:
    """A stored recording with its file."""
    recordings = api.engine.recordings
    recording_id, path = recordings.new_file(api.engine.workspace_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(AUDIO)
    return await recordings.add(
        recording_id,
        path,
        call_id=call_id,
        workspace_id=api.engine.workspace_id,
        source=source,
        seconds=1.5,
        channels=1,
        size_bytes=len(AUDIO),
    )


async def an_ended_call(api: Api) -> Any:
    call = a_call(api.engine.workspace_id)
    await api.engine.records.create(call)
    await api.engine.records.answered(call.id, call.created_at)
    await api.engine.records.finish(call.id, CallOutcome("answered", "caller", "normal", call.created_at))
    return call


def local(url: str) -> str:
    """Path and query of a link."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


class TestOfACall:
    async def test_the_record_has_its_recordings_and_a_link_to_the_first(self, api: Api) -> None:
        call = await an_ended_call(api)
        first = await a_recording(api, call.id)
        api.engine.clock.advance(seconds=1)
        second = await a_recording(api, call.id)
        record = (await api.get(f"/v1/calls/{call.public_id}")).body
        assert [shown["id"] for shown in record["recordings"]] == [first.id, second.id]
        assert record["recordingUrl"] == record["recordings"][0]["url"]
        assert (await api.get(f"/v1/calls/{call.public_id}/recordings")).body == record["recordings"]
        assert (await api.get("/v1/calls")).body == [record]
        assert (await api.get("/v1/calls?page=1")).body["data"] == [record]
        shown = record["recordings"][0]
        assert shown == {
            "id": first.id,
            "source": "record",
            "durationS": 2,
            "channels": 1,
            "format": "wav",
            "sizeBytes": len(AUDIO),
            "createdAt": "2026-06-23T10:31:00.000Z",
            "url": shown["url"],
        }
        assert (await api.get(f"/v1/recordings/{first.id}")).body == shown

    async def test_the_recording_of_the_whole_call_goes_first(self, api: Api) -> None:
        call = await an_ended_call(api)
        await a_recording(api, call.id)
        api.engine.clock.advance(seconds=1)
        whole = await a_recording(api, call.id, "call")
        record = (await api.get(f"/v1/calls/{call.public_id}")).body
        assert whole.id in record["recordingUrl"]

    async def test_those_of_a_call_in_progress_are_listed(self, api: Api) -> None:
        call = a_call(api.engine.workspace_id)
        await api.engine.records.create(call)
        recording = await a_recording(api, call.id)
        (shown,) = (await api.get(f"/v1/calls/{call.public_id}/recordings")).body
        assert shown["id"] == recording.id
        assert "recordings" not in (await api.get(f"/v1/calls/{call.public_id}")).body

    async def test_a_call_without_any_has_none(self, api: Api) -> None:
        call = await an_ended_call(api)
        record = (await api.get(f"/v1/calls/{call.public_id}")).body
        assert (record["recordings"], record["recordingUrl"]) == ([], None)


class TestLink:
    async def test_it_is_good_without_a_key_and_for_an_hour(self, api: Api) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        link = local((await api.get(f"/v1/recordings/{recording.id}")).body["url"])
        answer = await api.get(link, key=None)
        assert answer.status == 200
        assert answer.content == AUDIO
        assert answer.headers["content-type"] == "audio/wav"
        api.engine.clock.advance(seconds=3599)
        assert (await api.get(link, key=None)).status == 200
        api.engine.clock.advance(seconds=1)
        assert tuple(await api.get(link, key=None)) == (403, NO_LINK)

    async def test_its_signature_is_that_of_the_contract(self, api: Api) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        expiry = int(api.engine.clock.now.timestamp()) + 60
        (key,) = open_key_file(api.engine.path / KEY_FILE)
        signature = hmac.new(key, f"{recording.id}.{expiry}".encode(), hashlib.sha256).hexdigest()
        link = f"/v1/recordings/{recording.id}/audio?exp={expiry}&sig={signature}"
        assert (await api.get(link, key=None)).content == AUDIO

    async def test_one_that_was_changed_is_refused(self, api: Api) -> None:
        call = await an_ended_call(api)
        recording, other = await a_recording(api, call.id), await a_recording(api, call.id)
        link = local((await api.get(f"/v1/recordings/{recording.id}")).body["url"])
        path, _, query = link.partition("?")
        expiry, signature = (pair.partition("=")[2] for pair in query.split("&"))
        for changed in (
            link.replace(recording.id, other.id),
            f"{path}?exp={int(expiry) + 1}&sig={signature}",
            f"{path}?exp={expiry}&sig={signature.upper()}",
            f"{path}?exp={expiry}",
            f"{path}?sig={signature}",
            f"{path}?exp=soon&sig={signature}",
            f"{path}?exp=&sig=",
            f"{path}?exp=%E2%98%8E&sig=%E2%98%8E",
        ):
            assert tuple(await api.get(changed, key=None)) == (403, NO_LINK), changed

    async def test_the_base_is_that_of_the_server_and_payloads_have_a_day(self, api: Api) -> None:
        call = await an_ended_call(api)
        assert await api.engine.recordings.payload_link(call.id) is None
        recording = await a_recording(api, call.id)
        link = await api.engine.recordings.payload_link(call.id)
        assert link is not None
        assert link.startswith(f"http://api.test/v1/recordings/{recording.id}/audio?exp=")
        api.engine.clock.advance(seconds=86_399)
        assert (await api.get(local(link), key=None)).status == 200
        api.engine.clock.advance(seconds=1)
        assert (await api.get(local(link), key=None)).status == 403

    async def test_the_key_is_kept_to_the_owner_of_the_process(self, api: Api) -> None:
        path = api.engine.path / KEY_FILE
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        again = Recordings(api.engine.store, api.engine.path, lambda: "http://api.test", api.engine.clock)
        assert again.link("one") == api.engine.recordings.link("one"), "a restart leaves links as they are"


class TestAudio:
    async def test_it_needs_a_key_or_a_link(self, api: Api) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        path = f"/v1/recordings/{recording.id}/audio"
        assert (await api.get(path, key=None)).status == 401
        assert (await api.get(path)).content == AUDIO
        assert (await api.get(path, key=await api.key_of("viewer"))).content == AUDIO
        _, other = await api.engine.other_workspace()
        assert tuple(await api.get(path, key=other)) == (404, NOT_FOUND)

    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [
            ("bytes=0-43", 0, 43),
            ("bytes=44-", 44, len(AUDIO) - 1),
            ("bytes=-100", len(AUDIO) - 100, len(AUDIO) - 1),
            ("bytes=100-999999", 100, len(AUDIO) - 1),
            ("bytes=-999999", 0, len(AUDIO) - 1),
            ("Bytes=7-7", 7, 7),
        ],
    )
    async def test_a_range_is_answered_with_that_part(self, api: Api, asked: str, first: int, last: int) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        answer = await api.get(f"/v1/recordings/{recording.id}/audio", headers={"Range": asked})
        assert answer.status == 206
        assert answer.content == AUDIO[first : last + 1]
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(AUDIO)}"
        assert answer.headers["content-length"] == str(last - first + 1)

    @pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "seconds=0-1", "bytes=9-3", "bytes=-", "bytes", "bytes=a-b"])
    async def test_a_range_that_cannot_be_read_counts_as_none(self, api: Api, asked: str) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        answer = await api.get(f"/v1/recordings/{recording.id}/audio", headers={"Range": asked})
        assert (answer.status, answer.content) == (200, AUDIO)
        assert answer.headers["accept-ranges"] == "bytes"

    @pytest.mark.parametrize("asked", [f"bytes={len(AUDIO)}-", "bytes=-0"])
    async def test_a_range_beyond_the_end_is_refused(self, api: Api, asked: str) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        answer = await api.get(f"/v1/recordings/{recording.id}/audio", headers={"Range": asked})
        assert answer.status == 416
        assert answer.headers["content-range"] == f"bytes */{len(AUDIO)}"

    async def test_head_tells_the_size(self, api: Api) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        answer = await api.call("HEAD", f"/v1/recordings/{recording.id}/audio")
        assert (answer.status, answer.content) == (200, b"")
        assert answer.headers["content-length"] == str(len(AUDIO))


class TestDeletion:
    async def test_it_takes_the_audio_and_its_links(self, api: Api) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        link = local((await api.get(f"/v1/recordings/{recording.id}")).body["url"])
        path = api.engine.recordings.path(recording)
        assert path.exists()
        assert (await api.delete(f"/v1/recordings/{recording.id}")).status == 204
        assert not path.exists()
        assert tuple(await api.get(link, key=None)) == (404, NOT_FOUND)
        assert tuple(await api.delete(f"/v1/recordings/{recording.id}")) == (404, NOT_FOUND)

    async def test_a_file_that_is_gone_is_not_found(self, api: Api) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        api.engine.recordings.path(recording).unlink()
        assert (await api.get(f"/v1/recordings/{recording.id}/audio")).status == 404
        assert (await api.delete(f"/v1/recordings/{recording.id}")).status == 204

    async def test_a_workspace_that_is_deleted_takes_its_recordings_along(self, api: Api) -> None:
        recording = await a_recording(api, (await an_ended_call(api)).id)
        path: Path = api.engine.recordings.path(recording)
        session = await api.session()
        created = await api.post("/v1/workspaces", {"name": "Another"}, **session)
        assert created.status == 201
        deleted = await api.delete(f"/v1/workspaces/{api.engine.workspace_id}", **session)
        assert deleted.status == 204, deleted.body
        assert not path.exists()
