import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

SIMULATOR = Path(__file__).parents[1] / "rtsp_cameras.py"
# GStreamer's bindings come with the system's Python, whatever Python runs these tests.
PYTHON = "/usr/bin/python3"


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Small clips: 12 pictures at 10 a second in two GOPs, and what the simulator must refuse."""
    folder = tmp_path_factory.mktemp("clips")
    source = ["-f", "lavfi", "-i", "testsrc=duration=1.2:size=160x120:rate=10", "-pix_fmt", "yuv420p"]
    h264 = ["-c:v", "libx264", "-g", "6", "-sc_threshold", "0"]
    ffmpeg(*source, *h264, "-bf", "0", folder / "good.mp4")
    ffmpeg(*source, *h264, "-bf", "2", folder / "bframes.mp4")
    ffmpeg(*source, "-c:v", "mpeg4", folder / "mpeg4.mp4")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", folder / "sound.mp4")
    # The index comes first, so that the demuxer can begin although the second half is missing.
    ffmpeg("-i", folder / "good.mp4", "-c", "copy", "-movflags", "+faststart", folder / "cut.mp4")
    whole = (folder / "cut.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    (folder / "text.mp4").write_text("not a film\n")
    (folder / "empty.mp4").touch()
    return folder


def command(*arguments):
    return [PYTHON, str(SIMULATOR), *map(str, arguments)]


@pytest.fixture
def simulator():
    """A context manager that starts the simulator on a free port and gives (process, its ready line)."""

    @contextmanager
    def start(*arguments, **options):
        process = subprocess.Popen(
            command("--port", 0, "--exit-with-parent", *arguments), stdout=subprocess.PIPE, text=True, **options
        )
        try:
            line = process.stdout.readline()
            assert line, f"the simulator ended with {process.wait(20)} before it was ready"
            yield process, json.loads(line)
        finally:
            process.kill()
            process.wait(20)
            process.stdout.close()

    return start


@pytest.fixture
def refused():
    """Runs the simulator on something it must refuse; returns (exit status, standard error)."""

    def run(*arguments):
        done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.stdout == "", "nothing may be called ready"
        return done.returncode, done.stderr

    return run
