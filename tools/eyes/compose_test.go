package eyes

import (
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

const repository = "../.."

// composed loads compose.yaml as docker compose does, every profile on, with
// nothing of this machine's environment; unknown keys are faults.
func composed(t *testing.T) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{filepath.Join(repository, "compose.yaml")}, cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestComposeNames: who looks for the stack finds all of it.
func TestComposeNames(t *testing.T) {
	p := composed(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(p.Services)), []string{"alertmanager", "clickhouse", "generator", "grafana", "kafka", "prometheus", "storepulse", "topics"}); diff != "" {
		t.Errorf("services (-got, +want):\n%s", diff)
	}
	for name, s := range p.Services {
		if profiles := s.Profiles; name == "generator" != slices.Equal(profiles, []string{"generator"}) {
			t.Errorf("%s: profiles %v; only the generator has one", name, profiles)
		}
	}
}

// TestComposeImages: what was pinned stays what it was.
func TestComposeImages(t *testing.T) {
	release := regexp.MustCompile(`^(v?\d+\.\d+\.\d+(\.\d+)?)$`)
	for name, s := range composed(t).Services {
		_, tag, _ := strings.Cut(s.Image, ":")
		if s.Build != nil && tag == "local" {
			continue // made from this folder
		}
		if !release.MatchString(tag) {
			t.Errorf("%s: image %q: pin a whole version", name, s.Image)
		}
	}
}

// TestComposeVersions: what runs is what the tests ran on.
func TestComposeVersions(t *testing.T) {
	p := composed(t)
	for _, c := range []struct{ service, file, version string }{
		{"prometheus", "go.mod", `github\.com/prometheus/prometheus v0\.(\d)(\d+)\.(\d+)`},
		{"alertmanager", "go.mod", `github\.com/prometheus/alertmanager v(\d+)\.(\d+)\.(\d+)`},
		{"kafka", "../kafka/pom.xml", `<kafka\.version>(\d+)\.(\d+)\.(\d+)`},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(c.version).FindSubmatch(text)
		if m == nil {
			t.Errorf("%s: no %s", c.file, c.version)
			continue
		}
		want := string(m[1]) + "." + string(m[2]) + "." + string(m[3])
		if _, tag, _ := strings.Cut(p.Services[c.service].Image, ":"); strings.TrimPrefix(tag, "v") != want {
			t.Errorf("%s: tag %s, tested with %s", c.service, tag, want)
		}
	}
}

// TestComposePorts: nothing here asks for a password worth the name on the network.
func TestComposePorts(t *testing.T) {
	published := 0
	for name, s := range composed(t).Services {
		for _, port := range s.Ports {
			published++
			if ip := net.ParseIP(port.HostIP); ip == nil || !ip.IsLoopback() {
				t.Errorf("%s: port %s is published on %q: bind it to 127.0.0.1", name, port.Published, port.HostIP)
			}
		}
		if s.NetworkMode == "host" || s.Privileged {
			t.Errorf("%s: host network or privileged", name)
		}
	}
	if published == 0 {
		t.Error("no port is published; the test checks nothing")
	}
}

// TestComposeMounts: docker makes an empty folder of a path that is missing.
func TestComposeMounts(t *testing.T) {
	p := composed(t)
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if !v.ReadOnly {
					t.Errorf("%s: %s is mounted writable", name, v.Source)
				}
			case types.VolumeTypeVolume:
				if _, ok := p.Volumes[v.Source]; !ok {
					t.Errorf("%s: volume %q at %s is not declared", name, v.Source, v.Target)
				}
			default:
				t.Errorf("%s: %s: mount of type %q", name, v.Target, v.Type)
			}
		}
	}
}

