/*
 * What is answered about a file; see file_reply.h.
 */
#include "source/file_reply.h"

#include "http/conditional.h"
#include "http/range.h"

enum {
	RANGE_TEXT_BYTES = 80, /* "bytes FROM-LAST/SIZE" */
	BOUNDARY_BYTES = 16, /* hexadecimal digits */
	MULTIPART_TYPE_BYTES = 64,
	PART_BYTES = 160, /* a part's lines without the type */
};

/* --- fields ---------------------------------------------------------------------- */

static int
start_fields(struct subrequest *q)
{
	struct fields *f = &q->response.fields;

	*f = (struct fields){ .at = arena_alloc(q->arena, (FILE_FIELDS_MAX + 1) * sizeof(*f->at)),
			      .cap = FILE_FIELDS_MAX + 1 };
	return f->at ? 0 : ERR_MEMORY;
}

/* The entry's fields, but for those of a set (1 << enum below). */
enum { LEAVE_TYPE = 1, LEAVE_REPRESENTATION = 2 };

static bool
is_left_out(enum field_id id, unsigned leave)
{
	switch (id) {
	case FIELD_CONTENT_TYPE:
		return leave != 0;
	case FIELD_CONTENT_ENCODING:
	case FIELD_LAST_MODIFIED:
	case FIELD_ACCEPT_RANGES:
		return leave & LEAVE_REPRESENTATION;
	default:
		return false;
	}
}

static int
copy_fields(struct subrequest *q, const struct file_entry *e, unsigned leave)
{
	int err = start_fields(q);

	for (unsigned i = 0; i < e->head.fields && !err; i++) {
		const struct field *f = &e->head.field[i];

		if (!is_left_out(f->id, leave))
			q->response.fields.at[q->response.fields.count++] = *f;
	}
	return err;
}

/* "bytes 0-1/2", or "bytes " and "*" for what is not satisfied (RFC 9110 14.4). */
static void
write_range(struct writer *w, const struct range *r, uint64_t size)
{
	writer_put(w, SLICE("bytes "));
	if (r) {
		writer_u64(w, r->from);
		writer_char(w, '-');
		writer_u64(w, r->end - 1);
	} else {
		writer_char(w, '*');
	}
	writer_char(w, '/');
	writer_u64(w, size);
}

static int
add_content_range(struct subrequest *q, const struct range *r, uint64_t size)
{
	char *memory = arena_alloc(q->arena, RANGE_TEXT_BYTES);
	struct writer w = writer_over(memory, memory ? RANGE_TEXT_BYTES : 0);

	write_range(&w, r, size);
	if (w.is_full)
		return ERR_MEMORY;
	return fields_add(&q->response.fields, FIELD_CONTENT_RANGE, writer_slice(&w));
}

/* --- several ranges -------------------------------------------------------------- */

struct multipart {
	char boundary[BOUNDARY_BYTES];
	struct slice type; /* of the parts */
	uint64_t size, bytes; /* of the file; of the body so far */
	struct file_span *span;
	unsigned spans;
	struct writer text;
};

static void
add_span(struct multipart *m, size_t text_from, const struct range *r)
{
	struct file_span s = {
		.text = slice_make(m->text.at + text_from, m->text.len - text_from),
		.from = r ? r->from : 0,
		.end = r ? r->end : 0,
	};

	m->bytes += s.text.len + (s.end - s.from);
	m->span[m->spans++] = s;
}

/* RFC 9110 14.6 */
static void
add_part(struct multipart *m, const struct range *r)
{
	struct writer *w = &m->text;
	size_t from = w->len;

	writer_put(w, m->spans ? SLICE("\r\n--") : SLICE("--"));
	writer_put(w, slice_make(m->boundary, BOUNDARY_BYTES));
	writer_put(w, SLICE("\r\nContent-Type: "));
	writer_put(w, m->type);
	writer_put(w, SLICE("\r\nContent-Range: "));
	write_range(w, r, m->size);
	writer_put(w, SLICE("\r\n\r\n"));
	add_span(m, from, r);
}

static void
add_close(struct multipart *m)
{
	size_t from = m->text.len;

	writer_put(&m->text, SLICE("\r\n--"));
	writer_put(&m->text, slice_make(m->boundary, BOUNDARY_BYTES));
	writer_put(&m->text, SLICE("--\r\n"));
	add_span(m, from, NULL);
}

static void
make_boundary(char *boundary, uint64_t number)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < BOUNDARY_BYTES; i++, number >>= 4)
		boundary[i] = digits[number & 15];
}

static struct slice
multipart_type(struct arena *a, const char *boundary)
{
	char *memory = arena_alloc(a, MULTIPART_TYPE_BYTES);
	struct writer w = writer_over(memory, memory ? MULTIPART_TYPE_BYTES : 0);

	writer_put(&w, SLICE("multipart/byteranges; boundary="));
	writer_put(&w, slice_make(boundary, BOUNDARY_BYTES));
	return writer_slice(&w);
}

