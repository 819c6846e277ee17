package pods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// errGone is that the API no longer knows what came after a version (410).
var errGone = errors.New("the API has forgotten what has happened since")

const (
	pageSize = 250
	mostKept = 200_000               // objects of one list: more is no answer, but a mistake
	shortest = 50 * time.Millisecond // of a turn that needs no pause behind it
)

// feed follows one kind of object: a list, and then what changes.
type feed[T any] struct {
	w              *Watcher
	kind, selector string
	replace        func([]T)
	apply          func(change string, object *T)

	version string // of the last thing heard
	heard   atomic.Pointer[time.Time]
}

func newFeed[T any](w *Watcher, kind, selector string, replace func([]T), apply func(string, *T)) *feed[T] {
	return &feed[T]{w: w, kind: kind, selector: selector, replace: replace, apply: apply}
}

func (f *feed[T]) age() time.Duration {
	at := f.heard.Load()
	if at == nil {
		return math.MaxInt64
	}
	return max(0, f.w.now().Sub(*at))
}

func (f *feed[T]) hear() {
	now := f.w.now()
	f.heard.Store(&now)
}

// run lists and watches until ctx ends.
func (f *feed[T]) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		began := time.Now()
		err := f.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if failures > 0 {
				f.w.log.Info("the Kubernetes API is heard again", "of", f.kind)
			}
			failures = 0
			if time.Since(began) < shortest {
				pause(ctx, 0)
			}
			continue
		case errors.Is(err, errGone):
			f.version = ""
		}
		if failures++; failures == 1 || failures%20 == 0 {
			f.w.log.Warn("the Kubernetes API is not heard", "of", f.kind, "error", err, "attempts", failures)
		}
		pause(ctx, failures-1)
	}
}

// turn is one list, or one watch to its end. What is too old to be believed is
// read anew.
func (f *feed[T]) turn(ctx context.Context) error {
	if f.version == "" || f.age() > f.w.stale {
		return f.list(ctx)
	}
	return f.watch(ctx)
}

// accept asks for no more of an object than its metadata, where that is
// all that counts; plain is for APIs that cannot leave out the rest.
func (f *feed[T]) accept(form string) string {
	const plain = "application/json"
	if f.kind == "pods" {
		return plain
	}
	return plain + ";as=" + form + ";g=meta.k8s.io;v=v1," + plain
}

// list reads everything there is, page by page, all of one moment.
func (f *feed[T]) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var all []T
	for next := ""; ; {
		query := url.Values{"limit": {strconv.Itoa(pageSize)}}
		f.narrow(query, next)
		var page struct {
			Metadata struct{ ResourceVersion, Continue string }
			Items    []T
		}
		res, err := f.w.client.get(ctx, "/api/v1/"+f.kind, f.accept("PartialObjectMetadataList"), query)
		if err != nil {
			return err
		}
		err = json.NewDecoder(io.LimitReader(res.Body, pageSize*mostObject)).Decode(&page)
		res.Body.Close()
		if err != nil {
			return fmt.Errorf("read the list: %w", err)
		}
		if all = append(all, page.Items...); len(all) > mostKept {
			return fmt.Errorf("there are more than %d %s", mostKept, f.kind)
		}
		if next = page.Metadata.Continue; next != "" {
			continue
		}
		if page.Metadata.ResourceVersion == "" {
			return errors.New("the list has no version")
		}
		f.replace(all)
		f.version = page.Metadata.ResourceVersion
		f.hear()
		return nil
	}
}

func (f *feed[T]) narrow(query url.Values, next string) {
	if f.selector != "" {
		query.Set("fieldSelector", f.selector)
	}
	if next != "" {
		query.Set("continue", next)
	}
}

// change is one line of a watch.
type change struct {
	Type   string
	Object json.RawMessage
}

// watch hears what changes until the API ends the answer, which it is asked to do
// in time to be heard of again before answers are stale.
func (f *feed[T]) watch(ctx context.Context) error {
	life := (f.w.stale / 3).Truncate(time.Second)
	ctx, cancel := context.WithTimeout(ctx, 2*life)
	defer cancel()
	query := url.Values{"watch": {"1"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {f.version},
		"timeoutSeconds": {strconv.Itoa(int(life.Seconds()))}}
	f.narrow(query, "")
	began := time.Now()
	res, err := f.w.client.get(ctx, "/api/v1/"+f.kind, f.accept("PartialObjectMetadata"), query)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := f.follow(res); err != nil {
		return err
	}
	// An end in time says that nothing more has happened; one before it says nothing.
	if time.Since(began) >= life {
		f.hear()
	}
	return nil
}

func (f *feed[T]) follow(res *http.Response) error {
	bounded := &io.LimitedReader{R: res.Body}
	lines := json.NewDecoder(bounded)
	for {
		bounded.N = mostObject
		var c change
		err := lines.Decode(&c)
		switch {
		case errors.Is(err, io.EOF) && bounded.N > 0:
			return nil
		case err != nil && (errors.As(err, new(*json.SyntaxError)) || errors.As(err, new(*json.UnmarshalTypeError)) || bounded.N <= 0):
			f.version = "" // or it would come again
			return fmt.Errorf("read the changes: %w", err)
		case err != nil:
			return fmt.Errorf("read the changes: %w", err)
		}
		if err := f.change(&c); err != nil {
			return err
		}
		f.hear()
	}
}

func (f *feed[T]) change(c *change) error {
	if c.Type == "ERROR" {
		var status struct{ Code int }
		if err := json.Unmarshal(c.Object, &status); err == nil && status.Code == http.StatusGone {
			return errGone
		}
		f.version = "" // whatever it is, a list is the way out
		return fmt.Errorf("the API ends the changes with code %d", status.Code)
	}
	var head struct {
		Metadata struct{ ResourceVersion string }
	}
	var object T
	if err := json.Unmarshal(c.Object, &head); err != nil || head.Metadata.ResourceVersion == "" {
		f.version = ""
		return errors.New("the API tells of a change without a version")
	}
	if err := json.Unmarshal(c.Object, &object); err != nil {
		f.version = ""
		return fmt.Errorf("read a change: %w", err)
	}
	if c.Type == "ADDED" || c.Type == "MODIFIED" || c.Type == "DELETED" {
		f.apply(c.Type, &object)
	}
	f.version = head.Metadata.ResourceVersion
	return nil
}
