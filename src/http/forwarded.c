/*
 * Forwarded and X-Forwarded-For; see forwarded.h.
 *
 * Lists are cut at commas from the right, without regard to quotes: no address has a comma, so
 * what a proxy has appended is found whole, whatever a client put in front of it.
 */
#include "http/forwarded.h"

#include "base/log.h"

/* Elements of all lines of a field, the last one first. */
struct walk {
	const struct fields *fields;
	enum field_id id;
	unsigned line; /* lines before this one are left */
	struct slice rest; /* of the line at hand */
	unsigned hops;
};

/* --- lists ------------------------------------------------------------------------ */

/* What stands behind the last separator, which goes with it. */
static struct slice
cut_last(struct slice *rest, char separator)
{
	size_t at = rest->len;
	struct slice last;

	while (at > 0 && rest->at[at - 1] != separator)
		at--;
	last = slice_after(*rest, at);
	rest->len = at > 0 ? at - 1 : 0;
	return last;
}

static bool
next_line(struct walk *w)
{
	while (w->line > 0) {
		const struct field *f = &w->fields->at[--w->line];

		if (f->id != w->id)
			continue;
		w->rest = f->value;
		return true;
	}
	return false;
}

/* Empty elements do not count (RFC 9110 5.6.1.2), but each line has an end. */
static bool
next_element(struct walk *w, struct slice *element)
{
	while (w->hops < FORWARDED_HOPS_MAX) {
		if (w->rest.len == 0 && !next_line(w))
			return false;
		w->hops++;
		*element = slice_trim(cut_last(&w->rest, ','));
		if (element->len > 0)
			return true;
	}
	return false;
}

/* --- one hop ------------------------------------------------------------------------ */

static int
parse_port(struct slice text, uint16_t *port)
{
	uint64_t value;

	if (slice_to_u64(text, &value) != 0 || value > UINT16_MAX)
		return ERR_SYNTAX;
	*port = (uint16_t)value;
	return 0;
}

/* RFC 7239 6: 192.0.2.1, 192.0.2.1:80, [2001:db8::1], [2001:db8::1]:80; and 2001:db8::1, as
 * X-Forwarded-For has it. */
static int
parse_node(struct address *a, struct slice text)
{
	struct slice host, port = text;
	uint16_t number = 0;
	int err;

	if (text.len > 0 && text.at[0] == '[') {
		port = slice_after(text, 1);
		host = slice_cut(&port, ']');
		if (slice_find(host, ':') == host.len)
			return ERR_SYNTAX;
		if (port.len > 0 && port.at[0] != ':')
			return ERR_SYNTAX;
		if (port.len == 0 && text.at[text.len - 1] != ']')
			return ERR_SYNTAX;
		port = slice_after(port, 1);
	} else {
		host = slice_cut(&port, ':');
		if (slice_find(port, ':') < port.len) {
			host = text; /* two colons: IPv6 without brackets, and so without port */
			port.len = 0;
		}
	}
	if (text.len > 0 && text.at[text.len - 1] == ':' && host.len < text.len)
		return ERR_SYNTAX;
	if (port.len > 0 && parse_port(port, &number) != 0)
		return ERR_SYNTAX;
	err = address_parse_host(a, host, number);
	if (!err)
		address_unmap(a);
	return err;
}

static struct slice
scheme_of(struct slice text)
{
	if (slice_eq_nocase(text, SLICE("https")))
		return SLICE("https");
	return slice_eq_nocase(text, SLICE("http")) ? SLICE("http") : SLICE("");
}

/* A token, or a quoted string without escapes: nothing else can be an address. */
static struct slice
unquote(struct slice text)
{
	if (text.len < 2 || text.at[0] != '"' || text.at[text.len - 1] != '"')
		return text;
	return slice_make(text.at + 1, text.len - 2);
}

/* for=192.0.2.1;proto=https: what it says twice is no good. */
static int
parse_element(struct slice element, struct address *a, struct slice *scheme)
{
	bool has_for = false, has_proto = false;

	*scheme = SLICE("");
	while (element.len > 0) {
		struct slice value = slice_trim(slice_cut(&element, ';'));
		struct slice name = slice_cut(&value, '=');

		if (slice_eq_nocase(name, SLICE("for"))) {
			if (has_for || parse_node(a, unquote(value)) != 0)
				return ERR_SYNTAX;
			has_for = true;
		} else if (slice_eq_nocase(name, SLICE("proto"))) {
			if (has_proto)
				return ERR_SYNTAX;
			*scheme = scheme_of(unquote(value));
			has_proto = true;
		}
	}
	return has_for ? 0 : ERR_SYNTAX;
}

/* --- the walk ------------------------------------------------------------------------ */

/* True if anybody but the peer is named. */
static bool
walk_back(struct walk *w, const struct networks *trusted, struct address *client,
	  struct slice *scheme)
{
	bool has_moved = false;
	struct slice element;

