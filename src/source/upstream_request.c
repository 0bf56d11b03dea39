/*
 * The head of the request that goes to a server. It is always written anew
 * from the parsed form, line by line, and each line is checked once more, so
 * that nothing a client sent can be read as something else by the server.
 *
 *   passed through   the client's method, target and end-to-end fields, with
 *                    Via, Forwarded and X-Forwarded-* brought up to date: what a
 *                    trusted proxy said is kept, what a client said of itself is not
 *   joined           GET, the part's path, and no client field but X-Request-Id and those
 *                    that `forward` names
 *   both             Host, framing, traceparent, Forebay-Deadline, and the part's
 *                    header.NAME and set_request_header.NAME, which take
 *                    precedence; nothing that remove_request_header names
 */
#include "http/forwarded.h"
#include "http/uri.h"
#include "source/upstream_priv.h"
#include "source/upstream_tunnel.h"

/* Text that grows a line and remembers why it is no good. */
struct head {
	struct writer *w;
	const struct subrequest *q;
	const struct upstream_part *part;
	const struct field *connection; /* the client's, or NULL */
	int err;
};

static const struct upstream_part *
part_of(const struct subrequest *q)
{
	return q->part->conf;
}

static struct head
head_of(const struct subrequest *q, struct writer *w)
{
	return (struct head){
		.w = w,
		.q = q,
		.part = part_of(q),
		.connection = fields_find(&q->request->fields, FIELD_CONNECTION),
	};
}

static struct slice
value_at(const struct subrequest *q, int index)
{
	return index == UPSTREAM_NO_VALUE ? SLICE("") : q->value[index];
}

/* --- method and framing ---------------------------------------------------------- */

static struct slice
method_text(const struct subrequest *q)
{
	if (part_of(q)->method.len > 0)
		return part_of(q)->method;
	return q->part->passes_through ? q->request->method_name : SLICE("GET");
}

/* Methods that Max-Forwards is for (RFC 9110 7.6.2). */
static bool
has_max_forwards(const struct subrequest *q)
{
	return q->part->passes_through &&
	       (q->request->method == METHOD_OPTIONS || q->request->method == METHOD_TRACE);
}

bool
upstream_request_is_last_hop(const struct subrequest *q)
{
	const struct field *f;
	uint64_t left;

	if (!has_max_forwards(q))
		return false;
	f = fields_find(&q->request->fields, FIELD_MAX_FORWARDS);
	return f && slice_to_u64(f->value, &left) == 0 && left == 0;
}

struct upstream_sending
upstream_request_sending(const struct subrequest *q)
{
	struct upstream_sending s = { .method = method_of(method_text(q)) };

	if (part_of(q)->body_value != UPSTREAM_NO_VALUE) {
		s.body = value_at(q, part_of(q)->body_value);
		s.length = s.body.len;
		s.framing = BODY_LENGTH;
	} else if (q->part->passes_through && q->has_body) {
		s.is_fed = true;
		s.length = q->body_bytes;
		s.framing = q->is_body_length_known ? BODY_LENGTH : BODY_CHUNKED;
	} else if (s.method == METHOD_POST || s.method == METHOD_PUT || s.method == METHOD_PATCH) {
		s.framing = BODY_LENGTH; /* RFC 9110 8.6: say that it is empty */
	}
	return s;
}

/* --- request line ---------------------------------------------------------------- */

/* "." and "..", also where dots are escaped: a value of the client's must not
 * climb out of the path that it is placed in. */
static bool
is_dot_segment(struct slice segment)
{
	unsigned dots = 0;

	while (segment.len > 0) {
		size_t n = 0;

		if (segment.at[0] == '.')
			n = 1;
		else if (segment.len >= 3 && segment.at[0] == '%' && segment.at[1] == '2' &&
			 ascii_lower(segment.at[2]) == 'e')
			n = 3;
		if (n == 0)
			return false;
		segment = slice_after(segment, n);
		dots++;
	}
	return dots == 1 || dots == 2;
}

