/*
 * Parsing of patterns; see pattern.h. Builder thread.
 */
#include "route/pattern.h"

#include "http/uri.h"

/* Names that templates give a meaning of their own. */
static const struct slice reserved[] = {
	SLICE_INIT("query"),   SLICE_INIT("header"), SLICE_INIT("body"),
	SLICE_INIT("request"), SLICE_INIT("client"),
};

static int
refuse(struct pattern_fault *fault, const char *why, struct slice where)
{
	*fault = (struct pattern_fault){ why, where };
	return ERR_SYNTAX;
}

static bool
is_name(struct slice s)
{
	if (s.len == 0 || s.at[0] < 'a' || s.at[0] > 'z')
		return false;
	for (size_t i = 1; i < s.len; i++) {
		char c = s.at[i];

		if ((c < 'a' || c > 'z') && !ascii_is_digit(c) && c != '_' && c != '-')
			return false;
	}
	return true;
}

static bool
is_reserved(struct slice name)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (slice_eq(reserved[i], name))
			return true;
	}
	return false;
}

static bool
has_capture(const struct pattern *p, struct slice name)
{
	for (unsigned i = 0; i < p->captures; i++) {
		if (slice_eq(p->capture[i], name))
			return true;
	}
	return false;
}

/* {name} or {name...}; s starts with '{'. */
static int
add_param(struct pattern *p, struct slice s, bool is_last, struct pattern_fault *fault)
{
	const struct slice dots = SLICE("...");
	struct slice name = slice_make(s.at + 1, s.len > 2 ? s.len - 2 : 0);
	bool is_rest =
	    name.len > dots.len && slice_eq(slice_after(name, name.len - dots.len), dots);

	if (is_rest)
		name.len -= dots.len;
	if (s.at[s.len - 1] != '}' || !is_name(name))
		return refuse(fault, "is not {name} or {name...} as a whole segment", s);
	if (is_reserved(name))
		return refuse(fault, "is a name that templates use for something else", name);
	if (is_rest && !is_last)
		return refuse(fault, "may only be the last segment", s);
	if (has_capture(p, name))
		return refuse(fault, "names a parameter twice", s);
	if (p->captures == PATTERN_CAPTURES)
		return refuse(fault, "has more than 16 parameters", p->path);
	p->capture[p->captures++] = name;
	p->segment[p->count++] = (struct segment){ is_rest ? SEGMENT_REST : SEGMENT_PARAM, name };
	return 0;
}

/* Into the form that request.path has. */
static int
add_literal(struct pattern *p, struct slice s, bool is_last, struct arena *a,
	    struct pattern_fault *fault)
{
	char *memory = arena_alloc(a, 2 * (s.len + 1));
	struct slice decoded;

	if (!memory)
		return ERR_MEMORY;
	if (s.len == 0 && !is_last)
		return refuse(fault, "has an empty segment", p->path);
	memory[0] = '/';
	if (s.len)
		memcpy(memory + 1, s.at, s.len);
	if (uri_path_decode(slice_make(memory, s.len + 1), memory + s.len + 1, &decoded) < 0)
		return refuse(fault, "is not a segment of a path", s);
	decoded = slice_after(decoded, 1);
	if (s.len > 0 && decoded.len == 0)
		return refuse(fault, "is a dot segment, which no request has", s);
	p->segment[p->count++] = (struct segment){ SEGMENT_LITERAL, decoded };
	return 0;
}

static int
add_segment(struct pattern *p, struct slice s, bool is_last, struct arena *a,
	    struct pattern_fault *fault)
{
	if (p->count == PATTERN_SEGMENTS)
		return refuse(fault, "has more than 32 segments", p->path);
	if (s.len > 0 && s.at[0] == '{')
		return add_param(p, s, is_last, fault);
	if (slice_find(s, '{') < s.len || slice_find(s, '}') < s.len)
		return refuse(fault, "is not {name} or {name...} as a whole segment", s);
	return add_literal(p, s, is_last, a, fault);
}

static int
parse_path(struct pattern *p, struct arena *a, struct pattern_fault *fault)
{
	struct slice rest = slice_after(p->path, 1);
	bool is_last = false;
	int err = 0;

	if (p->path.len == 0 || p->path.at[0] != '/')
		return refuse(fault, "has no path that starts with /", p->match);
	for (size_t i = 0; i < p->path.len; i++) {
		unsigned char c = (unsigned char)p->path.at[i];

		if (c <= ' ' || c == 0x7f)
			return refuse(fault, "has more than a method and a path", p->match);
		if (c == '?' || c == '#')
			return refuse(fault, "has a query or fragment; only paths are matched",
				      p->path);
	}
	while (!err && !is_last) {
		is_last = slice_find(rest, '/') == rest.len;
		err = add_segment(p, slice_cut(&rest, '/'), is_last, a, fault);
	}
	return err;
}

static int
parse_methods(struct pattern *p, struct slice text, struct pattern_fault *fault)
{
	if (slice_eq(text, SLICE("*"))) {
		p->methods = PATTERN_ANY_METHOD;
		return 0;
	}
	do {
		struct slice name = slice_cut(&text, '|');
		enum method m = method_of(name);

		if (m == METHOD_OTHER)
			return refuse(fault, "is no method known here; * takes any", name);
		p->methods |= 1u << m;
	} while (text.len > 0);
	return 0;
}

int
pattern_parse(struct pattern *p, struct slice match, struct arena *a, struct pattern_fault *fault)
{
	size_t method_len = 0;
	int err;

	match = slice_trim(match);
	*p = (struct pattern){ .match = match };
	while (method_len < match.len && match.at[method_len] != ' ' &&
	       match.at[method_len] != '\t')
		method_len++;
	if (method_len == match.len)
		return refuse(fault, "is not METHOD /path, as GET /hello", match);
	p->path = slice_trim(slice_after(match, method_len));
	err = parse_methods(p, slice_make(match.at, method_len), fault);
	return err ? err : parse_path(p, a, fault);
}

static struct slice
copy_lower(struct arena *a, struct slice s)
{
	char *at = arena_alloc(a, s.len + 1);

	if (!at)
		return slice_make(NULL, 0);
	for (size_t i = 0; i < s.len; i++)
		at[i] = ascii_lower(s.at[i]);
	at[s.len] = '\0';
	return slice_make(at, s.len);
}

int
pattern_parse_host(struct pattern *p, struct slice host, struct arena *a,
		   struct pattern_fault *fault)
{
	struct slice name = slice_trim(host);

	p->host_kind = HOST_ANY;
	p->host = slice_make(NULL, 0);
	if (name.len == 0)
		return 0;
	p->host_kind = HOST_EXACT;
	if (slice_has_prefix(name, SLICE("*."))) {
		p->host_kind = HOST_SUFFIX;
		name = slice_after(name, 1);
	}
	if (name.len > 1 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len > PATTERN_HOST_BYTES || slice_find(name, '*') < name.len ||
	    !uri_is_authority(name) || (p->host_kind == HOST_SUFFIX && name.len < 2))
		return refuse(fault, "is not a host name, nor *.example.com", host);
	if (uri_host(name).len != name.len)
		return refuse(fault, "has a port; hosts are compared without it", host);
	p->host = copy_lower(a, name);
	return p->host.at ? 0 : ERR_MEMORY;
}
