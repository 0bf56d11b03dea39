/*
 * The source `fixed`: a constant, or a text with values of the request and of
 * other parts in it. It answers at once. When nothing in it varies, its head
 * is made ready while the site is built, length included.
 *
 *   [route hello]
 *   source = fixed
 *   type = text/plain
 *   header.Cache-Control = max-age=60
 *   body = Hello.
 */
#include "base/assert.h"
#include "http/status.h"
#include "source/subrequest.h"

enum { NUMBER_BYTES = 24 };

struct fixed {
	/* keys */
	unsigned status;
	struct slice type, body;
	struct conf_family headers;
	/* of load_part: places in q->value[] */
	int body_value;
	int header_value; /* the first of headers.count in a row */
	/* of prepare_part */
	bool is_constant;
	struct response response; /* without the values of varying fields */
	struct slice prepared, constant;
};

static const struct conf_key part_keys[] = {
	{ "status", CONF_UINT, CONF_FIELD(struct fixed, status), .def = "200", .min = 200,
	  .max = 599, .help = "status of the answer" },
	{ "type", CONF_TEXT, CONF_FIELD(struct fixed, type), .def = "text/plain",
	  .help = "media type of the body" },
	{ "body", CONF_TEMPLATE, CONF_FIELD(struct fixed, body), .help = "the body" },
	{ "header.", CONF_FAMILY, CONF_FIELD(struct fixed, headers),
	  .help = "a header field of the answer, by its name" },
	CONF_KEYS_END
};

/* --- loading ------------------------------------------------------------------------ */

/* Fields that say where the body ends, or have a key of their own. */
static bool
is_taken(struct slice name)
{
	enum field_id id = field_id_of(name);

	return id == FIELD_CONTENT_LENGTH || id == FIELD_CONTENT_TYPE || id == FIELD_DATE ||
	       (id != FIELD_OTHER && (field_flags(id) & FIELD_HOP));
}

static void
check(const struct fixed *f, const struct part *p, struct conf_errors *e)
{
	if (!field_is_value(f->type))
		conf_error_at(e, p->section, "type", "%s cannot stand in a header field",
			      conf_quote(f->type).text);
	if (f->body.len > 0 && !status_has_body((int)f->status))
		conf_error_at(e, p->section, "body", "a response with status %u has no body",
			      f->status);
	for (size_t i = 0; i < f->headers.count; i++) {
		const struct conf_named *h = &f->headers.at[i];

		if (is_taken(h->name))
			conf_error_at(e, p->section, h->entry->key.at,
				      "this field is written by the server itself");
	}
}

static int
want_all(struct fixed *f, struct part *p)
{
	enum value_coding coding = VALUE_RAW;
	struct slice type = f->type;
	int err = 0;

	if (f->body.len > 0 &&
	    slice_eq_nocase(slice_trim(slice_cut(&type, ';')), SLICE("application/json")))
		coding = VALUE_JSON;
	f->body_value = part_want(p, f->body, coding, "body");
	if (f->body_value < 0)
		return f->body_value;
	f->header_value = (int)p->values;
	for (size_t i = 0; i < f->headers.count && err >= 0; i++)
		err = part_want(p, f->headers.at[i].value, VALUE_FIELD,
				f->headers.at[i].entry->key.at);
	return err < 0 ? err : 0;
}

static int
load_part(struct part *p, struct source_build *b)
{
	struct fixed *f = p->conf;
	int err;

	check(f, p, b->errors);
	err = want_all(f, p);
	if (err == ERR_TOO_MANY)
		conf_error_at(b->errors, p->section, NULL, "more than %d header fields",
			      PART_VALUES_MAX - 1);
	return err;
}