static bool
has_dot_segment(struct slice path)
{
	while (path.len > 0) {
		if (is_dot_segment(slice_cut(&path, '/')))
			return true;
	}
	return false;
}

static bool
is_target_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] <= ' ' || s.at[i] >= 0x7f || s.at[i] == '#')
			return false;
	}
	return true;
}

static void
put_path(struct head *h)
{
	struct slice path = h->q->request->raw_path;

	if (h->part->path_value != UPSTREAM_NO_VALUE) {
		path = value_at(h->q, h->part->path_value);
		if (has_dot_segment(path))
			h->err = ERR_NOT_FOUND;
		if (path.len == 0 || path.at[0] != '/' || slice_find(path, '?') < path.len)
			h->err = ERR_SYNTAX;
	}
	if (!is_target_text(path))
		h->err = ERR_SYNTAX;
	writer_put(h->w, path);
}

/* The part's query; else the client's, but not behind a joined part's own path. */
static void
put_query(struct head *h)
{
	struct slice query = h->q->request->query;
	bool has_query = h->q->request->has_query;

	if (h->part->query_value != UPSTREAM_NO_VALUE) {
		query = value_at(h->q, h->part->query_value);
		has_query = query.len > 0;
	} else if (h->part->path_value != UPSTREAM_NO_VALUE && !h->q->part->passes_through) {
		has_query = false;
	}
	if (!has_query)
		return;
	if (!is_target_text(query))
		h->err = ERR_SYNTAX;
	writer_char(h->w, '?');
	writer_put(h->w, query);
}

static void
put_request_line(struct head *h)
{
	struct slice method = method_text(h->q);

	if (!field_is_token(method))
		h->err = ERR_SYNTAX;
	writer_put(h->w, method);
	writer_char(h->w, ' ');
	put_path(h);
	put_query(h);
	writer_text(h->w, " HTTP/1.1\r\n");
}

/* --- fields ---------------------------------------------------------------------- */

static void
put_field(struct head *h, struct slice name, struct slice value)
{
	if (!field_is_token(name) || !field_is_value(value))
		h->err = ERR_SYNTAX;
	writer_put(h->w, name);
	writer_text(h->w, ": ");
	writer_put(h->w, value);
	writer_text(h->w, "\r\n");
}

/* Starts a line whose value is written by the caller from safe parts. */
static void
open_line(struct head *h, const char *name)
{
	writer_text(h->w, name);
	writer_text(h->w, ": ");
}

static void
close_line(struct head *h)
{
	writer_text(h->w, "\r\n");
}

/* RFC 9110 7.6.1: meant for us alone. */
static bool
is_named_by_connection(const struct head *h, struct slice name)
{
	return h->connection && fields_has_token(&h->q->request->fields, FIELD_CONNECTION, name);
}

/* Values of the client's lines of that name, as one list. */
static void
put_client_list(struct head *h, enum field_id id)
{
	const struct fields *f = &h->q->request->fields;

	if (is_named_by_connection(h, field_name(id)))
		return;
	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id != id || f->at[i].value.len == 0)
			continue;
		if (!field_is_value(f->at[i].value))
			h->err = ERR_SYNTAX;
		writer_put(h->w, f->at[i].value);
		writer_text(h->w, ", ");
	}
}

static bool
is_in_family(const struct conf_family *family, struct slice name)
{
	for (size_t i = 0; i < family->count; i++) {
		if (field_is_like(family->at[i].name, name))
			return true;
	}
	return false;
}

/* Neither the client's nor our own of that name is sent, nor what a server could take for it. */
static bool
is_overridden(const struct head *h, struct slice name)
{
	const struct upstream_part *p = h->part;

	for (size_t i = 0; i < p->remove.count; i++) {
		if (field_is_like(p->remove.at[i], name))
			return true;
	}
	return is_in_family(&p->headers, name) || is_in_family(&p->set, name);
}

