/*
 * What libpq hands over, as ours: rows by the types of their columns, and
 * errors by their SQLSTATE. Values come as text, and numbers stay as they are
 * written: no digit of a numeric is lost on the way.
 */
#include "source/sql_postgres_priv.h"

#include <libpq-fe.h>
#include <stdlib.h>

/* Of the server's catalog pg_type; they never change. */
enum {
	TYPE_BOOL = 16,
	TYPE_BYTEA = 17,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_OID = 26,
	TYPE_JSON = 114,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_NUMERIC = 1700,
	TYPE_JSONB = 3802,
};

/* --- rows ------------------------------------------------------------------------ */

/* Infinities and NaN are no numbers of JSON. */
static void
put_number(struct sql_rows *rows, struct slice text)
{
	char first = text.len > 0 ? text.at[text.at[0] == '-' && text.len > 1] : '\0';

	if (ascii_is_digit(first))
		sql_rows_json(rows, text);
	else
		sql_rows_null(rows);
}

/* \x and two digits a byte, which set_up asked for. */
static void
put_bytes(struct sql_rows *rows, struct slice text)
{
	struct slice digits = slice_after(text, 2);
	char piece[384]; /* base64 goes on behind a multiple of three */
	size_t len = 0;

	buffer_char(rows->out, '"');
	for (size_t i = 0; i + 1 < digits.len && !rows->out->err; i += 2) {
		piece[len++] = (char)(ascii_hex(digits.at[i]) * 16 + ascii_hex(digits.at[i + 1]));
		if (len == sizeof(piece)) {
			buffer_base64(rows->out, slice_make(piece, len));
			len = 0;
		}
	}
	buffer_base64(rows->out, slice_make(piece, len));
	buffer_char(rows->out, '"');
}

static void
put_value(struct sql_rows *rows, Oid type, struct slice text)
{
	switch (type) {
	case TYPE_BOOL:
		sql_rows_json(rows, slice_eq(text, SLICE("t")) ? SLICE("true") : SLICE("false"));
		break;
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_OID:
	case TYPE_NUMERIC:
		put_number(rows, text);
		break;
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
		sql_rows_real(rows, strtod(text.at, NULL));
		break;
	case TYPE_JSON:
	case TYPE_JSONB:
		sql_rows_json(rows, text);
		break;
	case TYPE_BYTEA:
		put_bytes(rows, text);
		break;
	default:
		sql_rows_text(rows, text);
	}
}

static void
put_row(struct sql_rows *rows, const PGresult *r, int row)
{
	unsigned wanted = sql_rows_row(rows, (unsigned)PQnfields(r));

	for (int i = 0; i < (int)wanted && !rows->out->err; i++) {
		sql_rows_name(rows, slice_of(PQfname(r, i)));
		if (PQgetisnull(r, row, i))
			sql_rows_null(rows);
		else
			put_value(
			    rows, PQftype(r, i),
			    slice_make(PQgetvalue(r, row, i), (size_t)PQgetlength(r, row, i)));
	}
	sql_rows_row_end(rows);
}

void
postgres_rows_put(struct sql_rows *rows, const PGresult *r)
{
	for (int row = 0; row < PQntuples(r) && !rows->out->err; row++)
		put_row(rows, r, row);
}

/* --- errors ---------------------------------------------------------------------- */

/* By the SQLSTATE, or its class: the first row that fits. */
static const struct fault {
	const char *begin;
	int err;
	enum sql_conflict conflict; /* with ERR_CONFLICT */
	enum log_level level;
} faults[] = {
	{ "0A000", ERR_FAILED, SQL_CONFLICT_RULE, LOG_LEVEL_WARNING }, /* perhaps run once more */
	{ "26000", ERR_FAILED, SQL_CONFLICT_RULE, LOG_LEVEL_DEBUG },
	{ "22012", ERR_FAILED, SQL_CONFLICT_RULE, LOG_LEVEL_ERROR }, /* a division by zero */
	{ "22", ERR_SYNTAX, SQL_CONFLICT_RULE, LOG_LEVEL_DEBUG }, /* a value that is none: 422 */
	{ "23505", ERR_CONFLICT, SQL_CONFLICT_UNIQUE, LOG_LEVEL_DEBUG },
	{ "23503", ERR_CONFLICT, SQL_CONFLICT_FOREIGN_KEY, LOG_LEVEL_DEBUG },
	{ "23514", ERR_CONFLICT, SQL_CONFLICT_CHECK, LOG_LEVEL_DEBUG },
	{ "23502", ERR_CONFLICT, SQL_CONFLICT_NOT_NULL, LOG_LEVEL_DEBUG },
	{ "23P01", ERR_CONFLICT, SQL_CONFLICT_EXCLUSION, LOG_LEVEL_DEBUG },
	{ "23", ERR_CONFLICT, SQL_CONFLICT_RULE, LOG_LEVEL_DEBUG },
	{ "40", ERR_SHED, SQL_CONFLICT_RULE,
	  LOG_LEVEL_DEBUG }, /* a second time: come again later */
	{ "53", ERR_FAILED, SQL_CONFLICT_RULE, LOG_LEVEL_ERROR },
	{ "55P03", ERR_TIMEOUT, SQL_CONFLICT_RULE, LOG_LEVEL_DEBUG }, /* its lock_timeout */
	{ "57014", ERR_TIMEOUT, SQL_CONFLICT_RULE, LOG_LEVEL_DEBUG }, /* its statement_timeout */
	{ "57P", ERR_CLOSED, SQL_CONFLICT_RULE,
	  LOG_LEVEL_WARNING }, /* the server ends the connection */
	{ "", ERR_FAILED, SQL_CONFLICT_RULE, LOG_LEVEL_ERROR },
};

static const struct fault *
find_fault(struct slice state)
{
	const struct fault *f = faults;

	while (!slice_has_prefix(state, slice_of(f->begin)))
		f++;
	return f;
}

int
postgres_rows_fault(const struct postgres_errand *e, const PGresult *r, const char **conflict)
{
	const struct sql_statement *s = &e->part->statement;
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	/* libpq's own errors have no state: it has lost the server. */
	const struct fault *f = find_fault(slice_of(state ? state : "57P"));
	struct slice said = slice_of(text ? text : PQresultErrorMessage(r));
	struct slice line = slice_cut(&said, '\n');

	log_line(f->level, "database %.*s: part %s: %.*s (SQLSTATE %s)",
		 SLICE_PRINT(s->database->name), s->part, SLICE_PRINT(line),
		 state ? state : "none");
	*conflict = sql_conflict_word(f->conflict);
	return f->err;
}
