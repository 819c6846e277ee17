package credential

import (
	"strconv"
	"strings"
	"time"
)

// AWS Signature Version 2 as object stores use it. Its string to sign is
//
//	method, content MD5, content type, time, x-amz- headers…, resource
//
// a line each. The time is the Date header, or the second at which a presigned
// request ends; it is empty when the request has an x-amz-date header. A string
// without any of them could be shown for ever, and so is refused; among these
// are the strings of version 2 that query APIs sign.
const (
	v2Least   = 5 // lines
	v2Time    = 3 // the line with the time
	v2AmzDate = "x-amz-date:"

	// presignedMost is how far ahead a presigned request may end: as far as
	// version 4 lets it.
	presignedMost = 7 * 24 * time.Hour
)

// judgeV2 checks the time of a string to sign of version 2.
func judgeV2(text string, now time.Time) error {
	lines := strings.Split(text, "\n")
	if len(lines) < v2Least || !strings.HasPrefix(lines[len(lines)-1], "/") {
		return errStringToSignV2
	}
	if seconds, ok := digits(lines[v2Time]); ok {
		switch end := time.Unix(seconds, 0); {
		case !now.Before(end):
			return errPresignedOld
		case end.Sub(now) > presignedMost:
			return errPresignedNew
		}
		return nil
	}
	date := lines[v2Time]
	if date == "" {
		date = amzDate(lines[v2Time+1 : len(lines)-1])
	}
	for _, layout := range [...]string{"Mon, 2 Jan 2006 15:04:05 GMT", "Mon, 2 Jan 2006 15:04:05 -0700", v4Time} {
		if at, err := time.Parse(layout, date); err == nil {
			return withinWindow(at, now)
		}
	}
	return errStringToSignV2
}

// amzDate is the value of the one x-amz-date header, "" when there is none or
// several.
func amzDate(headers []string) string {
	found := ""
	for _, h := range headers {
		if value, ok := strings.CutPrefix(h, v2AmzDate); ok {
			if found != "" {
				return ""
			}
			found = value
		}
	}
	return found
}

// digits reads a count of seconds since 1970, of as many digits as they have
// for the next three thousand years.
func digits(s string) (int64, bool) {
	if s == "" || len(s) > 11 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