/* RFC 9110 7.6.3: where the message came through, appended to what is there. */
static void
put_via(struct head *h)
{
	int version = h->q->request->version;

	if (is_overridden(h, SLICE("Via")))
		return;
	open_line(h, "Via");
	put_client_list(h, FIELD_VIA);
	writer_u64(h->w, (uint64_t)version / 10);
	writer_char(h->w, '.');
	writer_u64(h->w, (uint64_t)version % 10);
	writer_text(h->w, " forebay");
	close_line(h);
}

/* What others have said before, which counts only in the field that a trusted proxy writes. */
static void
put_earlier(struct head *h, enum field_id id)
{
	if (h->q->vouched == id)
		put_client_list(h, id);
}

static void
put_forwarded_for(struct head *h)
{
	open_line(h, "X-Forwarded-For");
	put_earlier(h, FIELD_X_FORWARDED_FOR);
	address_write_host(h->q->near, h->w);
	close_line(h);
}

/* RFC 7239 4 and 6: an IPv6 address stands in brackets and quotes; what is no IP address is
 * "unknown". */
static void
put_element(struct head *h)
{
	sa_family_t family = h->q->near->of.any.sa_family;

	writer_text(h->w, "for=");
	if (family == AF_INET6)
		writer_text(h->w, "\"[");
	if (family == AF_UNIX)
		writer_text(h->w, "unknown");
	else
		address_write_host(h->q->near, h->w);
	if (family == AF_INET6)
		writer_text(h->w, "]\"");
	writer_text(h->w, ";proto=");
	writer_put(h->w, h->q->scheme);
}

/* Only where somebody has begun it. */
static void
put_forwarded_element(struct head *h)
{
	if (!fields_find(&h->q->request->fields, FIELD_FORWARDED))
		return;
	open_line(h, "Forwarded");
	put_earlier(h, FIELD_FORWARDED);
	put_element(h);
	close_line(h);
}

static void
put_forwarded(struct head *h)
{
	struct slice host = forwarded_host(h->q->request, h->q->vouched);

	if (h->q->near && !is_overridden(h, SLICE("X-Forwarded-For")))
		put_forwarded_for(h);
	if (h->q->near && !is_overridden(h, SLICE("Forwarded")))
		put_forwarded_element(h);
	if (!is_overridden(h, SLICE("X-Forwarded-Proto")))
		put_field(h, SLICE("X-Forwarded-Proto"), h->q->scheme);
	if (host.len > 0 && !is_overridden(h, SLICE("X-Forwarded-Host")))
		put_field(h, SLICE("X-Forwarded-Host"), host);
}

/* What is left of the deadline, in milliseconds, rounded up. */
static void
put_deadline(struct head *h, uint64_t now_ns)
{
	uint64_t deadline_ns = h->q->deadline_ns;

	if (deadline_ns == CLOCK_NEVER)
		return;
	open_line(h, "Forebay-Deadline");
	writer_u64(h->w, deadline_ns > now_ns ? (deadline_ns - now_ns - 1) / CLOCK_MS + 1 : 0);
	writer_text(h->w, "ms");
	close_line(h);
}

static void
put_framing(struct head *h)
{
	struct upstream_sending s = upstream_request_sending(h->q);

	if (s.framing == BODY_LENGTH) {
		open_line(h, "Content-Length");
		writer_u64(h->w, s.length);
		close_line(h);
	} else if (s.framing == BODY_CHUNKED) {
		writer_text(h->w, "Transfer-Encoding: chunked\r\n");
	}
}

/* RFC 9112 9.6: a server that is not to be asked again is told so. RFC 9110 10.1.4: that trailers
 * are taken is said anew on each connection, and that it is said. */
