#!/usr/bin/env bash
# demo.sh: set-up, release build, demo. DURATION (seconds), CLIP (a video file) and SCENE (a camera file) from the environment become the demo's
# options; CAMERA (an RTSP address, perhaps with a password) it reads from the environment itself. Its exit status is ours.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/stages.sh
source "$ROOT/scripts/stages.sh"
cd "$ROOT"

options=()
[[ -n ${DURATION:-} ]] && options+=(--duration "$DURATION")
[[ -n ${CLIP:-} ]] && options+=(--clip "$CLIP")
[[ -n ${SCENE:-} ]] && options+=(--scene "$SCENE")

stage "set-up" scripts/setup.sh
stage "release build" cargo build --release --locked
stage "demo" "${CARGO_TARGET_DIR:-target}/release/stopline" demo "${options[@]}"
