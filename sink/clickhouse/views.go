package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// View is a view of the metric catalogue.
type View struct{ Name, Comment, SQL string }

// ApplyViews creates the views or replaces them. They hold no rows, so there is
// nothing to migrate: the program that did this last decides, and an older one
// that does it again brings its own definitions back.
func (c *Client) ApplyViews(ctx context.Context, views []View) (err error) {
	lock, err := c.lock(ctx, lockLease)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release(context.WithoutCancel(ctx))) }()
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

// Statement creates the view or replaces it.
func (v View) Statement() string {
	comment := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v.Comment)
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s AS %s COMMENT '%s'", quote(v.Name), v.SQL, comment)
}
