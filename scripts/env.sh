# Sourced by every script: where things lie, and how a script speaks to the person who started it.
# shellcheck shell=bash

# shellcheck disable=SC2034  # read by those who source this
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export STOPLINE_CACHE=${STOPLINE_CACHE:-$HOME/.cache/stopline}
CACHE=$STOPLINE_CACHE
# shellcheck disable=SC2034
VENV=$CACHE/venv

# rustup puts cargo where a non-login shell does not look; the cache holds Node and cargo-deny where the system has none.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:$CACHE/bin
if [[ -x $CACHE/node/bin/node ]]; then
  PATH=$CACHE/node/bin:$PATH
fi
export PATH

say() { printf '%s\n' "$*"; }

fail() {
  printf 'stopline: %s\n' "$*" >&2
  exit 1
}

# running TEXT LOG COMMAND…: runs the command with its output in LOG and shows that it lives: a line that counts the
# seconds on a terminal, plain lines now and then elsewhere. `watched` names a folder whose size tells the progress.
# The command's status is returned; when it failed, the end of LOG is shown.
running() {
  local text=$1 log=$2 begun=$SECONDS status=0 step=15 every size=''
  shift 2
  [[ -t 1 ]] && step=1
  every=$step
  # In a process group of its own, so that an interruption ends the command's children too.
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  child=$!
  set +m
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.2
    if (((SECONDS - begun) >= every)) && kill -0 "$child" 2>/dev/null; then
      every=$((SECONDS - begun + step))
      [[ -n ${watched:-} ]] && size=", $(du -sm "$watched" 2>/dev/null | cut -f1) MB on disk"
      if [[ -t 1 ]]; then
        printf '\r\033[K  %s … %d s%s' "$text" $((SECONDS - begun)) "$size"
      else
        say "  $text … $((SECONDS - begun)) s$size"
      fi
    fi
  done
  wait "$child" || status=$?
  child=
  [[ -t 1 ]] && printf '\r\033[K'
  if ((status != 0)); then
    say "  $text: failed after $((SECONDS - begun)) s; the end of its output:"
    tail -n 30 "$log" | sed 's/^/    /'
  else
    say "  $text: done in $((SECONDS - begun)) s"
  fi
  return "$status"
}

# A folder for half-done work inside the cache, so that finishing is a rename; gone when the script ends, however it ends.
child=
work_folder() {
  mkdir -p "$CACHE"
  WORK=$(mktemp -d "$CACHE/.work.XXXXXX")
  trap 'finish_work' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

finish_work() {
  if [[ -n $child ]]; then
    kill -- "-$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  rm -rf "$WORK"
}
