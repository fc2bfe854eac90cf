#!/usr/bin/env bash
# Prometheus, promtool, Alertmanager and amtool for tests, out of the
# distribution's packages: downloaded with apt and unpacked into
# build/promtools. No service is started. Debian's Alertmanager reads its default
# templates from /usr/share/prometheus/alertmanager and nowhere else: they are
# put there, which needs root; or install prometheus-alertmanager beforehand.
#
#   promtools.sh            unpack them unless they are there; print the folder
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/build/promtools/bin
tools=(prometheus promtool prometheus-alertmanager amtool)

templates=/usr/share/prometheus/alertmanager

complete() {
	[ -f "$templates/default.tmpl" ] || return 1
	for t in "${tools[@]}"; do [ -x "$bin/$t" ] || return 1; done
}

if complete; then
	echo "$bin"
	exit
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
	echo "promtools: needs apt-get and dpkg; elsewhere put prometheus, promtool, prometheus-alertmanager and amtool into $bin" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt downloads as a user of its own
cd "$work"
fetch() { apt-get -q download prometheus prometheus-alertmanager >&2; }
fetch || { apt-get -q update >&2 && fetch; } || {
	echo "promtools: apt-get cannot download prometheus and prometheus-alertmanager: run apt-get update as root and try again" >&2
	exit 1
}
mkdir -p unpacked "$bin"
for deb in ./*.deb; do dpkg -x "$deb" unpacked; done
for t in "${tools[@]}"; do install -m 755 "unpacked/usr/bin/$t" "$bin/$t"; done
if [ ! -f "$templates/default.tmpl" ]; then
	mkdir -p "$templates" && cp -r "unpacked$templates/." "$templates/" || {
		echo "promtools: cannot write $templates: run as root, or apt-get install prometheus-alertmanager first" >&2
		exit 1
	}
fi
complete || { echo "promtools: the packages lack one of: ${tools[*]}" >&2; exit 1; }
echo "$bin"
