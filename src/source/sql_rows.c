/*
 * Rows as JSON; see sql_rows.h.
 */
#include "source/sql_rows.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES = 32, DIGITS_SURE = 15, DIGITS_ALL = 17 };

/* Around it are the array of rows, the row, and the response. */
enum { DEPTH = JSON_DEPTH_MAX - 3 };

void
sql_rows_begin(struct sql_rows *r, enum sql_shape shape, struct buffer *out)
{
	*r = (struct sql_rows){ .shape = shape, .out = out };
	if (shape == SQL_ARRAY)
		buffer_char(out, '[');
}

void
sql_rows_splice(struct sql_rows *r, const struct slice *names, unsigned count)
{
	r->json = names;
	r->jsons = count;
}

unsigned
sql_rows_row(struct sql_rows *r, unsigned columns)
{
	bool is_first = r->count++ == 0;

	r->columns = 0;
	switch (r->shape) {
	case SQL_ARRAY:
		buffer_text(r->out, is_first ? "{" : ",{");
		return columns;
	case SQL_OBJECT:
		if (is_first)
			buffer_char(r->out, '{');
		return is_first ? columns : 0;
	case SQL_VALUE:
		return is_first && columns > 0 ? 1 : 0;
	case SQL_COUNT:
	default:
		return 0;
	}
}

void
sql_rows_row_end(struct sql_rows *r)
{
	if (r->shape == SQL_ARRAY || (r->shape == SQL_OBJECT && r->count == 1))
		buffer_char(r->out, '}');
}

bool
sql_rows_is_satisfied(const struct sql_rows *r)
{
	return (r->shape == SQL_OBJECT || r->shape == SQL_VALUE) && r->count > 0;
}

static void
put_i64(struct sql_rows *r, int64_t value)
{
	char text[NUMBER_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	writer_i64(&w, value);
	buffer_put(r->out, writer_slice(&w));
}

void
sql_rows_end(struct sql_rows *r, bool has_columns, uint64_t changed)
{
	uint64_t count = has_columns ? r->count : changed;

	if (r->shape == SQL_ARRAY)
		buffer_char(r->out, ']');
	else if (r->shape == SQL_COUNT)
		put_i64(r, (int64_t)count);
	else if (r->count == 0)
		buffer_text(r->out, "null");
}

static const struct slice *
find_json(const struct sql_rows *r, struct slice name)
{
	for (unsigned i = 0; i < r->jsons; i++) {
		if (slice_eq(r->json[i], name))
			return &r->json[i];
	}
	return NULL;
}

/* Text that is JSON, where it was said to be. */
static void
splice(struct sql_rows *r, struct slice json)
{
	if (json_validate(json, DEPTH, NULL) == 0) {
		buffer_put(r->out, json);
	} else if (!r->out->err) {
		r->out->err = ERR_SYNTAX;
		r->bad = r->spliced;
	}
}

void
sql_rows_name(struct sql_rows *r, struct slice name)
{
	r->spliced = find_json(r, name);
	if (r->shape == SQL_VALUE)
		return;
	if (r->columns++ > 0)
		buffer_char(r->out, ',');
	buffer_json_string(r->out, name);
	buffer_char(r->out, ':');
}

void
sql_rows_null(struct sql_rows *r)
{
	buffer_text(r->out, "null");
}

void
sql_rows_i64(struct sql_rows *r, int64_t value)
{
	put_i64(r, value);
}

/* 15 digits always survive a round trip of decimal text, 17 always that of a double. */
static void
write_shortest(char text[NUMBER_BYTES], double value)
{
	for (int digits = DIGITS_SURE; digits <= DIGITS_ALL; digits++) {
		snprintf(text, NUMBER_BYTES, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			return;
	}
}

void
sql_rows_real(struct sql_rows *r, double value)
{
	char text[NUMBER_BYTES];

	if (!isfinite(value)) {
		sql_rows_null(r);
		return;
	}
	write_shortest(text, value);
	buffer_text(r->out, text);
	/* 5.0 stays a real number for readers that tell the two apart. */
	if (!strpbrk(text, ".e"))
		buffer_text(r->out, ".0");
}

void
sql_rows_text(struct sql_rows *r, struct slice text)
{
	if (r->spliced)
		splice(r, text);
	else
		buffer_json_string(r->out, text);
}

void
sql_rows_bytes(struct sql_rows *r, struct slice bytes)
{
	if (r->spliced) {
		splice(r, bytes);
		return;
	}
	buffer_char(r->out, '"');
	buffer_base64(r->out, bytes);
	buffer_char(r->out, '"');
}

void
sql_rows_json(struct sql_rows *r, struct slice json)
{
	buffer_put(r->out, json);
}
