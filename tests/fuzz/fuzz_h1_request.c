/*
 * Request heads (wire/h1_head.h): what is taken holds to the grammar, and a
 * head in pieces meets the verdict that it meets whole.
 */
#include "base/err.h"
#include "fuzz.h"
#include "http/byte.h"
#include "http/uri.h"
#include "wire/h1_head.h"

enum { MAX_FIELDS = 32, MAX_HEAD = 4096, SPLITS = 16 };

static const struct h1_limits limits = {
	.max_head_bytes = MAX_HEAD,
	.max_fields = MAX_FIELDS,
	.max_target = 1024,
};

struct outcome {
	struct request request;
	struct field at[MAX_FIELDS];
	struct h1_parse parse;
	int result;
};

static void
parse(struct slice in, struct outcome *o)
{
	o->request = (struct request){ .fields = { .at = o->at, .cap = MAX_FIELDS } };
	o->result = h1_request_parse(&o->request, in, &limits, &o->parse);
}

static void
check_inside(struct slice part, struct slice whole)
{
	FUZZ_CHECK(part.len == 0 ||
		   (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

static void
check_path(struct slice raw)
{
	char memory[MAX_HEAD], again[MAX_HEAD];
	struct slice path, same;

	if (raw.at[0] != '/' || uri_path_decode(raw, memory, &path) != 0)
		return;
	FUZZ_CHECK(path.len > 0 && path.at[0] == '/' && path.len <= raw.len);
	FUZZ_CHECK(slice_find(path, 0) == path.len);
	FUZZ_CHECK(uri_path_decode(path, again, &same) == 0 && slice_eq(path, same));
}

static void
check_taken(struct slice in, const struct outcome *o)
{
	const struct request *r = &o->request;
	unsigned hosts = 0, lengths = 0, codings = 0;

	FUZZ_CHECK(o->parse.bytes >= 16 && o->parse.bytes <= in.len && o->parse.bytes <= MAX_HEAD);
	FUZZ_CHECK(memcmp(in.at + o->parse.bytes - 4, "\r\n\r\n", 4) == 0);
	check_inside(r->target, in);
	FUZZ_CHECK(field_is_token(r->method_name) && r->method != METHOD_CONNECT);
	FUZZ_CHECK(r->version == HTTP_1_0 || r->version == HTTP_1_1);
	FUZZ_CHECK(r->target.len > 0 && r->target.len <= limits.max_target);
	for (size_t i = 0; i < r->target.len; i++)
		FUZZ_CHECK(byte_is(r->target.at[i], BYTE_QUERY));
	FUZZ_CHECK(uri_is_authority(r->authority));
	FUZZ_CHECK(r->raw_path.len > 0 && slice_find(r->raw_path, '?') == r->raw_path.len);
	check_path(r->raw_path);
	for (unsigned i = 0; i < r->fields.count; i++) {
		const struct field *f = &r->fields.at[i];

		check_inside(f->name, in);
		check_inside(f->value, in);
		FUZZ_CHECK(field_is_token(f->name) && field_is_value(f->value));
		FUZZ_CHECK(f->id == field_id_of(f->name));
		FUZZ_CHECK(slice_eq(slice_trim(f->value), f->value));
		hosts += f->id == FIELD_HOST;
		lengths += f->id == FIELD_CONTENT_LENGTH;
		codings += f->id == FIELD_TRANSFER_ENCODING;
	}
	FUZZ_CHECK(hosts <= 1 && lengths + codings <= 1);
	FUZZ_CHECK(hosts == 1 || r->version == HTTP_1_0);
	FUZZ_CHECK((r->framing == BODY_LENGTH) == (lengths == 1));
	FUZZ_CHECK((r->framing == BODY_CHUNKED) == (codings == 1));
}

static bool
has_same_reason(const struct outcome *a, const struct outcome *b)
{
	return slice_eq(slice_of(a->parse.reason), slice_of(b->parse.reason));
}

static void
check_piece(struct slice in, size_t len, const struct outcome *whole)
{
	struct outcome part;

	parse(slice_make(in.at, len), &part);
	if (part.result == H1_MORE)
		return;
	FUZZ_CHECK(part.result == whole->result && part.parse.status == whole->parse.status);
	FUZZ_CHECK(has_same_reason(&part, whole));
	FUZZ_CHECK(part.result != H1_DONE || part.parse.bytes == whole->parse.bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice in = slice_make((const char *)bytes, len);
	struct outcome o;

	parse(in, &o);
	if (o.result == H1_DONE)
		check_taken(in, &o);
	else if (o.result == H1_MORE)
		FUZZ_CHECK(len < MAX_HEAD);
	else
		FUZZ_CHECK(o.result == ERR_PROTOCOL && o.parse.status >= 400 && o.parse.reason);
	for (size_t i = 0; i < SPLITS && i < len; i++)
		check_piece(in, len * i / SPLITS + i % 2, &o);
	return 0;
}
