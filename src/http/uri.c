/*
 * Request targets and paths; see uri.h. Every output is at most as long as its
 * input, and is built through a bounded writer.
 */
#include "http/uri.h"

#include "base/err.h"
#include "http/byte.h"

#include <arpa/inet.h>

/* The byte of the escape that s starts with ("%41..."), or -1. */
static int
escape_value(struct slice s)
{
	int high, low;

	if (s.len < 3 || s.at[0] != '%')
		return -1;
	high = ascii_hex(s.at[1]);
	low = ascii_hex(s.at[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Takes one byte from *s, decoded; -1 for a bad escape or a NUL. */
static int
take_decoded(struct slice *s)
{
	int value;

	if (s->at[0] != '%') {
		value = (unsigned char)s->at[0];
		*s = slice_after(*s, 1);
	} else {
		value = escape_value(*s);
		*s = slice_after(*s, 3);
	}
	return value > 0 ? value : -1;
}

/* Whether the form routes are matched against is the path as it was sent. */
static bool
path_is_plain(struct slice path)
{
	unsigned char before = 0;

	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.at[i];

		/* Nearly all bytes of a path stand above these three in ASCII. */
		if (c <= '.' && (c == '%' || c == 0 || (c == '.' && before == '/')))
			return false;
		before = c;
	}
	return true;
}

/* Decodes one segment, all but %2F and %25. */
static int
segment_decode(struct writer *w, struct slice s)
{
	while (s.len) {
		int value = take_decoded(&s);

		if (value < 0)
			return ERR_SYNTAX;
		if (value == '/')
			writer_put(w, SLICE("%2F"));
		else if (value == '%')
			writer_put(w, SLICE("%25"));
		else
			writer_char(w, (char)value);
	}
	return 0;
}

/* Takes back the last "/segment" of *w; false if there is none. */
static bool
drop_segment(struct writer *w)
{
	if (w->len == 0)
		return false;
	while (w->at[--w->len] != '/')
		;
	return true;
}

/*
 * Appends "/segment", resolved. Dots are looked for after decoding, because
 * "%2e" means "." (RFC 3986 6.2.2.2). A last dot segment leaves its slash.
 */
static int
segment_put(struct writer *w, struct slice raw, bool is_last)
{
	size_t start = w->len;
	struct slice segment;

	writer_char(w, '/');
	if (segment_decode(w, raw) < 0)
		return ERR_SYNTAX;
	segment = slice_make(w->at + start + 1, w->len - start - 1);
	if (slice_eq(segment, SLICE("."))) {
		w->len = start;
	} else if (slice_eq(segment, SLICE(".."))) {
		w->len = start;
		if (!drop_segment(w))
			return ERR_SYNTAX;
	} else {
		return 0;
	}
	if (is_last)
		writer_char(w, '/');
	return 0;
}

int
uri_path_decode(struct slice path, char *memory, struct slice *result)
{
	struct writer w = writer_over(memory, path.len);
	struct slice rest;

	if (path.len == 0 || path.at[0] != '/')
		return ERR_SYNTAX;
	if (path_is_plain(path)) {
		*result = path;
		return 0;
	}
	rest = slice_after(path, 1);
	for (bool is_last = false; !is_last;) {
		struct slice segment;

		is_last = slice_find(rest, '/') == rest.len;
		segment = slice_cut(&rest, '/');
		if (segment_put(&w, segment, is_last) < 0)
			return ERR_SYNTAX;
	}
	if (w.is_full)
		return ERR_SYNTAX;
	*result = writer_slice(&w);
	return 0;
}

static int
decode(struct slice s, bool plus_is_space, char *memory, struct slice *result)
{
	struct writer w = writer_over(memory, s.len);

	while (s.len) {
		bool is_space = plus_is_space && s.at[0] == '+';
		int value = take_decoded(&s);

		if (value < 0)
			return ERR_SYNTAX;
		writer_char(&w, is_space ? ' ' : (char)value);
	}
	*result = writer_slice(&w);
	return 0;
}

int
uri_decode(struct slice s, char *memory, struct slice *result)
{
	return decode(s, false, memory, result);
}

int
uri_query_decode(struct slice s, char *memory, struct slice *result)
{
	return decode(s, true, memory, result);
}

struct slice
uri_rest_decode(struct slice s, char *memory)
{
	struct writer w = writer_over(memory, s.len);

	while (s.len > 0) {
		/* A decoded path holds no other escapes than %2F and %25. */
		bool is_percent = slice_has_prefix(s, SLICE("%25"));

		writer_char(&w, s.at[0]);
		s = slice_after(s, is_percent ? 3 : 1);
	}
	return writer_slice(&w);
}

static void
put_encoded(struct writer *w, struct slice s, bool slash_stays)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		char escape[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (byte_is((char)c, BYTE_UNRESERVED) || (c == '/' && slash_stays))
			writer_char(w, (char)c);
		else
			writer_put(w, slice_make(escape, sizeof(escape)));
	}
}

void
uri_encode(struct writer *w, struct slice s)
{
	put_encoded(w, s, false);
}

void
uri_encode_path(struct writer *w, struct slice s)
{
	put_encoded(w, s, true);
}

/* Whether a raw query name means `name`. */
static bool
query_name_is(struct slice raw, struct slice name)
{
	while (raw.len && name.len) {
		bool is_space = raw.at[0] == '+';
		int value = take_decoded(&raw);

		if ((is_space ? ' ' : value) != (unsigned char)name.at[0])
			return false;
		name = slice_after(name, 1);
	}
	return raw.len == 0 && name.len == 0;
}

bool
uri_query_find(struct slice query, struct slice name, struct slice *value)
{
	while (query.len) {
		struct slice pair = slice_cut(&query, '&');
		struct slice raw_name = slice_cut(&pair, '=');

		if (raw_name.len && query_name_is(raw_name, name)) {
			*value = pair;
			return true;
		}
	}
	return false;
}

static bool
is_port(struct slice s)
{
	uint64_t port;

	return s.len == 0 || (s.len <= 5 && slice_to_u64(s, &port) == 0 && port <= 65535);
}

/* "[" IPv6address "]" */
static bool
is_ipv6_literal(struct slice s)
{
	char text[INET6_ADDRSTRLEN];
	struct writer w = writer_over(text, sizeof(text) - 1);
	struct in6_addr address;

	if (s.len < 4 || slice_find(s, 0) != s.len)
		return false;
	writer_put(&w, slice_make(s.at + 1, s.len - 2));
	text[w.len] = 0;
	return !w.is_full && inet_pton(AF_INET6, text, &address) == 1;
}

static bool
is_reg_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!byte_is(s.at[i], BYTE_HOST))
			return false;
		if (s.at[i] == '%' && escape_value(slice_after(s, i)) < 0)
			return false;
	}
	return true;
}

