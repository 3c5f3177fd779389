#!/bin/sh
# Installs the edge agent or the control plane as a systemd service. Settings that are there already are kept.
set -eu

usage() {
    cat >&2 <<'TEXT'
usage: install.sh [--root DIR] agent|control-plane BINARY [ORCHESTRATOR]

  BINARY        the program to install, as built by `cargo xtask dist` or `cargo build --release`
  ORCHESTRATOR  host:port of the control plane (agent only)
  --root DIR    install below DIR and start nothing, as packages do

The agent's join string is read from standard input if that is not a terminal:
  install.sh agent ./bacalhau-agent control.example.org:4222 < join
TEXT
    exit 2
}

root=
if [ "${1-}" = --root ]; then
    [ $# -ge 2 ] || usage
    root=$2
    shift 2
fi
[ $# -ge 2 ] && [ $# -le 3 ] || usage
here=$(dirname "$0")
case $1 in
    agent) program=bacalhau-agent settings=agent.yaml ;;
    control-plane) program=bacalhau settings=config.yaml ;;
    *) usage ;;
esac
binary=$2
orchestrator=${3-}
[ -z "$orchestrator" ] || [ "$1" = agent ] || usage
[ -f "$binary" ] || { echo "install.sh: no such file: $binary" >&2; exit 1; }
[ -n "$root" ] || [ "$(id -u)" = 0 ] || { echo "install.sh: run it as root, or with --root DIR" >&2; exit 1; }

install -D -m 0755 "$binary" "$root/usr/bin/$program"
install -D -m 0644 "$here/$program.service" "$root/usr/lib/systemd/system/$program.service"
install -D -m 0644 "$here/bacalhau.sysusers.conf" "$root/usr/lib/sysusers.d/bacalhau.conf"
install -D -m 0644 "$here/bacalhau.tmpfiles.conf" "$root/usr/lib/tmpfiles.d/bacalhau.conf"

etc=$root/etc/bacalhau
install -d -m 0755 "$etc"
if [ ! -e "$etc/$settings" ]; then
    sed "s|127\.0\.0\.1:4222|${orchestrator:-127.0.0.1:4222}|" "$here/$settings" > "$etc/$settings"
    chmod 0644 "$etc/$settings"
elif [ -n "$orchestrator" ]; then
    echo "install.sh: $etc/$settings is kept; check Compute.Orchestrators in it" >&2
fi

if [ "$1" = agent ] && [ ! -t 0 ]; then
    # The secret goes from pipe to file: never into an argument, never world-readable.
    join=$(head -n 1)
    if [ -n "$join" ]; then
        (umask 077 && printf 'BACALHAU_COMPUTE_AUTH_TOKEN=%s\n' "$join" > "$etc/agent.env")
    fi
fi

[ -z "$root" ] || exit 0
systemd-sysusers bacalhau.conf
systemd-tmpfiles --create bacalhau.conf
systemctl daemon-reload
systemctl enable --now "$program.service"
echo "$program is installed and running: journalctl -u $program"
