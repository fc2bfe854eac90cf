package devmode_test

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

func TestClickHouseGoOverHTTP(t *testing.T) {
	url := devtest.ClickHouse(t)
	db := devtest.Database(t, url)
	for name, method := range map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD,
		"gzip": clickhouse.CompressionGZIP, "deflate": clickhouse.CompressionDeflate, "br": clickhouse.CompressionBrotli,
	} {
		t.Run(name, func(t *testing.T) {
			opts, err := clickhouse.ParseDSN(url + "/" + db)
			if err != nil {
				t.Fatal(err)
			}
			opts.Compression = &clickhouse.Compression{Method: method}
			conn, err := clickhouse.Open(opts)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ctx := t.Context()
			table := "t_" + name
			if err := conn.Exec(ctx, "CREATE TABLE "+table+" (id UInt64, s LowCardinality(String), n Nullable(Int32)) ENGINE = MergeTree ORDER BY id"); err != nil {
				t.Fatal(err)
			}
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 1000 {
				n := int32(i)
				if err := batch.Append(uint64(i), "s", &n); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			var got struct {
				N   uint64 `ch:"c"`
				Sum int64  `ch:"s"`
			}
			if err := conn.QueryRow(ctx, "SELECT count() AS c, sum(n) AS s FROM "+table+" WHERE id >= {from:UInt64}", clickhouse.Named("from", "500")).ScanStruct(&got); err != nil {
				t.Fatal(err)
			}
			if got.N != 500 || got.Sum != 374750 {
				t.Fatalf("got %+v", got)
			}
			rows, err := conn.Query(ctx, "SELECT id, s FROM "+table+" WHERE id > 5000")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			if diff := cmp.Diff(rows.Columns(), []string{"id", "s"}); diff != "" {
				t.Errorf("columns of an empty result (-got, +want):\n%s", diff)
			}
			if rows.Next() {
				t.Error("a row out of nothing")
			}
			err = conn.Exec(ctx, "SELECT * FROM nowhere")
			var ex *clickhouse.Exception
			if !errorAs(err, &ex) || ex.Code != 60 {
				t.Errorf("unknown table: %v", err)
			}
		})
	}
}
