package metadata

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// longestWait bounds timeout_sec, and is what a wait without one lasts.
const longestWait = 5 * time.Minute

// query is what may follow a path in Google's manner [API fact: metadata,
// internal request].
type query struct {
	alt       string // "json", "text" or ""
	recursive bool
	wait      bool
	last      string // the ETag that the client has
	timeout   time.Duration
}

// readQuery refuses what is not clear; parameters that it does not know change
// nothing, as with Google's server.
func readQuery(raw string) (query, *answer) {
	q := query{timeout: longestWait}
	given, err := url.ParseQuery(raw)
	if err != nil {
		return q, badQuery("the query cannot be read")
	}
	for _, name := range []string{"alt", "recursive", "wait_for_change", "last_etag", "timeout_sec"} {
		values, ok := given[name]
		if !ok {
			continue
		}
		if len(values) > 1 {
			return q, badQuery(name + " is given twice")
		}
		if problem := q.set(name, values[0]); problem != "" {
			return q, badQuery(name + " " + problem)
		}
	}
	return q, nil
}

func badQuery(problem string) *answer {
	return plain(http.StatusBadRequest, "bad_request", "Bad request: "+problem)
}

func (q *query) set(name, v string) (problem string) {
	switch name {
	case "alt":
		if q.alt = v; v != "json" && v != "text" {
			return "is neither json nor text"
		}
	case "recursive":
		return setBool(&q.recursive, v)
	case "wait_for_change":
		return setBool(&q.wait, v)
	case "last_etag":
		if q.last = strings.Trim(v, `"`); len(v) > 128 {
			return "is too long"
		}
	case "timeout_sec":
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return "is no number of seconds"
		}
		q.timeout = min(time.Duration(n)*time.Second, longestWait)
	}
	return ""
}

func setBool(b *bool, v string) string {
	switch strings.ToLower(v) {
	case "true":
		*b = true
	case "false":
	default:
		return "is neither true nor false"
	}
	return ""
}

// render answers with the node at path in the form that was asked for.
func (q query) render(r *request, root *node, path string) *answer {
	n, slash := root.find(path)
	switch {
	case n == nil, !n.isDir && slash:
		return notFound()
	case n.made != nil:
		return n.made()
	case !n.isDir && q.alt == "json":
		return asJSON(n.value).tagged()
	case !n.isDir:
		return plainValue(n.value).tagged()
	case q.recursive && q.alt == "text":
		var b strings.Builder
		n.lines(&b, "")
		return text(b.String()).tagged()
	case q.recursive:
		return asJSON(n.whole()).tagged()
	case !slash && path != "":
		return toDirectory(r.URL)
	case q.alt == "json":
		return asJSON(n.names()).tagged()
	}
	return text(linesOf(n.names())).tagged()
}

// toDirectory sends a client to the name with a slash, as Google's server does.
// The address is without a host: it would be one that the client has named.
func toDirectory(u *url.URL) *answer {
	to := u.Path + "/"
	if u.RawQuery != "" {
		to += "?" + u.RawQuery
	}
	return plain(http.StatusMovedPermanently, "redirect", "Moved").header("Location", to)
}

func linesOf(all []string) string {
	var b strings.Builder
	for _, s := range all {
		b.WriteString(s + "\n")
	}
	return b.String()
}

// plainValue is a value as text; what has a structure stays JSON.
func plainValue(v any) *answer {
	switch v := v.(type) {
	case string:
		return text(v)
	case []string:
		return text(linesOf(v))
	}
	return asJSON(v)
}

// valueText is a value within a line.
func valueText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, ",")
	}
	body, _ := json.Marshal(v)
	return string(body)
}
