package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/propusk/propusk/internal/resource"
)

//go:embed assets
var assetFiles embed.FS

// assetPrefix begins the paths of the files that pages are made with. A hash of
// all of them follows, so a browser may keep a file for good.
const assetPrefix = "/assets/"

var assetTypes = map[string]string{
	"style.css": "text/css; charset=utf-8", "pages.js": "text/javascript; charset=utf-8", "passkey.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
}

var assetVersion = sync.OnceValue(func() string {
	h := sha256.New()
	for _, name := range []string{"style.css", "pages.js", "passkey.js", "icon.svg"} {
		file, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			panic("web: " + err.Error()) // the files are part of the program
		}
		h.Write(file)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
})

func assetPath(name string) string { return assetPrefix + assetVersion() + "/" + name }

// serveAsset answers with a file. One of another version is gone: its page is of
// another program, and a reload brings both in step.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	version, name, _ := strings.Cut(strings.TrimPrefix(pathOf(r), assetPrefix), "/")
	kind := assetTypes[name]
	w.Header().Set("X-Request-Id", resource.NewUUID())
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case kind == "" || version != assetVersion():
		w.WriteHeader(http.StatusNotFound)
		return
	}
	file, _ := assetFiles.ReadFile("assets/" + name)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(file)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if r.Method == http.MethodGet {
		_, _ = w.Write(file) // a browser that is gone cannot be told so
	}
}