static int
answer_ranges(struct file_reply *reply, struct subrequest *q, const struct file_entry *e,
	      const struct ranges *ranges)
{
	size_t room = (ranges->count + 1) * (PART_BYTES + e->head.field[0].value.len);
	struct multipart m = { .type = e->head.field[0].value, .size = e->facts.size };
	char *memory = arena_alloc(q->arena, room);
	struct slice type;

	make_boundary(m.boundary, random_next(&q->env->random));
	type = multipart_type(q->arena, m.boundary);
	m.span = arena_zalloc(q->arena, ranges->count + 1, sizeof(*m.span));
	if (!memory || !m.span || type.len == 0 || copy_fields(q, e, LEAVE_TYPE) != 0)
		return ERR_MEMORY;
	m.text = writer_over(memory, room);
	for (unsigned i = 0; i < ranges->count; i++)
		add_part(&m, &ranges->at[i]);
	add_close(&m);
	if (m.text.is_full || fields_add(&q->response.fields, FIELD_CONTENT_TYPE, type) != 0)
		return ERR_MEMORY;
	q->response.status = 206;
	q->response.content_length = m.bytes;
	reply->span = m.span;
	reply->spans = m.spans;
	return 0;
}

/* --- answers --------------------------------------------------------------------- */

static void
set_only(struct file_reply *reply, uint64_t from, uint64_t end)
{
	reply->only = (struct file_span){ .from = from, .end = end };
	reply->span = &reply->only;
	reply->spans = from < end;
}

static int
answer_whole(struct file_reply *reply, struct subrequest *q, const struct file_entry *e)
{
	q->response.status = 200;
	q->response.framing = BODY_LENGTH;
	q->response.content_length = e->facts.size;
	/* Who adds one takes memory of its own: these are full. */
	q->response.fields = (struct fields){ .at = (struct field *)(uintptr_t)e->head.field,
					      .count = e->head.fields,
					      .cap = e->head.fields };
	q->prepared = e->head.prepared;
	set_only(reply, 0, e->facts.size);
	return 0;
}

static int
answer_range(struct file_reply *reply, struct subrequest *q, const struct file_entry *e,
	     const struct range *r)
{
	if (copy_fields(q, e, 0) != 0)
		return ERR_MEMORY;
	q->response.status = 206;
	q->response.content_length = r->end - r->from;
	set_only(reply, r->from, r->end);
	return add_content_range(q, r, e->facts.size);
}

/* RFC 9110 15.4.5: what a cache needs, and no more. */
static int
answer_not_modified(struct subrequest *q, const struct file_entry *e)
{
	q->response.status = 304;
	q->response.framing = BODY_NONE;
	return copy_fields(q, e, LEAVE_REPRESENTATION);
}

static int
answer_refusal(struct file_reply *reply, struct subrequest *q, int status, uint64_t size)
{
	int err = start_fields(q);

	q->response.status = status;
	reply->is_refusal = true;
	if (!err && status == 416)
		err = add_content_range(q, NULL, size);
	return err ? err : fields_add(&q->response.fields, FIELD_CONTENT_TYPE, SLICE("text/plain"));
}

/* RFC 9110 14.2: ranges are defined for GET alone. */
static int
answer_passed(struct file_reply *reply, struct subrequest *q, const struct file_entry *e,
	      const struct validators *v)
{
	const struct field *f = fields_find(&q->request->fields, FIELD_RANGE);
	struct ranges ranges;

	if (!f || q->request->method != METHOD_GET || !condition_range_counts(q->request, v))
		return answer_whole(reply, q, e);
	switch (range_read(f->value, e->facts.size, &ranges)) {
	case RANGE_NONE:
		return answer_refusal(reply, q, 416, e->facts.size);
	case RANGE_SOME:
		q->response.framing = BODY_LENGTH;
		return ranges.count == 1 ? answer_range(reply, q, e, &ranges.at[0])
					 : answer_ranges(reply, q, e, &ranges);
	case RANGE_WHOLE:
		break;
	}
	return answer_whole(reply, q, e);
}

int
file_reply_make(struct file_reply *reply, struct subrequest *q, const struct file_entry *e)
{
	struct validators v = { .etag = e->head.etag,
				.modified_s = e->facts.modified_s,
				.has_modified = true,
				.is_modified_strong = e->is_settled };

	*reply = (struct file_reply){ .spans = 0 };
	if (!q->part->passes_through || !condition_is_asked(q->request))
		return answer_whole(reply, q, e);
	switch (condition_check(q->request, &v)) {
	case CONDITION_NOT_MODIFIED:
		return answer_not_modified(q, e);
	case CONDITION_FAILED:
		return answer_refusal(reply, q, 412, e->facts.size);
	case CONDITION_PASSED:
		break;
	}
	return answer_passed(reply, q, e, &v);
}
