/*
 * A value for a parameter of a statement, with its type: what a template gave,
 * as every SQL driver binds it. Templates that have no type - a path parameter,
 * a query parameter, a text with something around the variable - are text.
 *
 *   JSON       null  true   12       12.0, 1e3, 2e63   "a"    {...}, [...]
 *   is         NULL  BOOLEAN INTEGER REAL              TEXT   JSON
 *   SQLite     NULL  1      12       12.0              'a'    its text
 */
#ifndef FOREBAY_SOURCE_SQL_VALUE_H
#define FOREBAY_SOURCE_SQL_VALUE_H

#include "base/slice.h"

enum sql_type {
	SQL_TYPE_NULL,
	SQL_TYPE_TEXT,
	SQL_TYPE_INTEGER, /* of 64 bits; a larger one is real */
	SQL_TYPE_REAL,
	SQL_TYPE_BOOLEAN,
	SQL_TYPE_JSON, /* an object or array */
};

struct sql_value {
	enum sql_type type;
	struct slice text; /* as it was written; of NULL empty; borrowed */
	int64_t integer; /* INTEGER; BOOLEAN: 0 or 1 */
	double real; /* REAL */
};

/* Of a value of VALUE_TYPED: is_typed is that of its struct part_value. Any other is text. */
struct sql_value sql_value_of(struct slice value, bool is_typed);

#endif
