#!/usr/bin/env bash
# packages.sh LIST…: installs the Debian packages of the lists that are missing; asks for nothing when all are there.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

declare -A lists=(
  # Compiler and linker; libclang and the headers for the FFmpeg bindings; OpenSSL's for Kafka; Python for the venv.
  [build]="build-essential clang libclang-dev pkg-config ca-certificates python3 python3-venv
           libavcodec-dev libavformat-dev libavutil-dev libswscale-dev libssl-dev"
  # The simulated cameras of the demo and the tests.
  [cameras]="ffmpeg python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-rtsp-server-1.0
             gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
  # The pages are tried in a real browser, the scripts read by shellcheck.
  [test]="chromium fonts-dejavu-core shellcheck"
)

installed() { [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]; }

wanted=()
for list in "$@"; do
  [[ -v lists[$list] ]] || fail "packages.sh: no list '$list'; known: ${!lists[*]}"
  read -r -d '' -a names <<<"${lists[$list]}" || true
  wanted+=("${names[@]}")
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "Not a Debian system: install the counterparts of these yourself, set-up goes on without: ${wanted[*]}"
  exit 0
fi

missing=()
for name in "${wanted[@]}"; do
  installed "$name" || missing+=("$name")
done
if ((${#missing[@]} == 0)); then
  say "  system packages: all ${#wanted[@]} there"
  exit 0
fi

say "  system packages to install by apt-get: ${missing[*]}"
install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
if ((EUID == 0)); then
  as_root=(env DEBIAN_FRONTEND=noninteractive)
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
  say "  sudo may ask for your password, for apt-get update and the installation of these packages only"
  sudo -v
  as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
else
  fail "these packages are missing and this is neither root nor a user with sudo; let someone run: ${install[*]}"
fi
work_folder
running "apt-get update" "$WORK/update.log" "${as_root[@]}" apt-get update -q
running "apt-get install" "$WORK/install.log" "${as_root[@]}" "${install[@]}"
