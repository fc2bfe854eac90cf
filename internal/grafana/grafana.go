// Package grafana stores dashboards by Grafana's HTTP API. The caller of Push
// starts and ends it; nothing is kept.
package grafana

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says where Grafana is and who asks.
type Config struct {
	URL            string
	Token          string // of a service account; or
	User, Password string
}

// Client speaks to one Grafana.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("grafana's address: want http://host:port or https://host (got %q)", cfg.URL)
	}
	if (cfg.Token == "") == (cfg.User == "") {
		return nil, errors.New("grafana: give a token, or a user with a password")
	}
	return &Client{cfg: cfg, base: base, http: &http.Client{Timeout: 30 * time.Second}}, nil
}

// Push stores a dashboard in the folder, which is made if there is none, in the
// place of the one with the same uid; it gives the path to look at it.
func (c *Client) Push(ctx context.Context, folder string, board []byte) (string, error) {
	uid := "storepulse"
	if err := c.ensureFolder(ctx, uid, folder); err != nil {
		return "", err
	}
	var out struct {
		URL string `json:"url"`
	}
	body := map[string]any{"dashboard": json.RawMessage(board), "folderUid": uid, "overwrite": true, "message": "storepulse dashboards push"}
	if err := c.call(ctx, http.MethodPost, "/api/dashboards/db", body, &out); err != nil {
		return "", err
	}
	return out.URL, nil
}

func (c *Client) ensureFolder(ctx context.Context, uid, title string) error {
	err := c.call(ctx, http.MethodGet, "/api/folders/"+uid, nil, nil)
	var answer *StatusError
	if !errors.As(err, &answer) || answer.Code != http.StatusNotFound {
		return err
	}
	return c.call(ctx, http.MethodPost, "/api/folders", map[string]string{"uid": uid, "title": title}, nil)
}

// StatusError is an answer other than success.
type StatusError struct {
	Code   int
	Method string
	Path   string
	Text   string
}

func (e *StatusError) Error() string {
	hint := ""
	switch e.Code {
	case http.StatusUnauthorized:
		hint = ": token or password is wrong"
	case http.StatusForbidden:
		hint = ": the account needs the role Editor"
	case http.StatusPreconditionFailed:
		hint = ": somebody else changed it, or it is provisioned from a file"
	}
	return fmt.Sprintf("grafana %s %s: status %d: %s%s", e.Method, e.Path, e.Code, e.Text, hint)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("grafana %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), body)
	if err != nil {
		return fmt.Errorf("grafana %s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	} else {
		req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("grafana %s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return fmt.Errorf("grafana %s %s: %w", method, path, err)
	}
	if res.StatusCode/100 != 2 {
		said := struct {
			Message string `json:"message"`
		}{}
		if json.Unmarshal(text, &said) != nil || said.Message == "" {
			said.Message = strings.TrimSpace(string(text[:min(len(text), 200)]))
		}
		return &StatusError{Code: res.StatusCode, Method: method, Path: path, Text: said.Message}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("grafana %s %s: the answer is not what Grafana says: %w", method, path, err)
	}
	return nil
}
