/*
 * Response heads (wire/h1_head.h): what is taken has one framing, and a head
 * in pieces meets the verdict that it meets whole.
 */
#include "base/err.h"
#include "fuzz.h"
#include "http/status.h"
#include "wire/h1_head.h"

enum { MAX_FIELDS = 32, MAX_HEAD = 4096, SPLITS = 16 };

static const struct h1_limits limits = { .max_head_bytes = MAX_HEAD, .max_fields = MAX_FIELDS };

struct outcome {
	struct response response;
	struct field at[MAX_FIELDS];
	struct h1_parse parse;
	int result;
};

static void
parse(struct slice in, enum method method, struct outcome *o)
{
	o->response = (struct response){ .fields = { .at = o->at, .cap = MAX_FIELDS } };
	o->result = h1_response_parse(&o->response, method, in, &limits, &o->parse);
}

static void
check_framing(const struct response *r, enum method method, unsigned lengths, unsigned codings)
{
	bool has_body = method != METHOD_HEAD && status_has_body(r->status);

	FUZZ_CHECK(lengths + codings <= 1);
	FUZZ_CHECK((r->framing == BODY_NONE) == !has_body);
	FUZZ_CHECK((r->framing == BODY_LENGTH) == (has_body && lengths == 1));
	FUZZ_CHECK((r->framing == BODY_CHUNKED) == (has_body && codings == 1));
	FUZZ_CHECK(r->framing != BODY_UNTIL_CLOSE || !r->keeps_alive);
}

static void
check_taken(struct slice in, enum method method, const struct outcome *o)
{
	const struct response *r = &o->response;
	unsigned lengths = 0, codings = 0;

	FUZZ_CHECK(o->parse.bytes <= in.len && o->parse.bytes <= MAX_HEAD);
	FUZZ_CHECK(memcmp(in.at + o->parse.bytes - 4, "\r\n\r\n", 4) == 0);
	FUZZ_CHECK(r->status >= 100 && r->status <= 599);
	for (unsigned i = 0; i < r->fields.count; i++) {
		const struct field *f = &r->fields.at[i];

		FUZZ_CHECK(field_is_token(f->name) && field_is_value(f->value));
		FUZZ_CHECK(f->id == field_id_of(f->name));
		lengths += f->id == FIELD_CONTENT_LENGTH;
		codings += f->id == FIELD_TRANSFER_ENCODING;
	}
	check_framing(r, method, lengths, codings);
}

static bool
has_same_reason(const struct outcome *a, const struct outcome *b)
{
	return slice_eq(slice_of(a->parse.reason), slice_of(b->parse.reason));
}

static void
check_piece(struct slice in, size_t len, enum method method, const struct outcome *whole)
{
	struct outcome part;

	parse(slice_make(in.at, len), method, &part);
	if (part.result == H1_MORE)
		return;
	FUZZ_CHECK(part.result == whole->result && has_same_reason(&part, whole));
	FUZZ_CHECK(part.result != H1_DONE || part.parse.bytes == whole->parse.bytes);
}

static void
try_method(struct slice in, enum method method)
{
	struct outcome o;

	parse(in, method, &o);
	if (o.result == H1_DONE)
		check_taken(in, method, &o);
	else if (o.result == H1_MORE)
		FUZZ_CHECK(in.len < MAX_HEAD);
	else
		FUZZ_CHECK(o.result == ERR_PROTOCOL && o.parse.reason);
	for (size_t i = 0; i < SPLITS && i < in.len; i++)
		check_piece(in, in.len * i / SPLITS + i % 2, method, &o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice in = slice_make((const char *)bytes, len);

	try_method(in, METHOD_GET);
	try_method(in, METHOD_HEAD);
	return 0;
}
