package gate

import "net/http"

// HTTPCode is the HTTP status of a google.rpc.Code [API fact: error mapping].
func HTTPCode(code int32) int {
	if h, ok := httpCodes[code]; ok {
		return h
	}
	return http.StatusInternalServerError
}

var httpCodes = map[int32]int{
	0: http.StatusOK, 1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429,
	9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 15: 500, 16: 401,
}
