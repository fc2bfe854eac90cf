package transform

import "github.com/storepulse/storepulse/schemas"

// ahead is how many visitors are fetched into the cache at once.
const ahead = 32

// fetch reads a little of everything that a visitor has, of many visitors one
// after the other: such reads do not wait for each other, while work on one
// visitor after the other would wait for every one of them. Nothing is done
// with what it reads; the sum keeps the compiler from leaving it out.
func (s *State) fetch(numbers []uint32) {
	sum := s.fetched
	for _, i := range numbers {
		sum += s.visitors.at(i).sessions
	}
	const line = 64 / eventBytes
	for _, i := range numbers {
		v := s.visitors.at(i)
		evs := s.events(v)
		for k := 0; k < min(len(evs), 4*line); k += line {
			sum += evs[k].at
		}
		if len(evs) > 0 {
			sum += evs[len(evs)-1].at
		}
		if v.sessions != 0 {
			r := s.sessions.at(v.sessions)
			sum += r.next + uint32(r.start)
		}
	}
	s.fetched = sum
}

// fetchIDs does so for the visitors with these ids, at most ahead of them.
func (s *State) fetchIDs(ids []schemas.ID) {
	for i := range ids {
		s.fetched += s.index.peek(&ids[i])
	}
	numbers := s.soon[:0]
	for i := range ids {
		if n := s.find(&ids[i]); n != 0 {
			numbers = append(numbers, n)
		}
	}
	s.fetch(numbers)
}

// fetchTouched does so for the first of the touched visitors.
func (s *State) fetchTouched(list []touched) {
	numbers := s.soon[:0]
	for _, t := range list[:min(len(list), ahead)] {
		numbers = append(numbers, t.visitor)
	}
	s.fetch(numbers)
}
