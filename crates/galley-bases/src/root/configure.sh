# Configures the packages of a root, and takes away what would make two roots of the same packages differ. Runs as root inside of the
# root file system, with the network off. Its arguments are the packages, as dpkg's database names them, whose preinst has not run, a
# `--`, and the packages that dpkg has to unpack itself because they divert files of others.
set -e
umask 022
cd /

run_preinst() {
    script="/var/lib/dpkg/info/$1.preinst"
    [ -x "$script" ] || return 0
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE="${1%%:*}" DPKG_MAINTSCRIPT_ARCH="$ARCHITECTURE" \
        DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_DEBUG=0 DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT='' \
        "$script" install || {
        echo "the preinst script of $1 failed" >&2
        exit 1
    }
}

# Accounts first: other scripts name them.
run_preinst base-passwd
while [ "$1" != -- ]; do
    [ "$1" = base-passwd ] || run_preinst "$1"
    shift
done
shift

# These two depend on packages that silently depend on them.
for package in base-passwd base-files; do
    [ -e "/var/lib/dpkg/info/$package.list" ] && set -- "$package" "$@"
done
first=
while [ "$1" = base-passwd ] || [ "$1" = base-files ]; do
    first="$1 $first"
    shift
done
[ -z "$first" ] || dpkg --force-depends --configure $first
[ $# = 0 ] || dpkg --force-unsafe-io --unpack "$@"
dpkg --configure -a

# Nobody logs in as root with a password.
[ ! -e /etc/shadow ] || sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
# Logs, caches, backups, names of this machine.
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /run/* \
    /var/lib/dpkg/updates/* /tmp/* /var/tmp/* /root/.rnd
find /var/log -type f -delete
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/.pwd.lock /etc/hostname /etc/resolv.conf \
    /var/lib/dpkg/available /var/lib/dbus/machine-id /var/lib/systemd/random-seed
[ ! -e /etc/machine-id ] || : >/etc/machine-id
[ "$VARIANT" != slim ] || rm -rf /usr/share/info/*
mkdir -p /var/cache/apt/archives/partial /var/lib/apt/lists/partial /run/lock
chmod 700 /var/cache/apt/archives/partial /var/lib/apt/lists/partial
chmod 1777 /run/lock
