package chhttp

import (
	"bytes"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"
)

// helloQuery is the first statement of every clickhouse-go connection.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

func isHello(sql []byte) bool { return bytes.Equal(bytes.TrimSpace(sql), []byte(helloQuery)) }

// hello answers helloQuery with revision 0. The client then expects plain
// Native blocks, without the extras that newer revisions put around them, and
// plain blocks are what the engine writes.
func hello(version, revision string) ([]byte, error) {
	rev, _ := strconv.Atoi(revision)
	var name, ver, zone proto.ColStr
	name.Append("storepulse embedded ClickHouse")
	ver.Append(version)
	zone.Append("UTC")
	number := proto.ColUInt32{0}
	block := proto.Block{Rows: 1, Columns: 4, Info: proto.BlockInfo{BucketNum: -1}}
	var buf proto.Buffer
	err := block.EncodeBlock(&buf, rev, proto.Input{
		{Name: "displayName()", Data: name},
		{Name: "version()", Data: ver},
		{Name: "revision()", Data: number},
		{Name: "timezone()", Data: zone},
	})
	return buf.Buf, err
}
