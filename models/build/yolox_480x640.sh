#!/usr/bin/env bash
# Makes yolox-nano-480x640 of yolox-nano-416: yolox_480x640.sh OUTDIR
#
# OUTDIR must hold yolox_nano_416.onnx (`stopline models fetch yolox-nano-416`). Needs in $PYTHON (default python3) the
# packages of requirements.txt; the result is checked against the manifest.
set -euo pipefail

source=yolox_nano_416.onnx
result=yolox_nano_480x640.onnx

if [ $# -ne 1 ]; then
    echo "usage: yolox_480x640.sh OUTDIR" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(cd "$1" && pwd)
sha256_of() { sha256sum "$1" | cut -d' ' -f1; }
expected_of() { sed -n "/^file = \"$1\"/,/^sha256/s/^sha256 = \"\(.*\)\"/\1/p" "$here/../manifest.toml"; }

if [ ! -f "$out/$source" ]; then
    echo "yolox_480x640.sh: $out/$source is missing: run \`stopline models fetch yolox-nano-416\`" >&2
    exit 1
fi
if [ "$(sha256_of "$out/$source")" != "$(expected_of $source)" ]; then
    echo "yolox_480x640.sh: $out/$source is not the released file the manifest names" >&2
    exit 1
fi
work=$(mktemp -d "$out/.yolox.XXXXXX")
trap 'rm -rf "$work"' EXIT
PYTHONPATH=$here "${PYTHON:-python3}" -m stopline_models yolox "$out/$source" "$work/$result" --size 640x480
if [ "$(sha256_of "$work/$result")" != "$(expected_of $result)" ]; then
    echo "yolox_480x640.sh: $result is not the one the manifest names: are the packages those of requirements.txt?" >&2
    exit 1
fi
mv "$work/$result" "$out/$result"
echo "$out/$result: built, sha256 as in the manifest"