/* The bytes of the host part: up to the bracket that closes it, or the colon. */
static size_t
host_len(struct slice authority)
{
	size_t close;

	if (authority.len == 0 || authority.at[0] != '[')
		return slice_find(authority, ':');
	close = slice_find(authority, ']');
	return close < authority.len ? close + 1 : authority.len;
}

struct slice
uri_host(struct slice authority)
{
	return slice_make(authority.at, host_len(authority));
}

/* The common case in one look: names or IPv4 without escapes, and a port. */
static bool
is_plain_authority(struct slice s)
{
	unsigned port = 0;
	size_t i = 0;

	while (i < s.len && byte_is(s.at[i], BYTE_UNRESERVED))
		i++;
	if (i == s.len)
		return true;
	if (s.at[i] != ':' || s.len - i > 6)
		return false;
	while (++i < s.len && ascii_is_digit(s.at[i]))
		port = port * 10 + (unsigned)(s.at[i] - '0');
	return i == s.len && port <= 65535;
}

static __attribute__((noinline)) bool
is_any_authority(struct slice s)
{
	struct slice host = uri_host(s);
	struct slice rest = slice_after(s, host.len);

	if (rest.len && (rest.at[0] != ':' || !is_port(slice_after(rest, 1))))
		return false;
	if (host.len && host.at[0] == '[')
		return host.at[host.len - 1] == ']' && is_ipv6_literal(host);
	return is_reg_name(host);
}

bool
uri_is_authority(struct slice s)
{
	return is_plain_authority(s) || is_any_authority(s);
}

bool
uri_is_host(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!byte_is(s.at[i], BYTE_HOST) && s.at[i] != ':' && s.at[i] != '[' &&
		    s.at[i] != ']')
			return false;
	}
	return true;
}
