/*
 * Rows of a database as JSON, typed, written as they come: integers and reals
 * as numbers, text as strings, bytes as base64, null; JSON as it stands. For every SQL driver, on
 * its pool thread. The driver tells rows and columns in order; here is decided
 * which of them are written.
 *
 *   rows = array    [{"id":1,"total":9.5},...]
 *   rows = object   {"id":1,...} of the first row, or null
 *   rows = value    the first column of the first row, or null
 *   rows = count    how many rows there were; without columns, how many were changed
 *
 *   sql_rows_begin
 *     while there is a row:  if sql_rows_row: for each column: sql_rows_name, sql_rows_i64 ...
 *   sql_rows_end
 */
#ifndef FOREBAY_SOURCE_SQL_ROWS_H
#define FOREBAY_SOURCE_SQL_ROWS_H

#include "base/buffer.h"

enum sql_shape { SQL_ARRAY, SQL_OBJECT, SQL_VALUE, SQL_COUNT };

struct sql_rows {
	enum sql_shape shape;
	struct buffer *out; /* borrowed; whoever reads rows stops when it is in error */
	uint64_t count; /* of rows so far */
	unsigned columns; /* written of this row */
	/* Columns whose text is JSON already, to be taken as it stands; NULL: none. Borrowed. */
	const struct slice *json;
	unsigned jsons;
	const struct slice *spliced; /* which of them the next column is; NULL: none */
	const struct slice *bad; /* which of them was no JSON: out->err is ERR_SYNTAX then */
};

void sql_rows_begin(struct sql_rows *r, enum sql_shape shape, struct buffer *out);
/* After begin: text and bytes of columns of these names are JSON, and become part of the result
 * as they stand. What is none fails the whole. */
void sql_rows_splice(struct sql_rows *r, const struct slice *names, unsigned count);
/* One more row. How many of its columns are wanted, at most `columns`. */
unsigned sql_rows_row(struct sql_rows *r, unsigned columns);
/* Whether further rows would change nothing. */
bool sql_rows_is_satisfied(const struct sql_rows *r);
/* `changed`: rows that a statement without columns changed. */
void sql_rows_end(struct sql_rows *r, bool has_columns, uint64_t changed);

/* For each wanted column: its name, then one value. */
void sql_rows_name(struct sql_rows *r, struct slice name);
void sql_rows_null(struct sql_rows *r);
void sql_rows_i64(struct sql_rows *r, int64_t value);
/* The shortest decimal that reads back as the same number; infinities are null. */
void sql_rows_real(struct sql_rows *r, double value);
void sql_rows_text(struct sql_rows *r, struct slice text);
void sql_rows_bytes(struct sql_rows *r, struct slice bytes);
/* What is JSON already, as it is. */
void sql_rows_json(struct sql_rows *r, struct slice json);
/* After the last wanted column. */
void sql_rows_row_end(struct sql_rows *r);

#endif
