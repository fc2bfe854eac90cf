package chhttp

import (
	"bytes"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/storepulse/storepulse/internal/devmode/chdb"
)

// streams says whether a result may be taken from the engine piece by piece:
// only SELECTs, and only in formats that are the sum of their pieces.
func streams(verb, format string) bool {
	if verb != "SELECT" && verb != "WITH" {
		return false
	}
	switch format {
	case "Native", "RowBinary", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "JSONEachRow", "JSONLines", "NDJSON", "JSONCompactEachRow":
		return true
	}
	return false
}

func contentType(format string) string {
	switch format {
	case "TabSeparated", "TSV", "TabSeparatedWithNames", "TSVWithNames", "TabSeparatedWithNamesAndTypes", "TSVWithNamesAndTypes":
		return "text/tab-separated-values; charset=UTF-8"
	case "CSV", "CSVWithNames", "CSVWithNamesAndTypes":
		return "text/csv; charset=UTF-8; header=absent"
	case "JSON", "JSONCompact", "JSONStrings":
		return "application/json; charset=UTF-8"
	case "JSONEachRow", "JSONLines", "NDJSON", "JSONCompactEachRow":
		return "application/x-ndjson; charset=UTF-8"
	case "Native", "RowBinary", "ArrowStream", "Arrow", "Parquet":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}

// emptyBlock describes a SELECT that had no rows. The engine writes nothing
// then, but a client learns the columns from the first block. A statement that
// cannot be described has no block, as before.
func emptyBlock(conn *chdb.Conn, sql []byte, params []chdb.Param) []byte {
	sql = bytes.TrimRight(bytes.TrimSpace(sql), "; \n\t\r")
	describe := append(append([]byte("DESCRIBE (\n"), sql...), "\n)"...)
	var out []byte
	_, err := conn.Query(describe, "RowBinary", params, func(b []byte) error {
		r := proto.NewReader(bytes.NewReader(b))
		var columns [][2]string
		for {
			var row [7]string // name, type, default type and expression, comment, codec, TTL
			for i := range row {
				s, err := r.Str()
				if err != nil {
					if i == 0 {
						out = encodeEmpty(columns)
						return nil
					}
					return err
				}
				row[i] = s
			}
			columns = append(columns, [2]string{row[0], row[1]})
		}
	})
	if err != nil {
		return nil
	}
	return out
}

func encodeEmpty(columns [][2]string) []byte {
	var buf proto.Buffer
	buf.PutInt(len(columns))
	buf.PutInt(0)
	for _, c := range columns {
		buf.PutString(c[0])
		buf.PutString(c[1])
	}
	return buf.Buf
}
