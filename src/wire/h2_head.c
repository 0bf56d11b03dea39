/*
 * Heads in HTTP/2's form; see h2_head.h.
 */
#include "wire/h2_head.h"

#include "base/err.h"
#include "http/byte.h"
#include "http/status.h"
#include "http/uri.h"

enum { FIRST_FIELDS = 16, FIELD_OVERHEAD = 32 };

static int
refuse(struct h2_head *h, int status, const char *reason)
{
	if (h->status == 0) {
		/* Whatever is wrong, towards the client it is the upstream's fault. */
		h->status = h->response ? 502 : status;
		h->reason = reason;
	}
	return ERR_PROTOCOL;
}

void
h2_head_begin(struct h2_head *h, struct request *request, struct arena *arena,
	      const struct h1_limits *limits)
{
	*h = (struct h2_head){
		.request = request,
		.fields = &request->fields,
		.arena = arena,
		.limits = limits,
	};
	*request = (struct request){ .version = HTTP_2, .keeps_alive = true };
}

void
h2_head_begin_response(struct h2_head *h, struct response *response, struct arena *arena,
		       const struct h1_limits *limits)
{
	*h = (struct h2_head){
		.response = response,
		.fields = &response->fields,
		.arena = arena,
		.limits = limits,
	};
	*response = (struct response){ .keeps_alive = true };
}

/* --- field by field ------------------------------------------------------------- */

static int
check_once(struct h2_head *h, enum field_id id)
{
	uint64_t bit = UINT64_C(1) << (id % 64);

	if (h->seen[id / 64] & bit)
		return refuse(h, 400, "a field twice that may come once");
	h->seen[id / 64] |= bit;
	return 0;
}

/* What only requests say. */
static int
take_wish(struct h2_head *h, enum field_id id, struct slice value)
{
	switch (id) {
	case FIELD_HOST:
		h->host = value;
		return 0;
	case FIELD_EXPECT:
		if (!slice_eq_lower(value, SLICE("100-continue")))
			return refuse(h, 417, "an expectation that is not known");
		h->request->expects_continue = true;
		return 0;
	case FIELD_TE: /* RFC 9113 8.2.2 */
		return slice_eq_nocase(value, SLICE("trailers"))
			   ? 0
			   : refuse(h, 400, "TE says more than trailers");
	default:
		return 0;
	}
}

/* What a field says to us, by its name. */
static int
take_meaning(struct h2_head *h, enum field_id id, struct slice value)
{
	switch (id) {
	case FIELD_CONTENT_LENGTH:
		if (slice_to_u64(value, &h->length) < 0 || h->length > INT64_MAX)
			return refuse(h, 400, "Content-Length is not a number");
		h->has_length = true;
		return 0;
	case FIELD_CONNECTION:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_UPGRADE:
		return refuse(h, 400, "a field of one connection");
	default:
		return h->request ? take_wish(h, id, value) : 0;
	}
}

/* Lists in responses are no danger to us (RFC 9110 5.3), but for a second length. */
static bool
may_come_once(const struct h2_head *h, enum field_id id)
{
	return h->request ? field_flags(id) & FIELD_ONCE : id == FIELD_CONTENT_LENGTH;
}

static int
add_field(struct h2_head *h, struct slice name, struct slice value)
{
	enum field_id id = field_id_of(name);
	struct fields *f = h->fields;
	int err = 0;

	if (id == FIELD_OTHER && !field_is_token(name))
		return refuse(h, 400, "a field name is malformed");
	if (!field_is_value(value))
		return refuse(h, 400, "a byte that may not stand in a field value");
	h->cookies += id == FIELD_COOKIE;
	if (f->count - h->cookies >= h->limits->max_fields && id != FIELD_COOKIE)
		return refuse(h, 431, "too many fields");
	if (may_come_once(h, id))
		err = check_once(h, id);
	if (!err)
		err = fields_make_room(f, h->arena, FIRST_FIELDS);
	if (err)
		return err;
	value = arena_copy(h->arena, value);
	if (id == FIELD_OTHER)
		name = arena_copy(h->arena, name);
	if (!value.at || !name.at)
		return ERR_MEMORY;
	f->at[f->count++] = (struct field){ .name = id == FIELD_OTHER ? name : field_name(id),
					    .value = value,
					    .id = id };
	return take_meaning(h, id, value);
}

