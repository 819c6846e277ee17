package output

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/itchyny/gojq"
)

// FilterError is a filter that cannot be read, or that failed on what it got.
type FilterError struct{ Err error }

func (e *FilterError) Error() string { return "--jq: " + Printable(e.Err.Error()) }
func (e *FilterError) Unwrap() error { return e.Err }

// CheckFilter reads a filter without running it.
func CheckFilter(filter string) error {
	_, err := compile(filter)
	return err
}

func compile(filter string) (*gojq.Code, error) {
	query, err := gojq.Parse(filter)
	if err != nil {
		return nil, &FilterError{err}
	}
	code, err := gojq.Compile(query) // reads no environment, files or modules
	if err != nil {
		return nil, &FilterError{err}
	}
	return code, nil
}

// filter prints what a jq filter makes of JSON: texts as they are, so that a
// script can take them, the rest as JSON in one line each.
func (p *Printer) filter(ctx context.Context, text []byte) error {
	code, err := compile(p.Filter)
	if err != nil {
		return err
	}
	var input any
	if err := json.Unmarshal(text, &input); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for results := code.RunWithContext(ctx, input); ; {
		v, more := results.Next()
		if !more {
			return nil
		}
		if err, failed := v.(error); failed {
			if halt, ok := errors.AsType[*gojq.HaltError](err); ok && halt.Value() == nil {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &FilterError{err}
		}
		line, isText := v.(string)
		if isText {
			lines := strings.Split(line, "\n")
			for i := range lines {
				lines[i] = Printable(lines[i])
			}
			line = strings.Join(lines, "\n")
		} else {
			made, err := gojq.Marshal(v)
			if err != nil {
				return &FilterError{err}
			}
			line = EscapeJSON(string(made))
		}
		if _, err := io.WriteString(p.Out, line+"\n"); err != nil {
			return err
		}
	}
}
