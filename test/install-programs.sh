#!/bin/sh
# Installs the named Debian packages whose program of the same name is missing. Where that is not possible it says what to do
# and goes on: the tests that need a missing program skip themselves and say so (with CI=true they fail).
set -eu

missing=
for program in "$@"; do
  command -v "$program" >/dev/null 2>&1 || [ -x "/usr/sbin/$program" ] || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then as_root='sudo -n'; else as_root=impossible; fi
fi
if [ "$as_root" = impossible ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "Not installed:$missing. What needs them is skipped. On Debian: sudo apt-get install$missing" >&2
  exit 0
fi

echo "Installing:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # words on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