static int
keep(struct h2_head *h, struct slice *to, struct slice value)
{
	*to = arena_copy(h->arena, value);
	return to->at ? 0 : ERR_MEMORY;
}

static int
add_pseudo(struct h2_head *h, struct slice name, struct slice value)
{
	struct request *r = h->request;

	if (slice_eq(name, SLICE(":method")))
		return keep(h, &r->method_name, value);
	if (slice_eq(name, SLICE(":scheme")))
		return keep(h, &h->scheme, value);
	if (slice_eq(name, SLICE(":authority"))) {
		h->has_authority = true;
		return keep(h, &h->authority, value);
	}
	if (!slice_eq(name, SLICE(":path")))
		return refuse(h, 400, "a pseudo-field that is not known");
	if (value.len > h->limits->max_target)
		return refuse(h, 414, "the target is too long");
	return keep(h, &r->target, value);
}

/* RFC 9113 8.3.2. */
static int
add_status(struct h2_head *h, struct slice name, struct slice value)
{
	uint64_t status;

	if (!slice_eq(name, SLICE(":status")))
		return refuse(h, 400, "a pseudo-field that is not known");
	if (value.len != 3 || slice_to_u64(value, &status) < 0 || status < 100 || status > 599)
		return refuse(h, 400, "a status outside 100 to 599");
	h->response->status = (int)status;
	return 0;
}

int
h2_head_add(struct h2_head *h, struct slice name, struct slice value)
{
	int err;

	h->bytes += name.len + value.len + FIELD_OVERHEAD;
	if (h->bytes > h->limits->max_head_bytes)
		refuse(h, 431, "the head is too large");
	if (h->status)
		return 0;
	if (name.len == 0 || name.at[0] != ':')
		err = add_field(h, name, value);
	else if (h->response)
		err = add_status(h, name, value);
	else
		err = add_pseudo(h, name, value);
	return err == ERR_PROTOCOL ? 0 : err;
}

/* --- the whole -------------------------------------------------------------------- */

static size_t
run(struct slice s, enum byte_class wanted)
{
	size_t n = 0;

	while (n < s.len && byte_is(s.at[n], wanted))
		n++;
	return n;
}

/* RFC 9113 8.3.1: origin-form, or the asterisk of OPTIONS. */
static int
split_target(struct h2_head *h)
{
	struct request *r = h->request;
	size_t path = run(r->target, BYTE_PATH);
	struct slice rest = slice_after(r->target, path);

	r->raw_path = slice_make(r->target.at, path);
	r->query = SLICE("");
	r->has_query = rest.len > 0 && rest.at[0] == '?';
	if (r->has_query)
		r->query = slice_after(rest, 1);
	if ((rest.len > 0 && !r->has_query) || run(r->query, BYTE_QUERY) < r->query.len)
		return refuse(h, 400, "the target is malformed");
	if (r->method == METHOD_OPTIONS && slice_eq(r->target, SLICE("*")))
		return 0;
	if (path == 0 || r->raw_path.at[0] != '/')
		return refuse(h, 400, "the target is in none of its forms");
	return 0;
}

static int
decode_path(struct h2_head *h)
{
	struct request *r = h->request;
	char *memory;

	if (slice_eq(r->raw_path, SLICE("*"))) {
		r->path = r->raw_path;
		return 0;
	}
	memory = arena_alloc(h->arena, r->raw_path.len);
	if (!memory)
		return refuse(h, 503, "no memory");
	if (uri_path_decode(r->raw_path, memory, &r->path) != 0)
		return refuse(h, 400, "the path is malformed");
	return 0;
}

