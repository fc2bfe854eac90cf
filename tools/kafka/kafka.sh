#!/usr/bin/env bash
# A real Apache Kafka for tests: one KRaft node, broker and controller in one,
# on the loopback interface only; or three of them (KAFKA_NODES=3) that keep
# three copies of everything and take writes as long as two are in sync.
#
#   kafka.sh install   copy the jars named in pom.xml into build/kafka/libs (needs mvn)
#   kafka.sh start     format the storage if it is new, start, wait until ready
#   kafka.sh run       the same for one node, in the foreground and until it is ended
#   kafka.sh stop      SIGTERM, then SIGKILL after KAFKA_STOP_WAIT seconds
#   kafka.sh kill      SIGKILL at once, for crash tests
#   kafka.sh status    say whether it runs and where
#   kafka.sh clean     stop and remove its data (the jars stay)
#
# A node's ports: KAFKA_PORT, ten further for each further node; then its
# controller's; one that asks for SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; user
# shop, password secret); one that says its address is the port after it: there a
# proxy may listen, so that clients who came through it stay behind it; and, two
# ports further, one that asks for SASL over TLS, with the certificate in
# KAFKA_HOME/PORT/broker.crt.
#
# Commands speak of all nodes, or of one: KAFKA_NODES=3 KAFKA_NODE=2 kafka.sh kill.
#
# KAFKA_PORT (19092), KAFKA_NODES (1), KAFKA_NODE (all), KAFKA_HOME (build/kafka),
# KAFKA_HEAP (512m), KAFKA_OPTS (more flags for java), KAFKA_START_WAIT (180 s), KAFKA_STOP_WAIT (30 s).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${KAFKA_HOME:-$root/build/kafka}
base=${KAFKA_PORT:-19092}
nodes=${KAFKA_NODES:-1}
libs=$home/libs

# node makes the variables below speak of node $1.
node() {
	id=$1
	port=$((base + 10 * (id - 1)))
	controller=$((port + 1))
	sasl=$((port + 2))
	proxied=$((port + 3))
	secure=$((port + 5))
	dir=$home/$port
	pidfile=$dir/kafka.pid
	log=$dir/kafka.log
}

# each runs a command for every node that was asked for, in one process.
each() {
	local n
	for n in ${KAFKA_NODE:-$(seq "$nodes")}; do
		node "$n"
		"$@" || return
	done
}

die() { echo "kafka.sh: $*" >&2; exit 1; }

need() { command -v "$1" >/dev/null || die "$1 is not installed: $2"; }

# pid prints the process id if it is a running broker of ours; the file may be
# left over and its number taken by another process.
pid() {
	[[ -f $pidfile ]] || return 1
	local p
	p=$(<"$pidfile")
	[[ -r /proc/$p/cmdline ]] && tr '\0' ' ' </proc/"$p"/cmdline | grep -qF "$dir/server.properties" && echo "$p"
}

# Small and quick to start: tests need no throughput. Only the line that says
# "started" is logged below warn.
java_flags=(-Xms64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
	-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true
	-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info -cp "$libs/*")

install() {
	need mvn "install Apache Maven 3.8 or newer (Debian: apt-get install maven)"
	need java "install a JDK or JRE 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
	local tmp=$home/libs.new
	rm -rf "$tmp"
	mkdir -p "$home"
	mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$tmp" -DincludeScope=runtime ||
		die "maven could not copy the jars (see above); is a Maven repository reachable?"
	compgen -G "$tmp/kafka-server-*.jar" >/dev/null || die "no kafka-server jar in $tmp"
	rm -rf "$libs"
	mv "$tmp" "$libs"
	echo "kafka jars in $libs: $(basename "$libs"/kafka-clients-*.jar .jar)"
}

