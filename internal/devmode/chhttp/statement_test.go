package chhttp

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	f := func(sql, want string) {
		t.Helper()
		st := parse([]byte(sql))
		got := fmt.Sprintf("%s format=%s", st.verb, st.format)
		if st.insert() {
			got += fmt.Sprintf(" sql=%q data=%q", sql[:st.cut], sql[st.data:])
		}
		if st.sync {
			got += " sync"
		}
		if st.state {
			got += " state"
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got, +want):\n%s", sql, diff)
		}
	}
	f("SELECT 1", "SELECT format=")
	f("  -- a note\n/* FORMAT x */ select 1 FORMAT JSON", "SELECT format=JSON")
	f("SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "SELECT format=JSON")
	f("SELECT 1 FORMAT JSON;\n", "SELECT format=JSON")
	f("SELECT name, format FROM system.formats", "SELECT format=")
	f("SELECT format f FROM t WHERE x = 1", "SELECT format=")
	f("SELECT format('{}', x) FROM t", "SELECT format=")
	f("SELECT 'x FORMAT CSV'", "SELECT format=")
	f(`SELECT 'it\'s FORMAT CSV' FORMAT TSV`, "SELECT format=TSV")
	f("SELECT 'it''s' FORMAT TSV", "SELECT format=TSV")
	f("(SELECT 1 FORMAT JSON) UNION ALL SELECT 2", "SELECT format=")
	f("WITH 1 AS x SELECT x FORMAT Native", "WITH format=Native")
	f("INSERT INTO t FORMAT Native", `INSERT format=Native sql="INSERT INTO t " data=""`)
	f("INSERT INTO t (a, b) SETTINGS async_insert = 0 FORMAT CSV\n1,2\n", `INSERT format=CSV sql="INSERT INTO t (a, b) SETTINGS async_insert = 0 " data="1,2\n"`)
	f("INSERT INTO t FORMAT TSV \n\n1", `INSERT format=TSV sql="INSERT INTO t " data="\n1"`)
	f("INSERT INTO `FORMAT` FORMAT CSV 1", "INSERT format=CSV sql=\"INSERT INTO `FORMAT` \" data=\"1\"")
	f("INSERT INTO t (values, format) VALUES (1, 'a\n\nb')", `INSERT format=Values sql="INSERT INTO t (values, format) " data=" (1, 'a\n\nb')"`)
	f("INSERT INTO t SELECT 1", "INSERT format=")
	f("INSERT INTO t WITH 1 AS x SELECT x", "INSERT format=")
	f("INSERT INTO FUNCTION null('a UInt8') VALUES (1)", `INSERT format=Values sql="INSERT INTO FUNCTION null('a UInt8') " data=" (1)"`)
	f("KILL QUERY WHERE query_id = 'x' SYNC", "KILL format= sync")
	f("KILL QUERY WHERE query_id = 'x' ASYNC", "KILL format=")
	f("SYSTEM SYNC REPLICA t", "SYSTEM format=")
	f("SET max_threads = 1", "SET format= state")
	f("USE other", "USE format= state")
	f("CREATE TEMPORARY TABLE t (a UInt8)", "CREATE format= state")
	f("", " format=")
	f("'", " format=")
	f("/* open", " format=")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("INSERT INTO t (a) FORMAT CSV\n1"))
	f.Add([]byte("SELECT 'a' /* b */ -- c\nFORMAT JSON SETTINGS x = 1;"))
	f.Fuzz(func(t *testing.T, sql []byte) {
		st := parse(sql)
		if st.insert() && (st.cut > st.data || st.data > len(sql)) {
			t.Fatalf("cut %d, data %d of %d bytes", st.cut, st.data, len(sql))
		}
	})
}
