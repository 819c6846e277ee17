#!/usr/bin/env bash
# Makes one client ready to run: build.sh jwt/ruby-jwt
#
# A client's folder says what it needs from the machine (needs: one shell test
# a line, then "#" and the Debian packages that satisfy it) and how it is built
# (build, with $CACHE as the place for everything it downloads or makes). The
# build is skipped while nothing in the folder has changed since the last one.
#
# With --needs it only looks at the machine.
#
# Exit 0: ready. Exit 3: the machine lacks something; standard output says what.
set -euo pipefail

needs_only=
if [[ $1 == --needs ]]; then
  needs_only=1
  shift
fi
compat=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
client=$1
folder=$compat/$client
cache=${PROPUSK_COMPAT_CACHE:-$compat/.cache}/$client

missing=()
if [[ -e $folder/needs ]]; then
  while read -r line || [[ -n $line ]]; do
    read -ra packages <<<"${line##*#}"
    bash -c "${line%%#*}" >/dev/null 2>&1 </dev/null || missing+=("${packages[@]}")
  done <"$folder/needs"
fi
if ((${#missing[@]})); then
  echo "${missing[*]}"
  exit 3
fi
[[ -z $needs_only && -e $folder/build ]] || exit 0

digest() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

mkdir -p "$cache"
if command -v flock >/dev/null; then
  exec 9>"$cache.lock"
  flock 9
fi
stamp=$(cd "$folder" && find . -type f -print0 | sort -z | xargs -0 tail -n +1 | digest)
if [[ $(cat "$cache/stamp" 2>/dev/null) == "$stamp" ]]; then
  exit 0
fi
rm -rf "$cache"
mkdir -p "$cache"
# The lock is the script's own: a daemon that a build leaves behind must not keep it.
(cd "$folder" && CACHE=$cache ./build 9>&-) >&2
echo "$stamp" >"$cache/stamp"
