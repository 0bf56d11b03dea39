/*
 * What a template gave, as a value with its type; see sql_value.h.
 */
#include "source/sql_value.h"

#include "base/json.h"

#include <errno.h>
#include <stdlib.h>

/* More digits than any number has that somebody means; longer ones are text, which a column may
 * still take for a number. */
enum { NUMBER_BYTES = 512 };

static bool
is_whole(struct slice number)
{
	for (size_t i = 0; i < number.len; i++) {
		if (number.at[i] == '.' || number.at[i] == 'e' || number.at[i] == 'E')
			return false;
	}
	return true;
}

static void
take_number(struct sql_value *v)
{
	char text[NUMBER_BYTES];

	if (v->text.len >= sizeof(text)) {
		v->type = SQL_TYPE_TEXT;
		return;
	}
	memcpy(text, v->text.at, v->text.len);
	text[v->text.len] = '\0';
	errno = 0;
	if (is_whole(v->text))
		v->integer = strtoll(text, NULL, 10);
	v->type = is_whole(v->text) && errno == 0 ? SQL_TYPE_INTEGER : SQL_TYPE_REAL;
	if (v->type == SQL_TYPE_REAL)
		v->real = strtod(text, NULL);
}

struct sql_value
sql_value_of(struct slice value, bool is_typed)
{
	struct sql_value v = { .type = SQL_TYPE_TEXT, .text = value };

	if (!is_typed)
		return v;
	switch (json_kind(value)) {
	case JSON_NULL:
		v.type = SQL_TYPE_NULL;
		v.text = SLICE("");
		break;
	case JSON_BOOLEAN:
		v.type = SQL_TYPE_BOOLEAN;
		v.integer = value.at[0] == 't';
		break;
	case JSON_NUMBER:
		take_number(&v);
		break;
	case JSON_STRING:
		v.text = slice_after(value, 1);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		v.type = SQL_TYPE_JSON;
		break;
	}
	return v;
}
