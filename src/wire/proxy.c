/*
 * PROXY protocol headers; see proxy.h. Numbers in brackets are sections of
 * proxy-protocol.txt.
 */
#include "wire/proxy.h"

enum {
	V2_FIXED = 16, /* signature, version and command, family and protocol, length */
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
};

static const struct slice v1_start = SLICE_INIT("PROXY ");
static const struct slice v2_start = SLICE_INIT("\r\n\r\n\0\r\nQUIT\n");

/* --- version 1: a line [2.1] -------------------------------------------------------- */

static int
parse_port(struct slice text, uint16_t *port)
{
	uint64_t value;

	if (slice_to_u64(text, &value) != 0 || value > UINT16_MAX)
		return ERR_PROTOCOL;
	if (text.len > 1 && text.at[0] == '0')
		return ERR_PROTOCOL;
	*port = (uint16_t)value;
	return 0;
}

/* "192.0.2.1 192.0.2.2 4711 443": source and destination, of one family. */
static int
parse_addresses(struct address *source, struct slice line, sa_family_t family)
{
	struct slice from = slice_cut(&line, ' ');
	struct slice to = slice_cut(&line, ' ');
	struct slice from_port = slice_cut(&line, ' ');
	struct address parsed, destination;
	uint16_t port, to_port;

	/* What is left is the last word, or more than that. */
	if (parse_port(from_port, &port) != 0 || parse_port(line, &to_port) != 0)
		return ERR_PROTOCOL;
	if (address_parse_host(&parsed, from, port) != 0 ||
	    address_parse_host(&destination, to, to_port) != 0)
		return ERR_PROTOCOL;
	if (parsed.of.any.sa_family != family || destination.of.any.sa_family != family)
		return ERR_PROTOCOL;
	*source = parsed;
	return 0;
}

static int
parse_line(struct address *source, struct slice line)
{
	struct slice family = slice_cut(&line, ' ');

	if (slice_eq(family, SLICE("TCP4")))
		return parse_addresses(source, line, AF_INET);
	if (slice_eq(family, SLICE("TCP6")))
		return parse_addresses(source, line, AF_INET6);
	/* Whatever else it says is to be ignored. */
	return slice_eq(family, SLICE("UNKNOWN")) ? 0 : ERR_PROTOCOL;
}

/* The bytes before the first CRLF of a header's room; in.len without one. */
static size_t
find_end(struct slice in)
{
	size_t room = in.len < PROXY_V1_BYTES ? in.len : PROXY_V1_BYTES;

	for (size_t i = v1_start.len; i + 1 < room; i++) {
		if (in.at[i] == '\r' && in.at[i + 1] == '\n')
			return i;
	}
	return in.len;
}

static int
parse_v1(struct proxy_header *h, struct slice in)
{
	size_t end = find_end(in);

	if (end == in.len)
		return in.len < PROXY_V1_BYTES ? PROXY_MORE : ERR_TOO_LARGE;
	h->bytes = end + 2;
	return parse_line(&h->source, slice_after(slice_make(in.at, end), v1_start.len));
}

/* --- version 2: binary [2.2] ---------------------------------------------------------- */

static uint16_t
read_u16(const char *at)
{
	return (uint16_t)((uint16_t)(unsigned char)at[0] << 8 | (unsigned char)at[1]);
}

static void
read_v4(struct address *a, const char *at)
{
	a->of.v4 = (struct sockaddr_in){ .sin_family = AF_INET };
	memcpy(&a->of.v4.sin_addr, at, 4);
	memcpy(&a->of.v4.sin_port, at + 8, 2);
	a->len = sizeof(a->of.v4);
}

static void
read_v6(struct address *a, const char *at)
{
	a->of.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	memcpy(&a->of.v6.sin6_addr, at, 16);
	memcpy(&a->of.v6.sin6_port, at + 32, 2);
	a->len = sizeof(a->of.v6);
}

static void
read_unix(struct address *a, const char *at)
{
	(void)at;
	a->of.path.sun_family = AF_UNIX;
	a->len = sizeof(sa_family_t);
}

/* By the byte for family and protocol. Those that we do not serve say nothing, as UNSPEC. */
static const struct family {
	uint8_t byte;
	uint16_t bytes; /* of both addresses and ports */
	void (*read)(struct address *a, const char *at);
} families[] = {
	{ 0x00, 0, NULL },  { 0x11, 12, read_v4 },    { 0x12, 12, NULL },  { 0x21, 36, read_v6 },
	{ 0x22, 36, NULL }, { 0x31, 216, read_unix }, { 0x32, 216, NULL },
};

static const struct family *
find_family(uint8_t byte)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (families[i].byte == byte)
			return &families[i];
	}
	return NULL;
}

/* The fixed part is there. */
static int
parse_fixed(struct proxy_header *h, const char *at, const struct family **family)
{
	uint8_t command = (uint8_t)at[12];
	uint16_t length = read_u16(at + 14);

	*family = NULL;
	if (command != V2_LOCAL && command != V2_PROXY)
		return ERR_PROTOCOL;
	if (command == V2_PROXY) { /* of LOCAL, all the rest is to be ignored */
		*family = find_family((uint8_t)at[13]);
		if (!*family || length < (*family)->bytes)
			return ERR_PROTOCOL;
	}
	h->bytes = (size_t)V2_FIXED + length;
	return h->bytes > PROXY_MAX_BYTES ? ERR_TOO_LARGE : 0;
}

static int
parse_v2(struct proxy_header *h, struct slice in)
{
	const struct family *family;
	int err;

	if (in.len < V2_FIXED)
		return PROXY_MORE;
	err = parse_fixed(h, in.at, &family);
	if (err)
		return err;
	if (in.len < h->bytes)
		return PROXY_MORE;
	if (family && family->read)
		family->read(&h->source, in.at + V2_FIXED);
	return 0;
}

/* --- which ------------------------------------------------------------------------------- */

/* As far as there are bytes. */
static bool
may_begin_with(struct slice in, struct slice start)
{
	size_t len = in.len < start.len ? in.len : start.len;

	return len == 0 || memcmp(in.at, start.at, len) == 0;
}

int
proxy_parse(struct proxy_header *h, struct slice in)
{
	int err;

	memset(h, 0, sizeof(*h));
	if (may_begin_with(in, v2_start))
		err = parse_v2(h, in);
	else if (may_begin_with(in, v1_start))
		err = in.len < v1_start.len ? PROXY_MORE : parse_v1(h, in);
	else
		err = ERR_MISSING;
	if (!err)
		address_unmap(&h->source);
	return err;
}
