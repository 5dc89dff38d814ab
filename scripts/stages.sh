# Sourced: runs a script's stages one after the other and ends with a table of what each took.
# shellcheck shell=bash

stage_rows=()

# stage NAME COMMAND…: a failing stage ends the script with the command's status.
stage() {
  local name=$1 begun=$SECONDS status=0
  shift
  printf '\n== %s\n' "$name"
  # Not in an `if`, where a function's own `set -e` would not count: in a subshell of its own.
  set +e
  (
    set -e
    "$@"
  )
  status=$?
  set -e
  stage_rows+=("$(printf '%-28s %5d s  %s' "$name" $((SECONDS - begun)) "$( ((status == 0)) && echo ok || echo "failed ($status)")")")
  ((status == 0)) || exit "$status"
}

stage_table() {
  local status=$?
  ((${#stage_rows[@]} > 0)) || return
  printf '\n'
  printf '%s\n' "${stage_rows[@]}"
  printf '%-28s %5d s  %s\n' "all" "$SECONDS" "$( ((status == 0)) && echo ok || echo "failed ($status)")"
}
trap stage_table EXIT
