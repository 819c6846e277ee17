package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// AdminSocket is the operator's socket in the data folder. Whoever may open it
// (its owner, by mode 0600) may do what an operator may do.
const AdminSocket = "propusk.sock"

const (
	maxAdminRequest = 1 << 20
	adminHeaders    = 10 * time.Second
)

// Admin serves operator commands to the same machine: POST with a JSON body,
// over the socket. It is opened with the data folder's lock held.
type Admin struct {
	mux      *http.ServeMux
	server   *http.Server
	listener net.Listener
	path     string
	made     os.FileInfo // the socket as we made it
}

// OpenAdmin makes the socket. A socket that a dead server left is replaced; a
// living server, or a file that is no socket, is an error.
func OpenAdmin(ctx context.Context, data string, log *slog.Logger) (*Admin, error) {
	a := &Admin{mux: http.NewServeMux(), path: filepath.Join(data, AdminSocket)}
	address, release, err := socketAddress(data)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := removeStale(ctx, a.path, address); err != nil {
		return nil, err
	}
	// The mode is set before bind, so that nobody else can open the socket at
	// any moment. Systems that refuse this on a socket are served by Chmod below.
	private := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(makePrivate)
	}}
	if a.listener, err = private.Listen(ctx, "unix", address); err != nil {
		return nil, fmt.Errorf("operator's socket %s: %w", a.path, err)
	}
	// The socket is removed by Shutdown, if it is still ours then.
	a.listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(a.path, 0o600); err != nil {
		a.listener.Close()
		return nil, fmt.Errorf("operator's socket: %w", err)
	}
	if a.made, err = os.Lstat(a.path); err != nil {
		a.listener.Close()
		return nil, fmt.Errorf("operator's socket: %w", err)
	}
	a.server = &http.Server{
		Handler: a.mux, ReadHeaderTimeout: adminHeaders, ReadTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return a, nil
}

func removeStale(ctx context.Context, path, address string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("operator's socket: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("operator's socket: %s is there and is no socket; it is left alone", path)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", address)
	if err == nil {
		conn.Close()
		return fmt.Errorf("operator's socket: another server answers at %s", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("operator's socket %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("operator's socket: %w", err)
	}
	return nil
}

// HandleAdmin adds a command, such as "/audit/list". It must not be called
// after Serve. Errors travel with their kind; only an iam.Error's own text
// does, an operator reads the rest in the log.
func HandleAdmin[Request, Response any](a *Admin, path string, do func(context.Context, Request) (Response, error)) {
	a.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var request Request
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminRequest))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&request); err != nil && !errors.Is(err, io.EOF) {
			answerAdmin(w, nil, iam.Wrap(err, iam.InvalidArgument, "the request is not understood: %v", err))
			return
		}
		response, err := do(r.Context(), request)
		answerAdmin(w, response, err)
	})
}

// adminFailure is an error on the socket.
type adminFailure struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

func answerAdmin(w http.ResponseWriter, response any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		_ = json.NewEncoder(w).Encode(response)
		return
	}
	failure := adminFailure{Code: uint32(iam.KindOf(err)), Message: err.Error()}
	if e, ok := errors.AsType[*iam.Error](err); ok {
		failure.Message = e.Message
	}
	w.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(w).Encode(failure)
}

// Serve answers until Shutdown, then returns nil.
func (a *Admin) Serve() error {
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("operator's socket: %w", err)
	}
	return nil
}

// Shutdown waits for commands in progress and removes the socket, unless
// another server's is there by now.
func (a *Admin) Shutdown(ctx context.Context) error {
	if now, err := os.Lstat(a.path); err == nil && os.SameFile(now, a.made) {
		_ = os.Remove(a.path)
	}
	err := a.server.Shutdown(ctx)
	a.listener.Close()
	return err
}

// Component serves the socket as part of a group.
func (a *Admin) Component() Component {
	return Component{Name: "operator's socket", Run: func(context.Context) error { return a.Serve() }, Stop: a.Shutdown}
}

// ErrNotRunning says that no server has the data folder open.
var ErrNotRunning = errors.New("no server is running")

// AdminClient asks the server that runs on a data folder.
type AdminClient struct {
	data   string
	client *http.Client
}

// NewAdminClient does not connect yet.
func NewAdminClient(data string) *AdminClient {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		address, release, err := socketAddress(data)
		if err != nil {
			return nil, err
		}
		defer release()
		return new(net.Dialer).DialContext(ctx, "unix", address)
	}
	return &AdminClient{data: data, client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Call runs a command and decodes its answer into response (nil: none wanted).
// It returns the server's iam.Error, or ErrNotRunning.
func (c *AdminClient) Call(ctx context.Context, path string, request, response any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("operator command %s: %w", path, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://propusk"+path, strings.NewReader(string(body)))
	if err != nil {
		return fmt.Errorf("operator command %s: %w", path, err)
	}
	answer, err := c.client.Do(r)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w on the data folder %s", ErrNotRunning, c.data)
	}
	if errors.Is(err, os.ErrPermission) {
		return iam.Wrap(err, iam.PermissionDenied, "the operator's socket in %s belongs to another user", c.data)
	}
	if err != nil {
		return fmt.Errorf("operator command %s: %w", path, err)
	}
	defer answer.Body.Close()
	return readAdmin(path, answer, response)
}

func readAdmin(path string, answer *http.Response, response any) error {
	switch answer.StatusCode {
	case http.StatusOK:
		if response == nil {
			return nil
		}
		if err := json.NewDecoder(answer.Body).Decode(response); err != nil {
			return fmt.Errorf("operator command %s: answer: %w", path, err)
		}
		return nil
	case http.StatusUnprocessableEntity:
		var f adminFailure
		if err := json.NewDecoder(answer.Body).Decode(&f); err != nil {
			return fmt.Errorf("operator command %s: answer: %w", path, err)
		}
		return iam.Errorf(iam.Kind(f.Code), "%s", f.Message)
	case http.StatusNotFound:
		return iam.Errorf(iam.Unimplemented, "the running server does not know the command %s; it may be of another version", path)
	}
	return fmt.Errorf("operator command %s: unexpected answer %s", path, answer.Status)
}
