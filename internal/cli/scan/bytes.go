package scan

import (
	"fmt"
	"strconv"
	"strings"
)

// ByteCount is a flag: a number of bytes, with K, M or G for powers of 1,024;
// 0 is no bound.
type ByteCount int64

func (n *ByteCount) String() string { return strconv.FormatInt(int64(*n), 10) }

// Set implements flag.Value.
func (n *ByteCount) Set(text string) error {
	digits, shift := text, 0
	if i := len(text) - 1; i > 0 {
		if at := strings.IndexByte("KMG", text[i]); at >= 0 {
			digits, shift = text[:i], 10*(at+1)
		}
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || v < 0 || v > (1<<62)>>shift {
		return fmt.Errorf("%q is not a number of bytes, such as 64M", text)
	}
	*n = ByteCount(v << shift)
	return nil
}
