#!/bin/sh
# A root directory of its own, in which the documentation's examples may use the paths of a real installation:
# /vault, /var/lib/standpipe and /srv are empty, everything else is the machine's. Run inside
# `unshare --mount --pid --fork --mount-proc`: with the last process all of it is gone.
#
#   stage.sh DIRECTORY SCRIPT
set -eu

mount -t tmpfs stage "$1"
root=$1/root
mkdir "$root"
for path in /*; do
    if [ "$path" = /vault ]; then
        continue
    elif [ -h "$path" ]; then
        cp -P "$path" "$root$path"
    elif [ -d "$path" ]; then
        mkdir "$root$path"
        mount --rbind "$path" "$root$path"
    fi
done
mount -t tmpfs stage "$root/srv"
mount -t tmpfs stage "$root/var/lib"
mkdir -p "$root/vault/audit" "$root/vault/config" "$root/var/lib/standpipe"
chmod 0700 "$root/var/lib/standpipe"
exec chroot "$root" /bin/bash --norc --noprofile "$2"
