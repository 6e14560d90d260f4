package wsconn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// Numbers of RFC 1928 and, for the login, RFC 1929.
const (
	socksVersion       = 5
	socksNoLogin       = 0
	socksLogin         = 2
	socksLoginVersion  = 1
	socksConnect       = 1
	socksAddressV4     = 1
	socksAddressDomain = 3
	socksAddressV6     = 4
	socksMaxField      = 255
)

var socksReplies = map[byte]string{
	1: "general failure",
	2: "connection not allowed by ruleset",
	3: "network unreachable",
	4: "host unreachable",
	5: "connection refused",
	6: "TTL expired",
	7: "command not supported",
	8: "address type not supported",
}

// socks5 asks the proxy on rw for a connection to addr. Host names go to the
// proxy unresolved, for socks5 as for socks5h, as net/http does it.
func socks5(rw io.ReadWriter, addr string, user *url.Userinfo) error {
	request, err := socksRequest(addr)
	if err != nil {
		return err
	}
	if err := socksAuthenticate(rw, user); err != nil {
		return err
	}
	if _, err := rw.Write(request); err != nil {
		return err
	}
	return readSocksReply(rw)
}

func socksAuthenticate(rw io.ReadWriter, user *url.Userinfo) error {
	methods := []byte{socksVersion, 1, socksNoLogin}
	if user != nil {
		methods = []byte{socksVersion, 2, socksNoLogin, socksLogin}
	}
	if _, err := rw.Write(methods); err != nil {
		return err
	}
	var chosen [2]byte
	if _, err := io.ReadFull(rw, chosen[:]); err != nil {
		return fmt.Errorf("SOCKS5: %w", err)
	}
	switch {
	case chosen[0] != socksVersion:
		return errors.New("SOCKS5: the peer speaks another protocol")
	case chosen[1] == socksNoLogin:
		return nil
	case chosen[1] == socksLogin && user != nil:
		return socksSendLogin(rw, user)
	}
	return errors.New("SOCKS5: proxy accepts none of the offered logins")
}

func socksSendLogin(rw io.ReadWriter, user *url.Userinfo) error {
	name := user.Username()
	password, _ := user.Password()
	if name == "" || len(name) > socksMaxField || len(password) > socksMaxField {
		return errors.New("SOCKS5: user or password has an impossible length")
	}
	login := []byte{socksLoginVersion, byte(len(name))}
	login = append(login, name...)
	login = append(login, byte(len(password)))
	login = append(login, password...)
	if _, err := rw.Write(login); err != nil {
		return err
	}
	var answer [2]byte
	if _, err := io.ReadFull(rw, answer[:]); err != nil {
		return fmt.Errorf("SOCKS5: %w", err)
	}
	if answer[1] != 0 {
		return errors.New("SOCKS5: proxy refused the login")
	}
	return nil
}

func socksRequest(addr string) ([]byte, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, errors.New("SOCKS5: the target's port is not a number up to 65535")
	}
	request := []byte{socksVersion, socksConnect, 0}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && ip.Is4():
		request = append(append(request, socksAddressV4), ip.AsSlice()...)
	case err == nil:
		request = append(append(request, socksAddressV6), ip.AsSlice()...)
	case len(host) > socksMaxField:
		return nil, errors.New("SOCKS5: the target's host name is too long")
	default:
		request = append(append(request, socksAddressDomain, byte(len(host))), host...)
	}
	return binary.BigEndian.AppendUint16(request, uint16(port)), nil
}

// readSocksReply reads exactly the reply: what follows belongs to the target.
func readSocksReply(r io.Reader) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("SOCKS5: %w", err)
	}
	if head[0] != socksVersion {
		return errors.New("SOCKS5: the peer speaks another protocol")
	}
	if code := head[1]; code != 0 {
		reason, known := socksReplies[code]
		if !known {
			reason = "unknown reason"
		}
		return fmt.Errorf("SOCKS5: proxy answered %d, %s", code, reason)
	}
	length, err := socksAddressLength(r, head[3])
	if err != nil {
		return err
	}
	const portLength = 2
	if _, err := io.CopyN(io.Discard, r, int64(length+portLength)); err != nil {
		return fmt.Errorf("SOCKS5: %w", err)
	}
	return nil
}

func socksAddressLength(r io.Reader, kind byte) (int, error) {
	switch kind {
	case socksAddressV4:
		return net.IPv4len, nil
	case socksAddressV6:
		return net.IPv6len, nil
	case socksAddressDomain:
		var length [1]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return 0, fmt.Errorf("SOCKS5: %w", err)
		}
		return int(length[0]), nil
	}
	return 0, errors.New("SOCKS5: proxy answered with an unknown kind of address")
}