/* The fields of every answer; values that vary are filled in then. */
static int
make_fields(struct fixed *f, const struct part *p, struct source_build *b)
{
	struct fields *fields = &f->response.fields;
	unsigned cap = (unsigned)f->headers.count + 1;

	fields->at = arena_zalloc(b->arena, cap, sizeof(*fields->at));
	if (!fields->at)
		return ERR_MEMORY;
	fields->cap = cap;
	if (f->body.len > 0 && fields_add(fields, FIELD_CONTENT_TYPE, f->type) != 0)
		ASSERT(0);
	for (size_t i = 0; i < f->headers.count; i++) {
		if (fields_add_name(fields, f->headers.at[i].name,
				    p->value[f->header_value + (int)i].constant) != 0)
			ASSERT(0);
	}
	return 0;
}

/* The field lines as HTTP/1 sends them, framing included. */
static int
make_lines(struct fixed *f, struct source_build *b)
{
	const struct fields *fields = &f->response.fields;
	size_t cap = sizeof("Content-Length: \r\n") + NUMBER_BYTES;
	char digits[NUMBER_BYTES], *memory;
	struct writer number = writer_over(digits, sizeof(digits)), w;
	struct field length = { .name = field_name(FIELD_CONTENT_LENGTH),
				.id = FIELD_CONTENT_LENGTH };

	for (unsigned i = 0; i < fields->count; i++)
		cap += fields->at[i].name.len + fields->at[i].value.len + 4;
	memory = arena_alloc(b->arena, cap);
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, cap);
	for (unsigned i = 0; i < fields->count; i++)
		field_write_line(&w, &fields->at[i]);
	writer_u64(&number, f->response.content_length);
	length.value = writer_slice(&number);
	if (f->response.framing == BODY_LENGTH)
		field_write_line(&w, &length);
	ASSERT(!w.is_full);
	f->prepared = writer_slice(&w);
	return 0;
}

static int
prepare_part(struct part *p, struct source_build *b)
{
	struct fixed *f = p->conf;
	bool has_body = status_has_body((int)f->status);

	f->is_constant = true;
	for (unsigned i = 0; i < p->values; i++)
		f->is_constant &= p->value[i].is_constant;
	f->constant = p->value[f->body_value].constant;
	f->response.status = (int)f->status;
	f->response.framing = has_body ? BODY_LENGTH : BODY_NONE;
	f->response.content_length = f->constant.len;
	if (make_fields(f, p, b) != 0)
		return ERR_MEMORY;
	return f->is_constant ? make_lines(f, b) : 0;
}

/* --- answering ---------------------------------------------------------------------- */

static int
fill_fields(struct subrequest *q, const struct fixed *f)
{
	struct fields *fields = &q->response.fields;
	unsigned first = fields->count - (unsigned)f->headers.count;
	struct field *at = arena_alloc(q->arena, (fields->count + 1) * sizeof(*at));

	if (!at)
		return ERR_MEMORY;
	if (fields->count)
		memcpy(at, fields->at, fields->count * sizeof(*at));
	for (size_t i = 0; i < f->headers.count; i++)
		at[first + i].value = q->value[f->header_value + (int)i];
	fields->at = at;
	return 0;
}

static void
answer_varying(struct subrequest *q, const struct fixed *f)
{
	struct slice body = q->value[f->body_value];

	if (fill_fields(q, f) != 0) {
		subrequest_done(q, ERR_MEMORY);
		return;
	}
	q->response.content_length = body.len;
	subrequest_whole(q, body);
}

static int
answer(struct subrequest *q)
{
	const struct fixed *f = q->part->conf;

	q->response = f->response;
	if (!f->is_constant) {
		answer_varying(q, f);
		return 0;
	}
	q->prepared = f->prepared;
	subrequest_whole(q, f->constant);
	return 0;
}

static void
cancel(struct subrequest *q)
{
	(void)q;
}

const struct source_ops source_fixed = {
	.name = "fixed",
	.part_keys = part_keys,
	.part_size = sizeof(struct fixed),
	.load_part = load_part,
	.prepare_part = prepare_part,
	.answer = answer,
	.cancel = cancel,
};
