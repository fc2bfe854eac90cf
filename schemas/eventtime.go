package schemas

// parseTime reads an RFC 3339 time with offset into Unix milliseconds; digits
// beyond milliseconds are cut. It refuses what has no place on our time line:
// a leap second (23:59:60), 24:00, dates that do not exist and years before
// 2015, which are never event times but unset clocks.
func parseTime(b []byte) (int64, bool) {
	// 2026-03-01T09:30:00Z is the shortest form.
	if len(b) < 20 || b[4] != '-' || b[7] != '-' || b[10]|0x20 != 't' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	year := two(b, 0)*100 + two(b, 2)
	month, day := two(b, 5), two(b, 8)
	hour, minute, second := two(b, 11), two(b, 14), two(b, 17)
	// A bad digit makes two() exceed every limit.
	if year < 2015 || year > 9999 || month-1 > 11 || day-1 > 30 || hour > 23 || minute > 59 || second > 59 || day > daysIn(year, month) {
		return 0, false
	}
	i, milli := 19, uint32(0)
	if b[i] == '.' {
		from, unit := i+1, uint32(100)
		for i = from; i < len(b) && b[i]-'0' < 10; i++ {
			milli += uint32(b[i]-'0') * unit
			unit /= 10
		}
		if i == from || i-from > 9 {
			return 0, false
		}
	}
	offset := int64(0)
	switch rest := b[i:]; {
	case len(rest) == 1 && rest[0]|0x20 == 'z':
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
		h, m := two(rest, 1), two(rest, 4)
		if h > 23 || m > 59 {
			return 0, false
		}
		offset = int64(h*60+m) * 60_000
		if rest[0] == '-' {
			offset = -offset
		}
	default:
		return 0, false
	}
	seconds := days(year, month, day)*86_400 + int64(hour*3600+minute*60+second)
	return seconds*1000 + int64(milli) - offset, true
}

// storedBefore bounds times that are stored as the producer gave them: a Date
// column of the store ends in 2149.
const storedBefore = "2100"

func two(b []byte, i int) uint32 {
	tens, ones := uint32(b[i]-'0'), uint32(b[i+1]-'0')
	if tens > 9 || ones > 9 {
		return 1 << 20
	}
	return tens*10 + ones
}

func daysIn(year, month uint32) uint32 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// days counts from 1970-01-01 in the Gregorian calendar; years begin in March
// so that the leap day is the last of its year.
func days(year, month, day uint32) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + int64(day) - 1 - 719_468
}
