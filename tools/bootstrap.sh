#!/bin/sh
# Prepare what pip cannot: a Python that is new enough and the system's packages. Used by the Makefile.
#
#   tools/bootstrap.sh python          print the interpreter to use
#   tools/bootstrap.sh venv DIRECTORY  make a virtual environment, with apt's help where Python came without venv
#   tools/bootstrap.sh test-tools      install what the tests call, if it is missing
#   tools/bootstrap.sh test-peers DIR  unpack the servers that the sinks' tests send to; nothing of them is installed
#
# Packages are installed only where they are missing, only with apt-get and only as root; otherwise the
# missing names are printed and the exit status is 1.
set -eu

PATH="$PATH:/usr/sbin:/sbin" # mkfs and losetup live there, and a user's PATH may not

say() {
    echo "bootstrap: $*" >&2
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if new_enough "$PYTHON"; then
            echo "$PYTHON"
            return
        fi
        say "PYTHON=$PYTHON is not a Python 3.11 or newer"
        return 1
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    say "no Python 3.11 or newer on PATH; install one, or name it: make PYTHON=/path/to/python3 ..."
    return 1
}

install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "please install, as root: $*"
        return 1
    fi
    say "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2
    apt-get install -y -q --no-install-recommends "$@" >&2
}

make_venv() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian splits venv off into a package of its own, one for each minor version
        install_packages "$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
    fi
    "$python" -m venv --clear "$1"
}

missing_packages() {
    while read -r program package; do
        command -v "$program" >/dev/null || echo "$package"
    done <<EOF | sort -u
strace strace
mkfs.ext4 e2fsprogs
mkfs.xfs xfsprogs
mkfs.btrfs btrfs-progs
mount mount
losetup mount
fsfreeze util-linux
unshare util-linux
logrotate logrotate
zstd zstd
chromium chromium
EOF
}

test_tools() {
    missing=$(missing_packages)
    # shellcheck disable=SC2086  # one word a package
    [ -z "$missing" ] || install_packages $missing
}

# Debian's packages of the two syslog daemons exclude each other, and an installed server would be started: so they are
# only unpacked, with the libraries that a small system may lack.
PEERS="nginx
rsyslog rsyslog-openssl rsyslog-gnutls libestr0 libfastjson4 liblognorm5
syslog-ng-core syslog-ng-mod-http libcurl4 libivykis0 libjson-c5 libnet1 libpcre3 libwrap0"

test_peers() {
    mkdir -p "$1"
    command -v npm >/dev/null || install_packages nodejs npm
    cp tests/peers/package.json tests/peers/package-lock.json "$1"
    (
        cd "$1"
        rm -f ./*.deb
        # shellcheck disable=SC2086  # one word a package
        apt-get download -q $PEERS >&2 || { apt-get update -q >&2 && apt-get download -q $PEERS >&2; }
        for package in ./*.deb; do
            dpkg -x "$package" .
        done
        npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >&2
    )
}

case "${1:-}" in
    python) find_python ;;
    venv) make_venv "$2" ;;
    test-tools) test_tools ;;
    test-peers) test_peers "$2" ;;
    *) say "usage: bootstrap.sh python | venv DIRECTORY | test-tools | test-peers DIRECTORY"; exit 64 ;;
esac
