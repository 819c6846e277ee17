package audit

const truncated = "truncated" // the detail that says that others were left out

// append appends the member "details"; nothing when there is nothing to tell.
func (d Details) append(b []byte) []byte {
	if len(d) == 0 {
		return b
	}
	whole := len(b)
	b = append(b, `,"details":`...)
	start := len(b)
	w := detailWriter{b: b, count: maxDetails, end: start + maxDetailBytes}
	w.fields(d, 1)
	if w.full {
		w.b = append(w.b, `,"`+truncated+`":"true"`...)
	}
	if len(w.b) == start {
		return w.b[:whole]
	}
	return enclose(w.b, start, '{', '}')
}

type detailWriter struct {
	b     []byte
	count int  // how many more details may be written
	end   int  // no detail begins after so many bytes
	full  bool // something was left out
}

// takes says whether one more detail may be written.
func (w *detailWriter) takes() bool {
	if w.full || w.count == 0 || len(w.b) > w.end {
		w.full = true
		return false
	}
	w.count--
	return true
}

func (w *detailWriter) fields(fields []Detail, depth int) {
	for i := range fields {
		d := &fields[i]
		if d.Name == "" || d.empty() {
			continue
		}
		if !w.takes() {
			return
		}
		mark := len(w.b)
		w.b = append(w.b, ',')
		w.b = appendString(w.b, d.Name, maxID)
		w.b = append(w.b, ':')
		if !w.value(d, depth) {
			w.b = w.b[:mark]
		}
	}
}

func (w *detailWriter) items(items []Detail, depth int) {
	for i := range items {
		if !w.takes() {
			return
		}
		w.b = append(w.b, ',')
		if !w.value(&items[i], depth) {
			w.b = append(w.b, `""`...)
		}
	}
}

// value appends what a detail holds; false when that is nothing.
func (w *detailWriter) value(d *Detail, depth int) bool {
	if d.Text != "" && len(d.Fields) == 0 && len(d.Items) == 0 {
		w.b = appendFree(w.b, d.Text, maxText)
		return true
	}
	if depth >= maxDepth {
		return false
	}
	start := len(w.b)
	open, end := byte('{'), byte('}')
	if len(d.Fields) > 0 {
		w.fields(d.Fields, depth+1)
	} else {
		open, end = '[', ']'
		w.items(d.Items, depth+1)
	}
	if len(w.b) == start {
		return false
	}
	w.b = enclose(w.b, start, open, end)
	return true
}

func (d *Detail) empty() bool { return d.Text == "" && len(d.Fields) == 0 && len(d.Items) == 0 }
