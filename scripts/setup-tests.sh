#!/usr/bin/env bash
# Installs what the tests need beyond Go and makes the clients under compat/
# ready: Debian packages where it may (as root), and into compat/.cache the
# pinned libraries that each client asks npm, PyPI, Maven Central or the Go
# module proxy for. PostgreSQL, of which the store's tests run a server of their
# own, is a Debian package too. Run it again at will: what is there already is
# left alone.
#
# Clients that cannot run on this machine are named at the end; `go test` skips
# them, or fails with CI=true or PROPUSK_TEST_REQUIRE=all.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../compat"

clients() {
  local file
  for file in curl/needs jwt/*/run sdk/*/run sigv4/*/run idtoken/*/run sts/*/run s3/*/run function/*/run metadata/*/run netns/*/run openid/*/run registry/*/run web/*/run kubernetes/*/run; do dirname "$file"; done
}

# lacking prints the Debian packages that some client still misses.
lacking() {
  local client
  for client in $(clients); do ./build.sh --needs "$client" || true; done | tr ' ' '\n' | sort -u | xargs
}

# gitPackage prints the Debian package of git, with which the tests make repositories
# to scan, unless it is there.
gitPackage() { command -v git >/dev/null || echo git; }

# shells prints the Debian packages of the shells in which the tests complete words.
shells() {
  local shell
  for shell in zsh fish; do command -v "$shell" >/dev/null || echo "$shell"; done
}

# database prints the Debian package of PostgreSQL unless a server is there.
database() {
  if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then return; fi
  echo postgresql
}

# keyring prints the Debian packages of a bus and of a keyring on it, in which the
# client's tests keep secrets.
keyring() {
  command -v dbus-run-session >/dev/null && command -v dbus-daemon >/dev/null || echo dbus dbus-daemon
  command -v gnome-keyring-daemon >/dev/null || echo gnome-keyring
}

packages=$({ lacking; gitPackage; shells; database; keyring; } | xargs)
if [[ -n $packages ]]; then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "installing $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # one word a package
    apt-get install -y -qq --no-install-recommends $packages >/dev/null
    packages=$({ lacking; gitPackage; shells; database; keyring; } | xargs)
  else
    echo "cannot install Debian packages here (not root, or no apt-get): $packages"
  fi
fi

failed=0
left_out=()
make_ready() {
  local client=$1 log
  log=$(mktemp)
  if ./build.sh "$client" >"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  { echo "$client could not be built:"; sed 's/^/  /' "$log"; } >&2
  rm -f "$log"
  return 1
}
export -f make_ready

ready=()
for client in $(clients); do
  if missing=$(./build.sh --needs "$client"); then
    ready+=("$client")
  else
    left_out+=("$client (needs $missing)")
  fi
done
# The slowest builds first, two at a time; that of a cluster takes longer than all others.
ordered=$(printf '%s\n' "${ready[@]}" | sort -r)
{ grep '^kubernetes/' <<<"$ordered" || true; grep -v '^kubernetes/' <<<"$ordered" || true; } | xargs -P 2 -I '{}' bash -c 'make_ready {}' || failed=1

if [[ -n $(database) ]]; then
  left_out+=("everything on PostgreSQL (needs postgresql)")
fi
for client in "${left_out[@]}"; do
  echo "left out: $client"
done
exit "$failed"