// TestComposeOrder: everything has a health check or runs to its end, and
// whoever needs it waits for that.
func TestComposeOrder(t *testing.T) {
	p := composed(t)
	awaited := map[string][]string{}
	for name, s := range p.Services {
		for needs, d := range s.DependsOn {
			if !d.Required {
				t.Errorf("%s: %s is not required", name, needs)
			}
			awaited[needs] = append(awaited[needs], d.Condition)
		}
	}
	for name, s := range p.Services {
		want := types.ServiceConditionHealthy
		switch h := s.HealthCheck; {
		case s.Restart == types.RestartPolicyNo:
			want = types.ServiceConditionCompletedSuccessfully
			if len(awaited[name]) == 0 {
				t.Errorf("%s runs to its end, and nobody waits for it", name)
			}
		case h == nil:
			t.Errorf("%s has no health check and does not run to its end", name)
		case h.Disable:
			// The generator serves nothing; it ends when it cannot write.
			if name != "generator" || s.Restart != types.RestartPolicyUnlessStopped || len(awaited[name]) > 0 {
				t.Errorf("%s: its health check is switched off", name)
			}
		case len(h.Test) < 2 || h.Interval == nil || h.Timeout == nil || h.StartPeriod == nil || h.Retries == nil:
			t.Errorf("%s: health check %v: give test, interval, timeout, start_period and retries", name, h.Test)
		}
		for _, have := range awaited[name] {
			if have != want {
				t.Errorf("%s is waited for by %s, not %s", name, have, want)
			}
		}
	}
}

// TestComposeRights: no service has more than it needs.
func TestComposeRights(t *testing.T) {
	rootFor := map[string]string{"clickhouse": "its entrypoint makes its folders its user's and steps down"}
	writable := map[string]string{
		"clickhouse": "its entrypoint and server write beside the volume",
		"kafka":      "its entrypoint writes the configuration into the image",
		"topics":     "Kafka's scripts write their logs into the image",
	}
	for name, s := range composed(t).Services {
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: no-new-privileges is missing", name)
		}
		if rootFor[name] == "" && !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: keeps capabilities", name)
		}
		if s.ReadOnly == (writable[name] != "") {
			t.Errorf("%s: read_only is %v (a reason: %q)", name, s.ReadOnly, writable[name])
		}
		if s.MemLimit == 0 || s.Logging == nil || s.Logging.Options["max-size"] == "" {
			t.Errorf("%s: memory or log without a bound", name)
		}
	}
}

// TestComposeSecrets: secrets are files that tools/secrets.sh makes, for their
// owner only and once; nothing secret stands in compose.yaml.
func TestComposeSecrets(t *testing.T) {
	p := composed(t)
	dir := filepath.Join(t.TempDir(), "secrets")
	made := func() map[string]string {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), filepath.Join(repository, "tools/secrets.sh"), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		files := map[string]string{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files[e.Name()] = string(text)
		}
		return files
	}
	first := made()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of secrets: %v, %v; want mode 0700", info.Mode(), err)
	}
	if diff := cmp.Diff(made(), first); diff != "" {
		t.Errorf("a second run changed secrets (-second, +first):\n%s", diff)
	}
	if first["clickhouse_storepulse"] == first["clickhouse_grafana"] || len(first["grafana_admin"]) < 30 {
		t.Error("passwords are not random")
	}
	names := map[string]bool{}
	for name, s := range p.Secrets {
		names[filepath.Base(s.File)] = true
		if s.Content != "" || s.Environment != "" || filepath.Base(filepath.Dir(s.File)) != ".secrets" {
			t.Errorf("secret %s is not a file in .secrets", name)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(first))); diff != "" {
		t.Errorf("files that compose.yaml names (-) and tools/secrets.sh makes (+):\n%s", diff)
	}
	ignored, err := os.ReadFile(filepath.Join(repository, ".gitignore"))
	if err != nil || !slices.Contains(strings.Split(string(ignored), "\n"), "/.secrets/") {
		t.Errorf("git does not ignore .secrets (%v)", err)
	}
	secret := regexp.MustCompile(`(?i)password|secret|token|credential|api_?key`)
	for name, s := range p.Services {
		for key, value := range s.Environment {
			if secret.MatchString(key) && (value == nil || !strings.HasPrefix(*value, "/run/secrets/")) {
				t.Errorf("%s: %s does not name a file of /run/secrets", name, key)
			}
		}
	}
}
