package credential_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
)

func TestSignatureTimes(t *testing.T) {
	const http, amz, resource = "Mon, 02 Jan 2006 15:04:05 GMT", "20060102T150405Z", "\n/bucket/object"
	forms := map[string]func(at time.Time) credential.Signature{
		"version 4": func(at time.Time) credential.Signature {
			return sign(s3Secret, v4("AKIAIOSFODNN7EXAMPLE", at.Format(amz), "ru-central1", "s3", emptyHash, ""))
		},
		"date": func(at time.Time) credential.Signature { return signV2(s3Secret, "GET\n\n\n"+at.Format(http)+resource) },
		"numbered": func(at time.Time) credential.Signature {
			return signV2(s3Secret, "GET\n\n\n"+at.Format(time.RFC1123Z)+resource)
		},
		"x-amz-date": func(at time.Time) credential.Signature {
			return signV2(s3Secret, "GET\n\n\n\nx-amz-acl:private\nx-amz-date:"+at.Format(http)+resource)
		},
		"compact one": func(at time.Time) credential.Signature {
			return signV2(s3Secret, "PUT\nmd5\ntext/plain\n\nx-amz-date:"+at.Format(amz)+resource)
		},
	}
	for name, form := range forms {
		for shift, reason := range map[time.Duration]string{
			0: "", 15 * time.Minute: "", -15 * time.Minute: "", 15*time.Minute + time.Second: "signature_expired",
			-15*time.Minute - time.Second: "signature_not_yet_valid", 24 * time.Hour: "signature_expired", -24 * time.Hour: "signature_not_yet_valid",
		} {
			err := errorOf(newAccessWorld().prove(start.Add(shift), form(start)))
			if reason != "" {
				refusedSignature(t, fmt.Sprint(name, " after ", shift), err, reason, "")
			} else if err != nil {
				t.Errorf("%s after %v: %v", name, shift, err)
			}
		}
	}
	for seconds, reason := range map[int64]string{0: "signature_expired", -1: "signature_expired", 1: "", 7 * 86400: "", 7*86400 + 1: "signature_not_yet_valid"} {
		err := errorOf(newAccessWorld().prove(start, signV2(s3Secret, fmt.Sprintf("GET\n\n\n%d%s", start.Unix()+seconds, resource))))
		if reason != "" {
			refusedSignature(t, fmt.Sprint("presigned for ", seconds), err, reason, "")
		} else if err != nil {
			t.Errorf("presigned for %d s: %v", seconds, err)
		}
	}
	now := start.Format(http)
	for name, text := range map[string]string{
		"no time at all": "GET\n\n\n\n/bucket", "none that can be read": "GET\n\n\nyesterday\n/bucket", "too few lines": "GET\n\n\n" + now,
		"no resource": "GET\n\n\n" + now + "\nx-amz-acl:private", "two x-amz-date": "GET\n\n\n\nx-amz-date:" + now + "\nx-amz-date:" + now + "\n/b",
		"x-amz-date in the resource": "GET\n\n\n\n/b?x-amz-date:" + now, "x-amz-date after the resource": "GET\n\n\n\n/b\nx-amz-date:" + now,
		"a negative end": "GET\n\n\n-1\n/b", "a huge end": "GET\n\n\n99999999999999999999\n/b", "an end with a sign": fmt.Sprintf("GET\n\n\n+%d\n/b", start.Unix()+60),
		"of a query API": "GET\nhost\n/\nAction=List&Timestamp=2026-11-01T12%3A00%3A00Z", "empty": "", "of version 4": good4.StringToSign,
	} {
		refusedSignature(t, name, errorOf(newAccessWorld().prove(start, signV2(s3Secret, text))), "signature_malformed", "")
	}
}