/* RFC 9113 8.3.1: Host may stand beside :authority if it says the same. */
static int
take_authority(struct h2_head *h)
{
	struct fields *f = &h->request->fields;
	bool has_host = fields_find(f, FIELD_HOST) != NULL;

	if (!h->has_authority && !has_host)
		return refuse(h, 400, "neither :authority nor Host");
	if (h->has_authority && has_host && !slice_eq_nocase(h->authority, h->host))
		return refuse(h, 400, "Host is not what :authority says");
	h->request->authority = h->has_authority ? h->authority : h->host;
	if (!uri_is_authority(h->request->authority) || uri_host(h->request->authority).len == 0)
		return refuse(h, 400, "the authority is malformed");
	if (has_host)
		return 0;
	if (fields_make_room(f, h->arena, FIRST_FIELDS) != 0 ||
	    fields_add(f, FIELD_HOST, h->authority) != 0)
		return refuse(h, 503, "no memory");
	return 0;
}

/* Cookie lines are one field, and HTTP/1 has it as one. */
static int
join_cookies(struct h2_head *h)
{
	struct fields *f = &h->request->fields;
	unsigned kept = 0;
	struct field *first = NULL;
	struct writer w;
	char *memory;

	if (h->cookies < 2)
		return 0;
	memory = arena_alloc(h->arena, h->bytes);
	if (!memory)
		return refuse(h, 503, "no memory");
	w = writer_over(memory, h->bytes);
	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id != FIELD_COOKIE || !first)
			f->at[kept++] = f->at[i];
		if (f->at[i].id != FIELD_COOKIE)
			continue;
		if (first)
			writer_put(&w, SLICE("; "));
		else
			first = &f->at[kept - 1];
		writer_put(&w, f->at[i].value);
	}
	first->value = writer_slice(&w);
	f->count = kept;
	return 0;
}

static int
check_method(struct h2_head *h)
{
	struct request *r = h->request;

	if (!field_is_token(r->method_name))
		return refuse(h, 400, "the method is malformed");
	r->method = method_of(r->method_name);
	if (r->method == METHOD_CONNECT)
		return refuse(h, 501, "CONNECT");
	if (!slice_eq_nocase(h->scheme, SLICE("http")) &&
	    !slice_eq_nocase(h->scheme, SLICE("https")))
		return refuse(h, 400, "a scheme that is not spoken here");
	return 0;
}

static void
frame(struct h2_head *h, bool has_body)
{
	struct request *r = h->request;

	r->content_length = h->length;
	r->framing = h->has_length ? BODY_LENGTH : has_body ? BODY_CHUNKED : BODY_NONE;
	/* RFC 9110 10.1.1: no 100 for a request that has no content. */
	if (!has_body)
		r->expects_continue = false;
}

int
h2_head_end(struct h2_head *h, bool has_body)
{
	int err = h->status ? ERR_PROTOCOL : check_method(h);

	if (!err)
		err = split_target(h);
	if (!err)
		err = take_authority(h);
	if (!err)
		err = join_cookies(h);
	if (!err)
		err = decode_path(h);
	if (!err)
		frame(h, has_body);
	return err;
}

/* --- responses -------------------------------------------------------------------- */

int
h2_head_end_response(struct h2_head *h, enum method method, bool has_body)
{
	struct response *r = h->response;

	if (h->status == 0 && r->status == 0)
		refuse(h, 502, "no :status");
	if (r->status == 101)
		refuse(h, 502, "101, which HTTP/2 does not have");
	if ((r->status < 200 || r->status == 204) && h->has_length && h->length)
		refuse(h, 502, "a body where there can be none");
	if (h->status)
		return ERR_PROTOCOL;
	r->content_length = h->length;
	if (method == METHOD_HEAD || !status_has_body(r->status))
		r->framing = BODY_NONE;
	else if (h->has_length || !has_body)
		r->framing = BODY_LENGTH;
	else
		r->framing = BODY_CHUNKED;
	return 0;
}
