package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Some of the measuring needs another process, so that what is measured is the
// client alone. That is this program again, in a role that a variable names.

const roleVar = "BITCART_BENCH_ROLE"

// playRole is the main function of such a process.
func playRole(role string) error {
	switch role {
	case "sender":
		return serveSender()
	case "coin":
		return playCoin()
	}
	return fmt.Errorf("%s=%s is no role", roleVar, role)
}

// process plays a daemon.
type process struct {
	daemon  string // URL of the daemon
	control string // URL of what tells it what to do: calls there are not counted
	cmd     *exec.Cmd
	stdin   io.Closer
}

// startSender starts a process that plays a daemon. Variables of the form
// NAME=value set it up. It ends with ctx, or with this process, however that
// ends.
func startSender(ctx context.Context, variables ...string) (*process, error) {
	cmd, err := roleOf(ctx, "", "sender", variables...)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, named("the sender has not begun", err)
	}
	p.daemon, p.control, _ = strings.Cut(strings.TrimSpace(line), " ")
	return p, nil
}

// roleOf is the command of this program in a role; self is its file, "" for the
// one that runs.
func roleOf(ctx context.Context, self, role string, variables ...string) (*exec.Cmd, error) {
	if self == "" {
		var err error
		if self, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(append(os.Environ(), roleVar+"="+role), variables...)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = outputDelay
	return cmd, nil
}

// outputDelay is how long the output of a process that was killed is waited for:
// what that has started may hold it.
const outputDelay = 5 * time.Second

// stop ends the process.
func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}

// kill ends it as a crash does: no connection is closed with a handshake.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.stop()
}

// addr is where the daemon listens.
func (p *process) addr() string { return strings.TrimPrefix(p.daemon, "http://") }

// controlClient leaves no connection, and so no goroutine, behind.
var controlClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// order tells the process to do something, and decodes the answer into result,
// which may be nil.
func (p *process) order(ctx context.Context, path string, body io.Reader, result any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.control+path, body)
	if err != nil {
		return err
	}
	resp, err := controlClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return named("sender, "+path, err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("sender, %s: %s: %s", path, resp.Status, bytes.TrimSpace(answer))
	case result == nil:
		return nil
	}
	return json.Unmarshal(answer, result)
}

func named(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }

// serveProcess serves a daemon at addr and its control elsewhere, until standard
// input ends.
func serveProcess(addr string, daemon *http.Server, control http.Handler) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	controlLn, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- daemon.Serve(ln) }()
	go func() { ended <- http.Serve(controlLn, control) }()
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	fmt.Printf("http://%s http://%s\n", ln.Addr(), controlLn.Addr())
	err = <-ended // with it ends the process, and all goroutines
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
