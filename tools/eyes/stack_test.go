package eyes

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// inContainer gives the file of this repository that a service sees there.
func inContainer(t *testing.T, s types.ServiceConfig, file string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind && (file == v.Target || strings.HasPrefix(file, v.Target+"/")) {
			return filepath.Join(v.Source, strings.TrimPrefix(file, v.Target))
		}
	}
	t.Fatalf("%s sees no %s", s.Name, file)
	return ""
}

func readYAML(t *testing.T, file string, to any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// secretsOf lists where a service finds its secrets.
func secretsOf(s types.ServiceConfig) []string {
	var files []string
	for _, f := range s.Secrets {
		target := f.Target
		if target == "" {
			target = f.Source
		}
		if !path.IsAbs(target) {
			target = "/run/secrets/" + target
		}
		files = append(files, target)
	}
	return files
}

// storepulseProgram builds the program of the image.
func storepulseProgram(t *testing.T, folder string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "storepulse")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "noengine", "-ldflags", "-s -w", "-o", file, "./cmd/storepulse")
	build.Dir = folder
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// TestStackConfiguration: the configuration of worker and generator is good, and
// speaks of services and secrets that are there.
func TestStackConfiguration(t *testing.T) {
	p := composed(t)
	program := storepulseProgram(t, repository)
	for _, name := range []string{"storepulse", "generator"} {
		s := p.Services[name]
		file := inContainer(t, s, *s.Environment["STOREPULSE_CONFIG"])
		check := exec.CommandContext(t.Context(), program, "config", "check")
		check.Env = []string{"STOREPULSE_CONFIG=" + file}
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		help := exec.CommandContext(t.Context(), program, append(slices.Clone(s.Command), "--help")...)
		if out, err := help.CombinedOutput(); err != nil {
			t.Errorf("%s: its command line makes no sense: %v\n%s", name, err, out)
		}
	}
	s := p.Services["storepulse"]
	var cfg struct {
		Kafka struct{ Brokers []string }
		Sink  struct {
			ClickHouse struct {
				URL, User    string
				PasswordFile string `yaml:"password_file"`
			}
		}
		HTTP struct{ Listen string }
	}
	readYAML(t, inContainer(t, s, *s.Environment["STOREPULSE_CONFIG"]), &cfg)
	ch, err := url.Parse(cfg.Sink.ClickHouse.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range append(cfg.Kafka.Brokers, ch.Host) {
		host, _, err := net.SplitHostPort(address)
		if _, ok := p.Services[host]; err != nil || !ok {
			t.Errorf("%s is no service (%v)", address, err)
		}
	}
	if !slices.Contains(secretsOf(s), cfg.Sink.ClickHouse.PasswordFile) {
		t.Errorf("%s is no secret of the worker", cfg.Sink.ClickHouse.PasswordFile)
	}
	if cfg.HTTP.Listen != "0.0.0.0:9464" {
		t.Errorf("the worker listens on %s, Prometheus looks at port 9464 of the container", cfg.HTTP.Listen)
	}
	if broker := *p.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"]; !strings.Contains(broker, "//"+cfg.Kafka.Brokers[0]+",") {
		t.Errorf("Kafka advertises %s, the worker asks %s", broker, cfg.Kafka.Brokers)
	}
	for _, topic := range []string{"ecom.clickstream.v1", "ecom.orders.v1"} {
		if !strings.Contains(strings.Join(p.Services["topics"].Command, " "), topic) {
			t.Errorf("nobody creates %s", topic)
		}
	}
}