static void
put_connection(struct head *h)
{
	const struct upstream *u = h->q->part->source->state;
	bool is_switching = upstream_tunnel_is_asked(h->q);
	bool is_last = u->conf->keepalive_timeout == 0 && !is_switching;
	bool takes_trailers = h->q->part->passes_through &&
			      fields_has_token(&h->q->request->fields, FIELD_TE, SLICE("trailers"));

	if (is_last || is_switching || takes_trailers) {
		open_line(h, "Connection");
		writer_text(h->w, is_last ? "close" : is_switching ? "Upgrade" : "");
		writer_text(h->w, (is_last || is_switching) && takes_trailers ? ", " : "");
		writer_text(h->w, takes_trailers ? "TE" : "");
		close_line(h);
	}
	if (is_switching) {
		open_line(h, "Upgrade");
		upstream_tunnel_write(h->q, h->w);
		close_line(h);
	}
	if (takes_trailers)
		writer_text(h->w, "TE: trailers\r\n");
}

static void
put_host(struct head *h, const struct upstream_server *server)
{
	struct slice authority = h->q->request->authority;

	if (h->part->host != UPSTREAM_HOST_CLIENT || authority.len == 0)
		authority = server->authority;
	put_field(h, SLICE("Host"), authority);
}

/* W3C Trace Context: each request to a server is a parent of its own. */
static void
put_trace(struct head *h)
{
	const struct fields *f = &h->q->request->fields;
	struct random *random = &h->q->env->random;
	struct trace *t = h->q->trace;
	char memory[TRACE_STATE_BYTES];
	struct writer state = writer_over(memory, sizeof(memory));

	if (is_overridden(h, SLICE("traceparent")) || !trace_take(t, f, random))
		return;
	open_line(h, "traceparent");
	trace_write_parent(t, random, h->w);
	close_line(h);
	if (t->state == TRACE_CONTINUED && !is_overridden(h, SLICE("tracestate")))
		trace_write_state(f, &state);
	if (state.len > 0)
		put_field(h, SLICE("tracestate"), writer_slice(&state));
}

/* Written by us, whatever the client said. */
static bool
is_ours(const struct head *h, enum field_id id)
{
	switch (id) {
	case FIELD_HOST:
	case FIELD_CONTENT_LENGTH:
	case FIELD_EXPECT:
	case FIELD_FOREBAY_DEADLINE:
		return true;
	case FIELD_TRACEPARENT:
	case FIELD_TRACESTATE:
		return trace_is_ours(h->q->trace);
	case FIELD_VIA:
		return h->q->part->passes_through;
	case FIELD_X_FORWARDED_FOR:
	case FIELD_X_FORWARDED_PROTO:
	case FIELD_X_FORWARDED_HOST:
		return h->q->part->passes_through || h->q->vouched != FIELD_X_FORWARDED_FOR;
	case FIELD_FORWARDED:
		return h->q->part->passes_through || h->q->vouched != FIELD_FORWARDED;
	case FIELD_X_REAL_IP: /* a word about the client, too, which nobody may give itself */
		return h->q->vouched != FIELD_X_FORWARDED_FOR;
	default:
		return false;
	}
}

/* X_Forwarded_For, Content_Length and the like: nobody writes them so, but servers take them for
 * what we write, or have acted upon. No list of those that do harm could be whole; that of all the
 * names that we know is. */
static bool
is_forged(const struct field *f)
{
	return f->id == FIELD_OTHER && field_id_like(f->name) != FIELD_OTHER;
}

static bool
is_wanted_by_join(const struct head *h, const struct field *f)
{
	if (f->id == FIELD_TRACEPARENT || f->id == FIELD_X_REQUEST_ID)
		return true;
	for (size_t i = 0; i < h->part->forward.count; i++) {
		if (slice_eq_nocase(h->part->forward.at[i], f->name))
			return true;
	}
	return false;
}

/* RFC 9110 7.6.1: what belongs to the client's connection ends here. */
static bool
is_forwarded(const struct head *h, const struct field *f)
{
	if ((field_flags(f->id) & FIELD_HOP) || is_ours(h, f->id) || is_overridden(h, f->name))
		return false;
	if (is_named_by_connection(h, f->name) || is_forged(f))
		return false;
	return h->q->part->passes_through || is_wanted_by_join(h, f);
}

