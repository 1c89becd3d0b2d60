#!/bin/sh
# Runs a command with an image as the root directory, in the mount namespace that it is called in:
# enter-image.sh ROOT ro|rw DIRECTORY-OF-NODE DATA-OR-NOTHING WORKDIR COMMAND...
set -eu
root=$1 access=$2 node=$3 data=$4 workdir=$5
shift 5

# The base image: programs and their configuration from this machine.
for directory in usr etc; do
  mkdir -p "$root/$directory"
  mount --bind "/$directory" "$root/$directory"
  mount -o remount,bind,ro "$root/$directory"
done
for link in bin lib lib64 sbin; do ln -sfn "usr/$link" "$root/$link"; done
mkdir -p "$root/dev" "$root/proc" "$root/tmp" "$root/root" "$root/opt/node"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/root"
mount --bind "$node" "$root/opt/node"
mount -o remount,bind,ro "$root/opt/node"

if [ -n "${CISTERN_NPM_CACHE:-}" ]; then
  mkdir -p "$root/root/.npm"
  mount --bind "$CISTERN_NPM_CACHE" "$root/root/.npm"
  export HOME=/root npm_config_cache=/root/.npm
  unset CISTERN_NPM_CACHE
fi
if [ "$access" = ro ]; then
  # Bound over itself, the image's own tree can be made read-only, and what is mounted in it stays as it is.
  mount --rbind "$root" "$root"
  mount -o remount,bind,ro "$root"
  [ -z "$data" ] || mount --bind "$data" "$root/data"
fi
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"
