package deadletters

import (
	"context"

	"github.com/storepulse/storepulse/internal/records"
)

// Each shows visit every chosen letter, with where it was replayed to, if it was.
func Each(ctx context.Context, q Querier, f Filter, visit func(l *Letter, replayed *records.Position) error) error {
	return pages(ctx, q, f, func(page []Letter) error {
		positions := make([]records.Position, len(page))
		for i := range page {
			positions[i] = page[i].Position
		}
		before, err := readEarlier(ctx, q, positions, nil)
		if err != nil {
			return err
		}
		for i := range page {
			var at *records.Position
			if p, ok := before.letters[page[i].Position]; ok {
				at = &p
			}
			if err := visit(&page[i], at); err != nil {
				return err
			}
		}
		return nil
	})
}
