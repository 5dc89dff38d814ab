"""Wrong arguments and clips that cannot be served: each with one clear line and exit status 2."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--camera"),
        (["--camera", "north"], "expected ID=MAIN.mp4[,SUB.mp4], found 'north'"),
        (["--camera", "no/rth=a.mp4"], "camera id 'no/rth'"),
        (["--camera", "=a.mp4"], "camera id ''"),
        (["--camera", "north=a.mp4,"], "camera north: expected MAIN.mp4[,SUB.mp4]"),
        (["--camera", "a=x.mp4", "--camera", "a=y.mp4"], "id given twice: a"),
        (["--camera", "a=x.mp4", "--port", "70000"], "expected 0..65535, found 70000"),
        (["--camera", "a=x.mp4", "--user", "u"], "--user and --password go together"),
        (["--camera", "a=/nowhere/x.mp4"], "/nowhere/x.mp4: no such file"),
    ],
)
def test_wrong_arguments(refused, arguments, message):
    status, error = refused(*arguments)
    assert status == 2
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bframes.mp4", "H.264 with B-frames"),
        ("mpeg4.mp4", "expected H.264, found MPEG-4"),
        ("sound.mp4", "expected H.264 video: it holds no video"),
        ("text.mp4", "expected H.264 video"),
        ("empty.mp4", "expected H.264 video"),
    ],
)
def test_clips_that_cannot_be_served(refused, clips, name, message):
    status, error = refused("--camera", f"a={clips / 'good.mp4'},{clips / name}")
    assert status == 2
    assert f"{clips / name}: {message}" in error
    assert "Traceback" not in error


def test_port_in_use(simulator, refused, clips):
    camera = ["--camera", f"a={clips / 'good.mp4'}"]
    with simulator(*camera) as (_, ready):
        status, error = refused(*camera, "--port", ready["port"])
    assert status == 1
    assert f"cannot listen on 127.0.0.1 port {ready['port']}" in error
