"""What set-up's fetching promises: only the pinned file, put in place whole or not at all, and fetched once.

The scripts run as they are, in a copy with a pin table of the test's own and an `npm` that packs a local file.
"""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1]
LIBRARY = b"a library " * 1000

INSTALL = """
set -euo pipefail
source scripts/env.sh
source scripts/fetch.sh
work_folder
install_file @test/lib package/lib.so lib/lib.so
"""

NPM = """#!/usr/bin/env bash
while (($#)); do [[ $1 == --pack-destination ]] && to=$2; shift; done
echo run >>"$PACKED.runs"
if [[ ${NPM_FAILS:-} ]]; then echo "npm error: no such version" >&2; exit 1; fi
head -c 100 "$PACKED" >"$to/test-lib.tgz"
if [[ ${NPM_HANGS:-} ]]; then sleep 300; fi
cp "$PACKED" "$to/test-lib.tgz"
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of scripts/ with a package of its own to fetch."""
    (tmp_path / "scripts").mkdir()
    for name in ("env.sh", "fetch.sh"):
        shutil.copy(SCRIPTS / name, tmp_path / "scripts")
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("package/lib.so")
        member.size = len(LIBRARY)
        archive.addfile(member, io.BytesIO(LIBRARY))
    pin(tmp_path, hashlib.sha256((tmp_path / "packed.tgz").read_bytes()).hexdigest())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/npm").write_text(NPM)
    (tmp_path / "bin/npm").chmod(0o755)
    return tmp_path


def pin(checkout, sha256):
    (checkout / "scripts/pins.txt").write_text(f"# table\nnpm @test/lib 1.0 {sha256} MIT for the test\n")


def environment(checkout, **more):
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "STOPLINE_CACHE": str(checkout / "cache"),
            "PACKED": str(checkout / "packed.tgz"), **more}


def install(checkout, **more):
    return subprocess.run(["bash", "-c", INSTALL], cwd=checkout, env=environment(checkout, **more), text=True,
                          capture_output=True, timeout=60, stdin=subprocess.DEVNULL)


def cached(checkout):
    """Every file in the cache, as paths."""
    cache = checkout / "cache"
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if not path.is_dir())


def runs(checkout):
    return (checkout / "packed.tgz.runs").read_text().count("run")


def test_installs_once(checkout):
    first, second = install(checkout), install(checkout)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert (checkout / "cache/lib/lib.so").read_bytes() == LIBRARY
    assert cached(checkout) == ["lib/lib.so", "stamps/lib_lib.so"]
    assert runs(checkout) == 1
    assert "lib/lib.so: @test/lib 1.0 there" in second.stdout


def test_a_wrong_hash_stops_with_both_hashes(checkout):
    found = hashlib.sha256((checkout / "packed.tgz").read_bytes()).hexdigest()
    pin(checkout, "0" * 64)
    done = install(checkout)
    assert done.returncode == 1
    assert f"@test/lib 1.0: wrong sha256: expected {'0' * 64} (scripts/pins.txt), found {found}" in done.stderr
    assert cached(checkout) == []


def test_a_wrong_hash_leaves_what_was_installed(checkout):
    install(checkout)
    pin(checkout, "0" * 64)
    assert install(checkout).returncode == 1
    assert (checkout / "cache/lib/lib.so").read_bytes() == LIBRARY


def test_a_failed_fetch_shows_why_and_leaves_nothing(checkout):
    done = install(checkout, NPM_FAILS="1")
    assert done.returncode != 0
    assert "npm error: no such version" in done.stdout
    assert cached(checkout) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_fetch_leaves_nothing(checkout, number):
    process = subprocess.Popen(["bash", "-c", INSTALL], cwd=checkout, env=environment(checkout, NPM_HANGS="1"),
                               stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    give_up_s = time.monotonic() + 60
    while not any(name.endswith("test-lib.tgz") for name in cached(checkout)):
        assert process.poll() is None and time.monotonic() < give_up_s
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert cached(checkout) == []
    assert install(checkout).returncode == 0


@pytest.mark.parametrize("harm", ["cut", "link", "gone"])
def test_a_damaged_file_is_fetched_anew(checkout, harm):
    install(checkout)
    library = checkout / "cache/lib/lib.so"
    if harm == "cut":
        library.write_bytes(LIBRARY[:100])
    else:
        library.unlink()
    if harm == "link":
        (checkout / "elsewhere.so").write_bytes(b"not ours")
        library.symlink_to(checkout / "elsewhere.so")
    assert install(checkout).returncode == 0
    assert library.read_bytes() == LIBRARY and not library.is_symlink()
    if harm == "link":
        assert (checkout / "elsewhere.so").read_bytes() == b"not ours"


def test_a_package_without_pin_is_refused(checkout):
    (checkout / "scripts/pins.txt").write_text("# nothing\n")
    done = install(checkout)
    assert done.returncode == 1
    assert "scripts/pins.txt has no row for @test/lib" in done.stderr


def test_the_shipped_table_is_whole():
    rows = [line.split() for line in (SCRIPTS / "pins.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(rows) >= 4
    for row in rows:
        assert row[0] in {"pypi", "npm"}, row
        assert len(row[3]) == 64 and set(row[3]) <= set("0123456789abcdef"), row
        assert len(row) > 5, f"licence and purpose: {row}"
