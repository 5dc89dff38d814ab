"""What a client receives: real time, continuous timestamps over the loop, sender reports, Digest, an end when asked."""

import signal
import subprocess
import time

import pytest
from rtsp_client import NAL_IDR, NAL_PPS, NAL_SPS, Picture, RtspClient, RtspError, SenderReport

CLOCK_HZ = 90_000
PICTURES_PER_LOOP = 12
PICTURE_GAP = CLOCK_HZ // 10


def signed(difference):
    """An RTP timestamp difference; the timestamps start anywhere and wrap at 2^32."""
    return (difference + 2**31) % 2**32 - 2**31


def receive(url, pictures, **credentials):
    """(the first pictures, the seconds from the request to play to the last one, the sender reports met on the way)."""
    received, reports = [], []
    with RtspClient(url, **credentials) as client:
        started_s = time.monotonic()
        client.play()
        for item in client.pictures_and_reports():
            if isinstance(item, SenderReport):
                reports.append(item)
                continue
            received.append(item)
            if len(received) == pictures:
                break
        return received, time.monotonic() - started_s, reports


def test_two_loops_and_more_in_real_time(simulator, clips):
    count = 2 * PICTURES_PER_LOOP + 8
    started_s = time.time()
    with simulator("--camera", f"north={clips / 'good.mp4'}") as (_, ready):
        pictures, took_s, reports = receive(ready["cameras"]["north"]["main"], count)
    assert ready["cameras"]["north"]["sub"] is None
    gaps = [signed(after.rtp_time - before.rtp_time) for before, after in zip(pictures, pictures[1:])]
    assert gaps == [PICTURE_GAP] * (count - 1), "the seam looks like any other pair of pictures"
    for index, picture in enumerate(pictures):
        key = index % 6 == 0
        assert (NAL_IDR in picture.nal_types) == key, f"picture {index}: {picture}"
        if key:
            assert picture.nal_types.index(NAL_SPS) < picture.nal_types.index(NAL_PPS) < picture.nal_types.index(NAL_IDR)
    # Never faster than real time; no upper bound, since a busy machine may be late.
    assert took_s > (count - 2) / 10
    assert reports, "no sender report"
    for report in reports:
        assert started_s - 1 < report.unix_s < time.time() + 1, "the sender report carries this machine's clock"
        from_first_s = signed(report.rtp_time - pictures[0].rtp_time) / CLOCK_HZ
        assert -1 < from_first_s < took_s + 1, "and the timestamp of a picture of now"


def test_a_camera_nobody_looks_at_starts_at_the_first_picture(simulator, clips):
    with simulator("--camera", f"a={clips / 'good.mp4'},{clips / 'good.mp4'}") as (_, ready):
        main, _, _ = receive(ready["cameras"]["a"]["main"], 3)
        sub, _, _ = receive(ready["cameras"]["a"]["sub"], 3)
        again, _, _ = receive(ready["cameras"]["a"]["main"], 3)
    for pictures in (main, sub, again):
        assert [NAL_IDR in picture.nal_types for picture in pictures] == [True, False, False]


def shown_at(url, pictures=50):
    """(when the clip's first picture was shown, by the sender reports; the first picture's NAL types)."""
    received, _, reports = receive(url, pictures)
    report = reports[-1]
    return report.unix_s - signed(report.rtp_time - received[0].rtp_time) / CLOCK_HZ, received[0].nal_types


def test_a_late_stream_is_in_step_with_the_first(simulator, clips):
    with simulator("--camera", f"a={clips / 'good.mp4'},{clips / 'good.mp4'}") as (_, ready):
        with RtspClient(ready["cameras"]["a"]["main"]) as first:
            first.play()
            started = next(item for item in first.pictures_and_reports() if isinstance(item, Picture))
            time.sleep(1)
            at_s, _ = shown_at(ready["cameras"]["a"]["sub"])
            report = next(item for item in first.pictures_and_reports() if isinstance(item, SenderReport))
            first_at_s = report.unix_s - signed(report.rtp_time - started.rtp_time) / CLOCK_HZ
    assert abs(at_s - first_at_s) < 0.05, "both streams show the same moment"


