#!/usr/bin/env bash
# Fetches the fonts of fonts.txt from the npm registry and turns them into TrueType files.
# usage: fetch_fonts.sh [FOLDER]   (default ~/.cache/stopline/plate_fonts; PLATE_FONTS names it for the trainers)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${PLATE_FONTS:-$HOME/.cache/stopline/plate_fonts}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
grep -v '^#' "$here/fonts.txt" | while read -r package version weights; do
    tarball=$(cd "$work" && npm pack --silent "$package@$version" | tail -1)
    rm -rf "$work/package"
    tar -xzf "$work/$tarball" -C "$work"
    name=${package#@fontsource/}
    cp "$work/package/LICENSE" "$out/$name.LICENSE"
    for weight in $weights; do
        python3 - "$work/package/files/$name-latin-$weight-normal.woff2" "$out/$name-$weight.ttf" <<'PY'
import sys
from fontTools.ttLib import TTFont
font = TTFont(sys.argv[1])
font.flavor = None
font.save(sys.argv[2])
PY
    done
done
ls "$out" | wc -l