configure() {
	mkdir -p "$dir"
	local voters="" n copies=$((nodes < 3 ? 1 : 3))
	for n in $(seq "$nodes"); do voters+=",$n@127.0.0.1:$((base + 10 * (n - 1) + 1))"; done
	cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$id
controller.quorum.voters=${voters#,}
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller,SASL://127.0.0.1:$sasl,PROXIED://127.0.0.1:$proxied,SECURE://127.0.0.1:$secure
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL://127.0.0.1:$sasl,PROXIED://127.0.0.1:$((proxied + 1)),SECURE://127.0.0.1:$secure
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,PROXIED:PLAINTEXT,SECURE:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="secret";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="secret";
listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=$dir/broker.pem
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=false
# Records of tests bear fixed dates, and retention goes by them.
log.retention.ms=-1
num.network.threads=2
num.io.threads=4
default.replication.factor=$copies
min.insync.replicas=$((copies - copies / 2))
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$((copies - copies / 2))
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Tests wait for sessions to end; 6 s is the default.
group.min.session.timeout.ms=1000
socket.request.max.bytes=104857600
PROPERTIES
}

# certify makes the broker a certificate of its own, for tests only.
certify() {
	[[ -f $dir/broker.pem ]] && return
	need openssl "install OpenSSL (Debian: apt-get install openssl)"
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
		-keyout "$dir/broker.key" -out "$dir/broker.crt" 2>"$dir/certify.log" || die "no certificate: $(tail -n 3 "$dir/certify.log")"
	cat "$dir/broker.key" "$dir/broker.crt" >"$dir/broker.pem"
	chmod 600 "$dir/broker.key" "$dir/broker.pem"
}

# Nodes need each other to become ready: all are launched, then awaited.
start() {
	each launch
	each ready
}

launch() {
	pid >/dev/null && return
	prepare
	rm -f "$pidfile" # of a former broker
	# A session of its own, so that an interrupt at the terminal spares it.
	setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' _ "$pidfile" "${broker[@]}" >>"$log" 2>&1 </dev/null &
	until [[ -s $pidfile ]] || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
}

run() {
	node "${KAFKA_NODE:-1}"
	if pid >/dev/null; then die "kafka runs already: 127.0.0.1:$port, pid $(pid)"; fi
	prepare
	echo $$ >"$pidfile"
	exec "${broker[@]}" >>"$log" 2>&1 </dev/null
}

# prepare formats the storage if it is new and says in broker how to start.
prepare() {
	need java "install a JDK or JRE 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
	compgen -G "$libs/kafka-server-*.jar" >/dev/null || die "no jars in $libs: run $0 install (make kafka) first"
	# A killed broker has lost its memory, and so its name, before its sockets.
	local waited=0
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		((++waited <= 100)) || die "port $port is taken by another program: set KAFKA_PORT"
		sleep 0.1
	done
	configure
	certify
	if [[ ! -f $dir/data/meta.properties ]]; then
		# The id is "storepulse-tests" in base64; only these nodes ever use it.
		java -Xmx128m "${java_flags[@]}" kafka.tools.StorageTool format -t c3RvcmVwdWxzZS10ZXN0cw -c "$dir/server.properties" \
			--add-scram 'SCRAM-SHA-256=[name=shop,password=secret]' --add-scram 'SCRAM-SHA-512=[name=shop,password=secret]' >"$dir/format.log" 2>&1 ||
			die "formatting the storage failed: $(tail -n 3 "$dir/format.log")"
	fi
	: >"$log"
	# shellcheck disable=SC2206 # KAFKA_OPTS is a list of words
	broker=(java "-Xmx${KAFKA_HEAP:-512m}" "${java_flags[@]}" ${KAFKA_OPTS:-} kafka.Kafka "$dir/server.properties")
}

ready() {
	local waited=0 gone=0 limit=$((${KAFKA_START_WAIT:-180} * 10))
	until grep -q "Kafka Server started" "$log"; do
		if pid >/dev/null; then
			gone=0
		elif ((++gone > 100)); then
			die "kafka ended while starting: $(tail -n 5 "$log") (all of it: $log)"
		fi
		((++waited <= limit)) || { stop_node >/dev/null; die "kafka was not ready within ${KAFKA_START_WAIT:-180} s: $(tail -n 5 "$log")"; }
		sleep 0.1
	done
	echo "kafka is ready: 127.0.0.1:$port, pid $(pid), log $log"
}

stop_node() {
	local p
	if ! p=$(pid); then
		rm -f "$pidfile"
		echo "kafka does not run on port $port"
		return
	fi
	kill -TERM "$p"
	local waited=0 limit=$((${KAFKA_STOP_WAIT:-30} * 10))
	while pid >/dev/null; do
		if ((++waited > limit)); then
			kill -KILL "$p"
			echo "kafka did not stop in time and was killed" >&2
			break
		fi
		sleep 0.1
	done
	rm -f "$pidfile"
	echo "kafka stopped"
}

kill_now() {
	local p
	p=$(pid) || die "kafka does not run on port $port"
	kill -KILL "$p"
	while pid >/dev/null; do sleep 0.05; done
	rm -f "$pidfile"
	echo "kafka killed"
}

status_node() {
	local p
	if p=$(pid); then
		echo "kafka runs: 127.0.0.1:$port, pid $p, $(basename "$libs"/kafka-clients-*.jar .jar)"
	else
		echo "kafka does not run on port $port"
		return 1
	fi
}

clean_node() {
	stop_node
	rm -rf "$dir"
}

case ${1:-} in
install | start | run) "$1" ;;
stop | status | clean) each "$1_node" ;;
kill) each kill_now ;;
*) die "usage: $0 {install|start|run|stop|kill|status|clean}" ;;
esac
