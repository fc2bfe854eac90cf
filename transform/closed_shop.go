package transform

import "fmt"

// closedShop is the number of shops that the snapshot has and the configuration
// has not. Their records are dead letters from now on, so nothing can change
// what the tables hold of them but a session that is still open. What the state
// remembers of them is left behind.
const closedShop = 255

// ClosedShopError: a snapshot holds an open session of a shop that is not configured.
type ClosedShopError struct{ Tenant string }

func (e *ClosedShopError) Error() string {
	return fmt.Sprintf("shop %q is not under tenants and has open sessions: put it back, close them with `storepulse run --drain`, then take it out", e.Tenant)
}

// skipVisitor reads a visitor of a closed shop behind its id and tenant.
func skipVisitor(r, hashes *reader, tenant string) {
	r.int()
	for range r.below(maxVisitorUsers + 1) {
		hashes.fixed()
	}
	n := r.count(eventRow)
	r.uint()
	if n > 0 {
		r.time()
		r.take(n * eventRow)
		hashes.take(n * keyHash)
	}
	for range r.count(sessionRow) {
		x := sessionFrom(r.take(sessionRow), hashes.take(sessionHash))
		if !x.valid() {
			r.fail(errValue)
		}
		if x.flags&(frozen|archived) != 0 {
			var f fold
			f.read(r)
		}
		if r.err == nil && hashes.err == nil && x.flags&emittedClosed == 0 {
			r.fail(&ClosedShopError{tenant})
		}
	}
}

// skipRefs reads whom an order of a closed shop belongs to: its hint and its link.
func skipRefs(r *reader, refs uint8) {
	for _, has := range [...]uint8{2, 4} {
		if refs&has != 0 {
			r.id()
			r.time()
			r.fixed()
		}
	}
}
