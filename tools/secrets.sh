#!/usr/bin/env bash
# The secrets of compose.yaml, each made when it is missing and never changed.
#
#   secrets.sh [folder]     default .secrets, beside compose.yaml
#
# The folder has mode 0700: on this machine only its owner gets at what is in
# it. The files in it are readable, because compose mounts each as it is into a
# container whose user is another one than theirs.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${1:-$root/.secrets}
umask 077
mkdir -p "$dir"
chmod 700 "$dir"

# keep writes standard input to a file unless it has something in it.
keep() {
	local file=$dir/$1 text
	text=$(cat)
	if [ ! -s "$file" ]; then
		printf '%s\n' "$text" > "$file"
		echo "made $file"
	fi
	chmod 644 "$file"
}

password() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

hash() { printf %s "$(cat "$dir/$1")" | sha256sum | cut -d ' ' -f 1; }

for name in clickhouse_storepulse clickhouse_grafana grafana_admin; do password | keep "$name"; done

# Replace these with the addresses of incoming webhooks as Slack has them: until
# then Alertmanager shows alerts on its own page and reaches nobody.
for name in page chat digest heartbeat; do echo http://127.0.0.1:9/not-set | keep "$name.url"; done

# What ClickHouse is told of the passwords; made anew, because it follows from them.
cat > "$dir/clickhouse_users.xml" <<XML
<clickhouse>
    <users>
        <storepulse><password_sha256_hex>$(hash clickhouse_storepulse)</password_sha256_hex></storepulse>
        <grafana><password_sha256_hex>$(hash clickhouse_grafana)</password_sha256_hex></grafana>
    </users>
</clickhouse>
XML
chmod 644 "$dir/clickhouse_users.xml"
