/*
 * Parsing and printing socket addresses; see address.h.
 */
#include "base/address.h"

#include "base/err.h"

#include <arpa/inet.h>

enum { HOST_BYTES = 64 };

static const struct slice prefix = SLICE_INIT("systemd:");

static int
parse_port(struct slice text, in_port_t *port)
{
	uint64_t value;

	if (text.len > 5 || slice_to_u64(text, &value) != 0 || value > UINT16_MAX)
		return ERR_SYNTAX;
	*port = htons((uint16_t)value);
	return 0;
}

static int
parse_unix(struct address *a, struct slice path)
{
	struct sockaddr_un *un = &a->of.path;

	if (path.len == 0 || path.len >= sizeof(un->sun_path) || slice_find(path, '\0') < path.len)
		return ERR_SYNTAX;
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(un->sun_path, path.at, path.len);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
	return 0;
}

static int
parse_host(struct address *a, struct slice host, in_port_t number, int family)
{
	char text[HOST_BYTES];

	if (host.len == 0 || host.len >= sizeof(text))
		return ERR_SYNTAX;
	if (slice_find(host, '\0') < host.len)
		return ERR_SYNTAX; /* inet_pton would stop there and take what came before */
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	if (family == AF_INET) {
		a->of.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = number };
		a->len = sizeof(a->of.v4);
		return inet_pton(AF_INET, text, &a->of.v4.sin_addr) == 1 ? 0 : ERR_SYNTAX;
	}
	a->of.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = number };
	a->len = sizeof(a->of.v6);
	return inet_pton(AF_INET6, text, &a->of.v6.sin6_addr) == 1 ? 0 : ERR_SYNTAX;
}

static int
parse_ip(struct address *a, struct slice host, struct slice port, int family)
{
	in_port_t number;

	return parse_port(port, &number) != 0 ? ERR_SYNTAX : parse_host(a, host, number, family);
}

/* As systemd allows: printable ASCII but the colon that separates names. */
static int
parse_name(struct address *a, struct slice name)
{
	if (name.len == 0 || name.len >= sizeof(a->of.name.text))
		return ERR_SYNTAX;
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] <= ' ' || name.at[i] >= 0x7f || name.at[i] == ':')
			return ERR_SYNTAX;
	}
	memset(a, 0, sizeof(*a));
	a->of.name.family = AF_UNSPEC;
	memcpy(a->of.name.text, name.at, name.len);
	a->len = (socklen_t)(offsetof(struct address, of.name.text) + name.len + 1);
	return 0;
}

int
address_parse(struct address *a, struct slice text)
{
	struct slice host, rest = text;
	struct address parsed;
	int err;

	memset(&parsed, 0, sizeof(parsed));
	if (slice_has_prefix(text, SLICE("unix:"))) {
		err = parse_unix(&parsed, slice_after(text, 5));
	} else if (text.len > 0 && text.at[0] == '[') {
		rest = slice_after(text, 1);
		host = slice_cut(&rest, ']');
		if (rest.len == 0 || rest.at[0] != ':')
			return ERR_SYNTAX;
		err = parse_ip(&parsed, host, slice_after(rest, 1), AF_INET6);
	} else {
		host = slice_cut(&rest, ':');
		err = parse_ip(&parsed, host, rest, AF_INET);
	}
	if (err)
		return err;
	*a = parsed;
	return 0;
}

int
address_parse_listening(struct address *a, struct slice text)
{
	if (slice_has_prefix(text, prefix))
		return parse_name(a, slice_after(text, prefix.len));
	return address_parse(a, text);
}

int
address_parse_host(struct address *a, struct slice host, uint16_t port)
{
	int family = slice_find(host, ':') < host.len ? AF_INET6 : AF_INET;
	struct address parsed;

	memset(&parsed, 0, sizeof(parsed));
	if (parse_host(&parsed, host, htons(port), family) != 0)
		return ERR_SYNTAX;
	*a = parsed;
	return 0;
}

void
address_unmap(struct address *a)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (a->of.any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->of.v6.sin6_addr))
		return;
	v4.sin_port = a->of.v6.sin6_port;
	memcpy(&v4.sin_addr, &a->of.v6.sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
	a->of.v4 = v4;
	a->len = sizeof(v4);
}

void
address_to_client(struct address *a)
{
	enum { NET_BYTES = 8 };

	address_unmap(a);
	if (a->of.any.sa_family == AF_INET6)
		memset(&a->of.v6.sin6_addr.s6_addr[NET_BYTES], 0,
		       sizeof(a->of.v6.sin6_addr) - NET_BYTES);
}

struct slice
address_name(const struct address *a)
{
	bool is_name = a->len > 0 && a->of.any.sa_family == AF_UNSPEC;

	return is_name ? slice_of(a->of.name.text) : (struct slice){ NULL, 0 };
}

bool
address_is_unix(const struct address *a)
{
	return a->of.any.sa_family == AF_UNIX;
}

uint16_t
address_port(const struct address *a)
{
	switch (a->of.any.sa_family) {
	case AF_INET:
		return ntohs(a->of.v4.sin_port);
	case AF_INET6:
		return ntohs(a->of.v6.sin6_port);
	default:
		return 0;
	}
}

/* It goes with requests to upstreams, and inet_ntop() prints by a format: a tenth of such a
 * request's instructions. */
static void
write_ipv4(const struct in_addr *ip, struct writer *w)
{
	uint32_t host = ntohl(ip->s_addr);

	for (unsigned shift = 24;; shift -= 8) {
		writer_u64(w, host >> shift & 0xff);
		if (shift == 0)
			return;
		writer_char(w, '.');
	}
}

void
address_write_host(const struct address *a, struct writer *w)
{
	char text[HOST_BYTES];
	const char *host = "unix";

	if (a->of.any.sa_family == AF_INET) {
		write_ipv4(&a->of.v4.sin_addr, w);
		return;
	}
	if (a->of.any.sa_family == AF_INET6)
		host = inet_ntop(AF_INET6, &a->of.v6.sin6_addr, text, sizeof(text));
	writer_text(w, host ? host : "?");
}

void
address_write(const struct address *a, struct writer *w)
{
	if (address_is_unix(a)) {
		writer_text(w, "unix:");
		writer_text(w, a->of.path.sun_path);
		return;
	}
	if (address_name(a).len > 0) {
		writer_put(w, prefix);
		writer_put(w, address_name(a));
		return;
	}
	if (a->of.any.sa_family == AF_INET6)
		writer_char(w, '[');
	address_write_host(a, w);
	if (a->of.any.sa_family == AF_INET6)
		writer_char(w, ']');
	writer_char(w, ':');
	writer_u64(w, address_port(a));
}

bool
address_eq(const struct address *a, const struct address *b)
{
	return a->len == b->len && memcmp(&a->of, &b->of, a->len) == 0;
}