def test_cameras_in_step_share_their_beginning_and_latecomers_a_key_frame(simulator, clips):
    cameras = [f"--camera={name}={clips / 'good.mp4'}" for name in ("a", "b")]
    with simulator("--in-step", *cameras) as (_, ready):
        with RtspClient(ready["cameras"]["a"]["main"]) as first:
            first.play()
            pictures = first.pictures_and_reports()
            started = next(item for item in pictures if isinstance(item, Picture))
            time.sleep(10.5)
            at_s, nal_types = shown_at(ready["cameras"]["b"]["main"])
            report = [item for item in (next(pictures) for _ in range(80)) if isinstance(item, SenderReport)][-1]
            first_at_s = report.unix_s - signed(report.rtp_time - started.rtp_time) / CLOCK_HZ
    assert NAL_IDR in nal_types
    key_gap_s = 6 * PICTURE_GAP / CLOCK_HZ
    late_s = at_s - first_at_s
    assert late_s > 9, "what is long past is not sent again"
    assert abs(late_s / key_gap_s - round(late_s / key_gap_s)) < 0.1, f"{late_s} s: not a key frame of the same clip"


def test_once_ends_the_stream_after_the_last_picture(simulator, clips):
    with simulator("--once", "--camera", f"a={clips / 'good.mp4'}") as (_, ready):
        with RtspClient(ready["cameras"]["a"]["main"]) as client:
            client.play()
            pictures = [item for item in client.pictures_and_reports() if isinstance(item, Picture)]
    assert len(pictures) == PICTURES_PER_LOOP


def test_digest_is_asked_for_and_basic_refused(simulator, clips):
    with simulator("--camera", f"a={clips / 'good.mp4'}", "--user", "u", "--password", "p") as (_, ready):
        url = ready["cameras"]["a"]["main"]
        assert "u:p" not in url
        pictures, _, _ = receive(url, 2, user="u", password="p")
        assert len(pictures) == 2
        for credentials in ({}, {"user": "u", "password": "wrong"}, {"user": "u", "password": "p", "scheme": "Basic"}):
            with RtspClient(url, **credentials) as client, pytest.raises(RtspError) as refusal:
                client.request("DESCRIBE")
            assert refusal.value.status == 401
            assert refusal.value.headers["www-authenticate"].startswith("Digest")


def test_a_cut_file_is_served_with_a_warning(simulator, clips, tmp_path):
    with (tmp_path / "error").open("w+") as error:
        with simulator("--camera", f"a={clips / 'cut.mp4'}", stderr=error) as (_, ready):
            pictures, _, _ = receive(ready["cameras"]["a"]["main"], 2)
        error.seek(0)
        assert "is it cut off?" in error.read()
    assert len(pictures) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it(simulator, clips, number):
    with simulator("--camera", f"a={clips / 'good.mp4'}") as (process, _):
        process.send_signal(number)
        assert process.wait(20) == 0


def test_end_of_standard_input_stops_it(simulator, clips):
    camera = ["--camera", f"a={clips / 'good.mp4'}"]
    with simulator("--exit-on-stdin-close", *camera, stdin=subprocess.PIPE) as (process, _):
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 0


def test_the_parents_end_stops_it(clips):
    """A killed parent cannot say goodbye: the simulator closes its standard output, which the pipe shows."""
    from conftest import command

    arguments = command("--port", 0, "--exit-with-parent", "--camera", f"a={clips / 'good.mp4'}")
    parent = subprocess.Popen(["sh", "-c", '"$@" & wait', "sh", *arguments], stdout=subprocess.PIPE, text=True)
    assert '"ready": true' in parent.stdout.readline()
    parent.kill()
    parent.wait(20)
    assert parent.stdout.read() == "", "ends only when the simulator has gone"
    parent.stdout.close()