/* RFC 9110 7.6.2: one less with each that passes it on. */
static bool
put_max_forwards(struct head *h, const struct field *f)
{
	uint64_t left;

	if (f->id != FIELD_MAX_FORWARDS || !has_max_forwards(h->q) ||
	    slice_to_u64(f->value, &left) != 0 || left == 0)
		return false;
	writer_text(h->w, "Max-Forwards: ");
	writer_u64(h->w, left - 1);
	close_line(h);
	return true;
}

static void
put_client_fields(struct head *h)
{
	const struct fields *f = &h->q->request->fields;

	for (unsigned i = 0; i < f->count; i++) {
		if (is_forwarded(h, &f->at[i]) && !put_max_forwards(h, &f->at[i]))
			put_field(h, f->at[i].name, f->at[i].value);
	}
}

static void
put_condition(struct head *h)
{
	const struct fields *f = h->q->condition;

	for (unsigned i = 0; f && i < f->count; i++)
		put_field(h, f->at[i].name, f->at[i].value);
}

static void
put_request_id(struct head *h)
{
	if (h->q->request_id.len > 0 && !is_overridden(h, SLICE("X-Request-Id")) &&
	    !fields_find(&h->q->request->fields, FIELD_X_REQUEST_ID))
		put_field(h, SLICE("X-Request-Id"), h->q->request_id);
}

static void
put_family(struct head *h, const struct conf_family *family, int first)
{
	for (size_t i = 0; i < family->count; i++) {
		struct slice value = slice_trim(value_at(h->q, first + (int)i));

		if (value.len > 0)
			put_field(h, family->at[i].name, value);
	}
}

static void
put_own_fields(struct head *h)
{
	put_family(h, &h->part->headers, h->part->header_value);
	put_family(h, &h->part->set, h->part->set_value);
	put_family(h, &h->part->add, h->part->add_value);
}

int
upstream_request_write(struct writer *w, const struct subrequest *q,
		       const struct upstream_server *server, uint64_t now_ns)
{
	struct head h = head_of(q, w);

	put_request_line(&h);
	put_host(&h, server);
	put_connection(&h);
	put_framing(&h);
	put_client_fields(&h);
	put_condition(&h);
	put_trace(&h);
	put_request_id(&h);
	if (q->part->passes_through) {
		put_via(&h);
		put_forwarded(&h);
	}
	put_deadline(&h, now_ns);
	put_own_fields(&h);
	writer_text(w, "\r\n");
	if (h.err)
		return h.err;
	return w->is_full ? ERR_TOO_LARGE : 0;
}

/* --- behind the body --------------------------------------------------------------- */

/* A server may take trailers for fields of the head (RFC 9110 6.5): what must not stand there, and
 * a name that the part writes itself, is not in them either. */
static bool
is_forwarded_behind(const struct head *h, const struct field *f)
{
	return !is_forged(f) && !is_overridden(h, f->name) &&
	       !is_in_family(&h->part->add, f->name) && !is_named_by_connection(h, f->name);
}

void
upstream_request_write_trailers(const struct subrequest *q, struct writer *w)
{
	const struct fields *trailers = &q->request->trailers;
	struct head h = head_of(q, w);

	for (unsigned i = 0; i < trailers->count; i++) {
		if (is_forwarded_behind(&h, &trailers->at[i]))
			field_write_line(w, &trailers->at[i]);
	}
}

int
upstream_request_end(struct chunks *out, const struct subrequest *q)
{
	const struct fields *trailers = &q->request->trailers;
	struct block *b;
	struct writer w;
	int err;

	if (trailers->count == 0)
		return chunks_add_static(out, SLICE("0\r\n\r\n"));
	b = block_take(&q->env->store, trailers_bytes(trailers));
	if (!b)
		return ERR_MEMORY;
	w = writer_over(b->at, b->cap);
	upstream_request_write_trailers(q, &w);
	b->len = (uint32_t)w.len;
	err = chunks_add_static(out, SLICE("0\r\n"));
	if (!err && w.len > 0)
		err = chunks_add_block(out, b, writer_slice(&w));
	if (!err)
		err = chunks_add_static(out, SLICE("\r\n"));
	block_unref(b);
	return err;
}
