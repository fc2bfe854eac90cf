package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// View is a view of the metric catalogue.
type View struct{ Name, Comment, SQL string }

// ApplyViews creates the views or replaces those that say something else. They
// hold no rows, so there is nothing to migrate: the program that did this last
// decides, and an older one that does it again brings its own definitions back.
//
// As with Migrate, a start that finds everything in place takes no lock.
func (c *Client) ApplyViews(ctx context.Context, views []View) (err error) {
	if views, err = c.otherViews(ctx, views); err != nil || len(views) == 0 {
		return err
	}
	lock, err := c.lock(ctx, lockLease)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release(context.WithoutCancel(ctx))) }()
	if views, err = c.otherViews(ctx, views); err != nil { // another program may have been first
		return err
	}
	for _, v := range views {
		if err := lock.renew(ctx); err != nil {
			return err
		}
		if err := c.Exec(ctx, v.Statement(), nil); err != nil {
			return fmt.Errorf("create view %s: %w", v.Name, err)
		}
	}
	return nil
}

// otherViews gives the views that the database lacks or has otherwise.
func (c *Client) otherViews(ctx context.Context, views []View) (other []View, err error) {
	stand := map[string]string{}
	err = c.Each(ctx, "SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine = 'View'", nil, func(r driver.Rows) error {
		var name, comment string
		err := r.Scan(&name, &comment)
		stand[name] = comment
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the views: %w", err)
	}
	for _, v := range views {
		if stand[v.Name] != v.marked() {
			other = append(other, v)
		}
	}
	return other, nil
}

// marked is the comment with a mark of the definition: the server keeps a
// view's text in a form of its own, which cannot be compared.
func (v View) marked() string {
	sum := sha256.Sum256([]byte(v.SQL))
	return v.Comment + " [" + hex.EncodeToString(sum[:6]) + "]"
}

// Statement creates the view or replaces it.
func (v View) Statement() string {
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s AS %s COMMENT %s", quote(v.Name), v.SQL, Literal(v.marked()))
}