// TestStackTargets: Prometheus scrapes, and alerts, services that are there;
// Alertmanager has the addresses of its receivers.
func TestStackTargets(t *testing.T) {
	p := composed(t)
	type static struct{ Targets []string }
	var cfg struct {
		Alerting struct {
			Alertmanagers []struct {
				Static []static `yaml:"static_configs"`
			}
		}
		Scrape []struct {
			Job    string                     `yaml:"job_name"`
			Static []static                   `yaml:"static_configs"`
			DNS    []struct{ Names []string } `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
		Rules []string `yaml:"rule_files"`
	}
	file := inContainer(t, p.Services["prometheus"], "/etc/prometheus/prometheus.yml")
	readYAML(t, file, &cfg)
	var hosts []string
	add := func(list []static) {
		for _, s := range list {
			for _, target := range s.Targets {
				host, _, err := net.SplitHostPort(target)
				if err != nil {
					t.Error(err)
				}
				hosts = append(hosts, strings.Replace(host, "localhost", "prometheus", 1))
			}
		}
	}
	for _, a := range cfg.Alerting.Alertmanagers {
		add(a.Static)
	}
	for _, s := range cfg.Scrape {
		add(s.Static)
		for _, d := range s.DNS {
			hosts = append(hosts, d.Names...)
		}
	}
	slices.Sort(hosts)
	if diff := cmp.Diff(hosts, []string{"alertmanager", "clickhouse", "prometheus", "storepulse"}); diff != "" {
		t.Errorf("targets (-got, +want):\n%s", diff)
	}
	for _, rules := range cfg.Rules {
		if found, err := filepath.Glob(filepath.Join(filepath.Dir(file), rules)); err != nil || len(found) == 0 {
			t.Errorf("no rules at %s (%v)", rules, err)
		}
	}
	if !slices.Contains(p.Services["prometheus"].Command, "--storage.tsdb.retention.time=45d") {
		t.Error("Prometheus keeps less than 45 days: alerts compare with four weeks before")
	}

	s := p.Services["alertmanager"]
	text, err := os.ReadFile(inContainer(t, s, "/etc/alertmanager/alertmanager.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var receivers []string
	for _, m := range regexp.MustCompile(`api_url_file: (\S+)`).FindAllSubmatch(text, -1) {
		receivers = append(receivers, string(m[1]))
	}
	mounted := secretsOf(s)
	slices.Sort(receivers)
	slices.Sort(mounted)
	if diff := cmp.Diff(receivers, mounted); diff != "" || len(mounted) == 0 {
		t.Errorf("addresses that Alertmanager reads (-) and has (+):\n%s", diff)
	}
}

// TestStackGrafana: the sources that dashboards ask for are provisioned, with
// users and secrets that are there.
func TestStackGrafana(t *testing.T) {
	p := composed(t)
	s := p.Services["grafana"]
	var sources struct {
		Datasources []struct {
			UID, Type, URL string
			JSON           struct {
				Host, Protocol, Username string
				Port                     int
				Database                 string `yaml:"defaultDatabase"`
			} `yaml:"jsonData"`
			Secure map[string]string `yaml:"secureJsonData"`
		}
	}
	readYAML(t, inContainer(t, s, "/etc/grafana/provisioning/datasources/storepulse.yaml"), &sources)
	kinds := map[string]string{}
	for _, d := range sources.Datasources {
		kinds[d.UID] = d.Type
		host := d.JSON.Host
		if d.URL != "" {
			u, err := url.Parse(d.URL)
			if err != nil {
				t.Fatal(err)
			}
			host = u.Hostname()
		}
		if _, ok := p.Services[host]; !ok {
			t.Errorf("source %s is at %q, which is no service", d.UID, host)
		}
		for key, value := range d.Secure {
			file := strings.TrimSuffix(strings.TrimPrefix(value, "$__file{"), "}")
			if file == value || !slices.Contains(secretsOf(s), file) {
				t.Errorf("source %s: %s is no secret of Grafana", d.UID, key)
			}
		}
		if d.UID == "clickhouse" && (d.JSON.Username != "grafana" || d.JSON.Database != "storepulse") {
			t.Errorf("Grafana asks database %q as %q", d.JSON.Database, d.JSON.Username)
		}
	}
	if diff := cmp.Diff(kinds, map[string]string{"prometheus": "prometheus", "clickhouse": "grafana-clickhouse-datasource"}); diff != "" {
		t.Errorf("sources (-got, +want):\n%s", diff)
	}
	if plugin := *s.Environment["GF_PLUGINS_PREINSTALL_SYNC"]; !regexp.MustCompile(`^grafana-clickhouse-datasource@\d+\.\d+\.\d+$`).MatchString(plugin) {
		t.Errorf("plugin %q", plugin)
	}
	var boards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	readYAML(t, inContainer(t, s, "/etc/grafana/provisioning/dashboards/storepulse.yaml"), &boards)
	if len(boards.Providers) != 1 {
		t.Fatalf("providers: %+v", boards.Providers)
	}
	files, err := filepath.Glob(filepath.Join(inContainer(t, s, boards.Providers[0].Options.Path), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Templating struct {
				List []struct{ Type, Name, Query any }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		asked := map[string]string{}
		for _, v := range board.Templating.List {
			if v.Type == "datasource" {
				asked[v.Name.(string)] = v.Query.(string)
			}
		}
		if diff := cmp.Diff(asked, kinds); diff != "" {
			t.Errorf("%s asks for (-), provisioned (+):\n%s", filepath.Base(file), diff)
		}
		// A panel names a source by a variable, or by the uid of one.
		for _, m := range regexp.MustCompile(`"datasource": \{\s*"type": "([^"]+)",\s*"uid": "([^"]+)"`).FindAllSubmatch(text, -1) {
			uid := strings.TrimSuffix(strings.TrimPrefix(string(m[2]), "${"), "}")
			if kinds[uid] != string(m[1]) {
				t.Errorf("%s names source %s of type %s", filepath.Base(file), m[2], m[1])
			}
		}
	}
	if home := *s.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]; !slices.Contains(files, inContainer(t, s, home)) {
		t.Errorf("the home dashboard %s is none of %v", home, files)
	}
}

// TestStackClickHouse: its files are well-formed, and every user has the
// password that the others are given.
func TestStackClickHouse(t *testing.T) {
	s := composed(t).Services["clickhouse"]
	users := map[string]bool{}
	for _, file := range []string{"/etc/clickhouse-server/config.d/storepulse.xml", "/etc/clickhouse-server/users.d/storepulse.xml"} {
		f, err := os.Open(inContainer(t, s, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var at []string
		for d := xml.NewDecoder(f); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			switch e := token.(type) {
			case xml.StartElement:
				at = append(at, e.Name.Local)
				if len(at) == 3 && at[1] == "users" {
					users[at[2]] = true
				}
				if slices.Contains(at, "users") && strings.HasPrefix(e.Name.Local, "password") {
					t.Errorf("%s holds a password", file)
				}
			case xml.EndElement:
				at = at[:len(at)-1]
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(users)), []string{"default", "grafana", "storepulse"}); diff != "" {
		t.Errorf("users (-got, +want):\n%s", diff)
	}
	if want := []string{"/etc/clickhouse-server/users.d/storepulse-passwords.xml"}; !slices.Equal(secretsOf(s), want) {
		t.Errorf("secrets %v, want %v: it is read after storepulse.xml and adds to it", secretsOf(s), want)
	}
}

// TestStackImage: the Dockerfile copies all that its build needs, and .dockerignore
// lets it; what runs is not root.
func TestStackImage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := os.ReadFile(filepath.Join(repository, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, m := range regexp.MustCompile(`(?m)^COPY ([^-\n].*) \S+$`).FindAllStringSubmatch(string(text), -1) {
		for _, source := range strings.Fields(m[1]) {
			if !slices.Contains(strings.Split(string(ignored), "\n"), "!"+source) {
				t.Errorf(".dockerignore hides %s", source)
			}
			copyContext(t, source, dir)
		}
	}
	storepulseProgram(t, dir)
	for _, want := range []string{
		`(?m)^FROM golang:\d+\.\d+\.\d+-alpine AS build$`, `(?m)^FROM scratch$`, `(?m)^USER 65532:65532$`,
		`CGO_ENABLED=0 GOTOOLCHAIN=local go build -trimpath -tags noengine -ldflags "-s -w -X main\.version=\$\{VERSION\}" -o /storepulse \./cmd/storepulse`,
		`(?m)^HEALTHCHECK .*CMD \["/storepulse", "healthcheck"\]$`, `(?m)^ENTRYPOINT \["/storepulse"\]$`,
	} {
		if !regexp.MustCompile(want).Match(text) {
			t.Errorf("the Dockerfile has no %s", want)
		}
	}
}

// copyContext copies what docker would send of a path: no tests, nothing generated.
func copyContext(t *testing.T, source, to string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(repository, source), func(file string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(repository, file)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "testdata" || rel == "dashboards/generated" || rel == "dashboards/provisioning" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
