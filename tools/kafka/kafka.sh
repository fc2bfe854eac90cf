#!/usr/bin/env bash
# A real Apache Kafka for tests: one KRaft node, broker and controller in one,
# on the loopback interface only.
#
#   kafka.sh install   copy the jars named in pom.xml into build/kafka/libs (needs mvn)
#   kafka.sh start     format the storage if it is new, start, wait until ready
#   kafka.sh stop      SIGTERM, then SIGKILL after KAFKA_STOP_WAIT seconds
#   kafka.sh kill      SIGKILL at once, for crash tests
#   kafka.sh status    say whether it runs and where
#   kafka.sh clean     stop and remove its data (the jars stay)
#
# The port after KAFKA_PORT is the controller's, the one after that asks for
# SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; user shop, password secret).
#
# KAFKA_PORT (19092), KAFKA_HOME (build/kafka),
# KAFKA_HEAP (512m), KAFKA_OPTS (more flags for java), KAFKA_START_WAIT (60 s), KAFKA_STOP_WAIT (30 s).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${KAFKA_HOME:-$root/build/kafka}
port=${KAFKA_PORT:-19092}
controller=$((port + 1))
sasl=$((port + 2))
run=$home/$port
libs=$home/libs
pidfile=$run/kafka.pid
log=$run/kafka.log

die() { echo "kafka.sh: $*" >&2; exit 1; }

need() { command -v "$1" >/dev/null || die "$1 is not installed: $2"; }

# pid prints the process id if it is a running broker of ours; the file may be
# left over and its number taken by another process.
pid() {
	[[ -f $pidfile ]] || return 1
	local p
	p=$(<"$pidfile")
	[[ -r /proc/$p/cmdline ]] && tr '\0' ' ' </proc/"$p"/cmdline | grep -qF "$run/server.properties" && echo "$p"
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
	mkdir -p "$run"
	cat >"$run/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller,SASL://127.0.0.1:$sasl
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL://127.0.0.1:$sasl
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="secret";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$run/data
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Tests wait for sessions to end; 6 s is the default.
group.min.session.timeout.ms=1000
socket.request.max.bytes=104857600
PROPERTIES
}

start() {
	need java "install a JDK or JRE 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
	local p
	if p=$(pid); then
		echo "kafka runs already: 127.0.0.1:$port, pid $p"
		return
	fi
	compgen -G "$libs/kafka-server-*.jar" >/dev/null || die "no jars in $libs: run $0 install (make kafka) first"
	if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
		die "port $port is taken by another program: set KAFKA_PORT"
	fi
	configure
	if [[ ! -f $run/data/meta.properties ]]; then
		# The id is "storepulse-tests" in base64; only this node ever uses it.
		java -Xmx128m "${java_flags[@]}" kafka.tools.StorageTool format -t c3RvcmVwdWxzZS10ZXN0cw -c "$run/server.properties" \
			--add-scram 'SCRAM-SHA-256=[name=shop,password=secret]' --add-scram 'SCRAM-SHA-512=[name=shop,password=secret]' >"$run/format.log" 2>&1 ||
			die "formatting the storage failed: $(tail -n 3 "$run/format.log")"
	fi
	: >"$log"
	# A session of its own, so that an interrupt at the terminal spares it.
	setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' _ "$pidfile" \
		java "-Xmx${KAFKA_HEAP:-512m}" "${java_flags[@]}" ${KAFKA_OPTS:-} kafka.Kafka "$run/server.properties" >>"$log" 2>&1 </dev/null &
	local waited=0 limit=$((${KAFKA_START_WAIT:-60} * 10))
	until grep -q "Kafka Server started" "$log"; do
		if ((waited > 20)) && ! pid >/dev/null; then
			die "kafka ended while starting: $(tail -n 5 "$log") (all of it: $log)"
		fi
		((++waited <= limit)) || { stop >/dev/null; die "kafka was not ready within ${KAFKA_START_WAIT:-60} s: $(tail -n 5 "$log")"; }
		sleep 0.1
	done
	echo "kafka is ready: 127.0.0.1:$port, pid $(pid), log $log"
}

stop() {
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

status() {
	local p
	if p=$(pid); then
		echo "kafka runs: 127.0.0.1:$port, pid $p, $(basename "$libs"/kafka-clients-*.jar .jar)"
	else
		echo "kafka does not run on port $port"
		return 1
	fi
}

clean() {
	stop
	rm -rf "$run"
}

case ${1:-} in
install | start | stop | status | clean) "$1" ;;
kill) kill_now ;;
*) die "usage: $0 {install|start|stop|kill|status|clean}" ;;
esac
