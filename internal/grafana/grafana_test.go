package grafana

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// server speaks as Grafana does: a folder that is not there is 404, a wrong
// token 401.
func server(t *testing.T, calls *[]string) *httptest.Server {
	folders := map[string]bool{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sub/api/folders/{uid}", func(w http.ResponseWriter, r *http.Request) {
		*calls = append(*calls, "look "+r.PathValue("uid"))
		if !folders[r.PathValue("uid")] {
			http.Error(w, `{"message":"folder not found"}`, http.StatusNotFound)
		}
	})
	mux.HandleFunc("POST /sub/api/folders", func(_ http.ResponseWriter, r *http.Request) {
		var in struct{ UID, Title string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		*calls = append(*calls, "make "+in.UID+" "+in.Title)
		folders[in.UID] = true
	})
	mux.HandleFunc("POST /sub/api/dashboards/db", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Dashboard struct{ UID string }
			FolderUID string
			Overwrite bool
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		if !in.Overwrite || !folders[in.FolderUID] {
			t.Errorf("push is %+v", in)
		}
		*calls = append(*calls, "push "+in.Dashboard.UID)
		_, _ = w.Write([]byte(`{"url":"/sub/d/` + in.Dashboard.UID + `/x"}`))
	})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, basic := r.BasicAuth()
		if r.Header.Get("Authorization") != "Bearer good" && (!basic || user != "admin" || password != "pass") {
			http.Error(w, `{"message":"Invalid API key"}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestPush(t *testing.T) {
	var calls []string
	s := server(t, &calls)
	for _, cfg := range []Config{{URL: s.URL + "/sub", Token: "good"}, {URL: s.URL + "/sub/", User: "admin", Password: "pass"}} {
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		path, err := c.Push(t.Context(), "Shop", []byte(`{"uid":"d01"}`))
		if err != nil || path != "/sub/d/d01/x" {
			t.Errorf("path %q, error %v", path, err)
		}
	}
	if diff := cmp.Diff(calls, []string{"look storepulse", "make storepulse Shop", "push d01", "look storepulse", "push d01"}); diff != "" {
		t.Errorf("calls (-got, +want):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	var calls []string
	s := server(t, &calls)
	c, err := New(Config{URL: s.URL + "/sub", Token: "bad"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Push(t.Context(), "Shop", []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "status 401: Invalid API key: token or password is wrong") {
		t.Errorf("wrong token: %v", err)
	}
	for _, cfg := range []Config{{URL: "grafana:3000", Token: "x"}, {URL: "http://g"}, {URL: "http://g", Token: "x", User: "y"}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}