	while (next_element(w, &element)) {
		struct slice said = SLICE("");
		struct address hop;
		int err = w->id == FIELD_FORWARDED ? parse_element(element, &hop, &said)
						   : parse_node(&hop, element);

		if (err)
			break;
		*client = hop;
		*scheme = said;
		has_moved = true;
		if (networks_find(trusted, client) == 0)
			break;
	}
	return has_moved;
}

/* The peer's own word: the last one. */
static struct slice
last_scheme(const struct fields *f)
{
	struct walk w = { .fields = f, .id = FIELD_X_FORWARDED_PROTO, .line = f->count };
	struct slice element;

	return next_element(&w, &element) ? scheme_of(element) : SLICE("");
}

/* FIELD_OTHER: neither. A proxy that writes one of them passes the other on as its client said it,
 * and which is which cannot be seen. */
static enum field_id
choose(const struct fields *f, enum forwarded_field which)
{
	bool has_x = fields_find(f, FIELD_X_FORWARDED_FOR) != NULL;

	if (which == FORWARDED_RFC7239)
		return FIELD_FORWARDED;
	if (which == FORWARDED_X || !fields_find(f, FIELD_FORWARDED))
		return FIELD_X_FORWARDED_FOR;
	return has_x ? FIELD_OTHER : FIELD_FORWARDED;
}

int
forwarded_apply(struct exchange *x, const struct networks *trusted, enum forwarded_field which)
{
	const struct fields *f = &x->request.fields;
	struct walk w = { .fields = f, .id = choose(f, which), .line = f->count };
	struct address client, *copy;
	struct slice scheme = SLICE("");

	if (networks_find(trusted, x->near) == 0)
		return 0;
	if (w.id == FIELD_OTHER) {
		log_debug("a trusted proxy sent both Forwarded and X-Forwarded-For: neither counts "
			  "unless forwarded_field says which it writes");
		return 0;
	}
	if (walk_back(&w, trusted, &client, &scheme)) {
		copy = arena_alloc(&x->arena, sizeof(*copy));
		if (!copy)
			return ERR_MEMORY;
		*copy = client;
		x->client = copy;
	}
	if (w.id != FIELD_FORWARDED)
		scheme = last_scheme(f);
	if (scheme.len > 0)
		x->scheme = scheme;
	x->vouched = w.id;
	return 0;
}

/* --- what is asked for ---------------------------------------------------------------- */

struct slice
forwarded_host(const struct request *q, enum field_id vouched)
{
	const struct field *f = vouched == FIELD_X_FORWARDED_FOR
				    ? fields_find(&q->fields, FIELD_X_FORWARDED_HOST)
				    : NULL;

	return f ? f->value : q->authority;
}

static bool
is_known(const struct exchange *x, struct slice name, struct slice value)
{
	if (slice_eq_nocase(name, SLICE("for")) || slice_eq_nocase(name, SLICE("by")))
		return true;
	value = unquote(slice_trim(value));
	return (slice_eq_nocase(name, SLICE("proto")) && slice_eq_nocase(value, x->scheme)) ||
	       (slice_eq_nocase(name, SLICE("host")) &&
		slice_eq_nocase(value, x->request.authority));
}

/* Cut without regard to quotes, so that nothing hides in a value that is left out. Returns whether
 * there is anything that is not known. */
static bool
write_element(const struct exchange *x, struct slice element, struct writer *w)
{
	bool has_news = false;

	while (element.len > 0) {
		struct slice pair = slice_trim(slice_cut(&element, ';')), value = pair;
		struct slice name = slice_trim(slice_cut(&value, '='));

		has_news |= pair.len > 0 && !is_known(x, name, value);
		if (slice_eq_nocase(name, SLICE("for")) || slice_eq_nocase(name, SLICE("by")))
			continue;
		writer_put(w, pair);
		writer_char(w, ';');
	}
	writer_char(w, ',');
	return has_news;
}

/* All lines, or none where each element says what is known. */
static void
write_elements(const struct exchange *x, struct writer *w)
{
	const struct fields *f = &x->request.fields;
	bool has_news = false;
	struct writer to = *w;

	for (unsigned i = 0; i < f->count; i++) {
		struct slice rest = f->at[i].value;

		while (f->at[i].id == FIELD_FORWARDED && rest.len > 0)
			has_news |= write_element(x, slice_cut(&rest, ','), &to);
	}
	if (has_news)
		*w = to;
}

void
forwarded_write_more(const struct exchange *x, struct writer *w)
{
	struct slice host = forwarded_host(&x->request, x->vouched);

	if (x->vouched == FIELD_FORWARDED)
		write_elements(x, w);
	else if (!slice_eq_nocase(host, x->request.authority))
		writer_put(w, host);
}
