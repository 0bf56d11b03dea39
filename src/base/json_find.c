/*
 * Paths into JSON texts; see json.h. Answers are right for a text that passed the check;
 * bounds are kept for any.
 */
#include "base/json.h"
#include "base/json_priv.h"

/* From its opening quote to behind the closing one; returns what is between. */
static struct slice
take_string(struct json_scan *s)
{
	const char *start = ++s->at;
	struct slice inner;

	while (s->at < s->end && *s->at != '"') {
		if (*s->at == '\\' && json_room(s) >= 2)
			s->at++;
		s->at++;
		if (s->at < s->end && json_is_plain(*s->at))
			json_skip_plain(s);
	}
	inner = slice_make(start, (size_t)(s->at - start));
	if (s->at < s->end)
		s->at++;
	return inner;
}

static void
skip_nested(struct json_scan *s)
{
	size_t depth = 0;

	while (s->at < s->end) {
		char c = *s->at;

		if (c == '"') {
			take_string(s);
			continue;
		}
		s->at++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return;
	}
}

static struct slice
take_value(struct json_scan *s)
{
	const char *start;
	char first;

	json_skip_space(s);
	start = s->at;
	first = json_peek(s);
	if (first == '"')
		take_string(s);
	else if (first == '{' || first == '[')
		skip_nested(s);
	else
		while (s->at < s->end && !json_is_space(*s->at) && !strchr(",]}", *s->at))
			s->at++;
	return slice_make(start, (size_t)(s->at - start));
}

/* Steps over c, and over space on both sides; false if it is not there. */
static bool
take_mark(struct json_scan *s, char c)
{
	json_skip_space(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	json_skip_space(s);
	return true;
}

/* The last member of that name: see json.h. */
static int
find_member(struct slice object, struct slice name, struct slice *value)
{
	struct json_scan s = json_scan_over(slice_after(object, 1));
	int error = ERR_MISSING;

	json_skip_space(&s);
	while (json_peek(&s) == '"') {
		struct slice inner = take_string(&s);
		struct slice found;

		if (!take_mark(&s, ':'))
			return ERR_SYNTAX;
		found = take_value(&s);
		if (json_is_named(inner, name)) {
			*value = found;
			error = 0;
		}
		if (!take_mark(&s, ','))
			break;
	}
	return error;
}

static int
find_element(struct slice array, struct slice index, struct slice *value)
{
	struct json_scan s = json_scan_over(slice_after(array, 1));
	uint64_t left;

	if (slice_to_u64(index, &left) || (index.len > 1 && index.at[0] == '0'))
		return ERR_MISSING;
	json_skip_space(&s);
	while (s.at < s.end && *s.at != ']') {
		struct slice found = take_value(&s);

		if (left-- == 0) {
			*value = found;
			return 0;
		}
		if (!take_mark(&s, ','))
			break;
	}
	return ERR_MISSING;
}

struct json_walk
json_walk_over(struct slice raw)
{
	struct json_scan s = json_scan_over(slice_after(raw, 1));

	json_skip_space(&s);
	return (struct json_walk){ slice_make(s.at, json_room(&s)) };
}

/* Behind a value: over the comma to the next one, or to the end. */
static void
step_on(struct json_walk *w, struct json_scan *s)
{
	w->rest = take_mark(s, ',') ? slice_make(s->at, json_room(s)) : slice_make(s->at, 0);
}

bool
json_walk_member(struct json_walk *w, struct slice *name, struct slice *value)
{
	struct json_scan s = json_scan_over(w->rest);
	const char *start = s.at;

	if (json_peek(&s) != '"')
		return false;
	take_string(&s);
	*name = slice_make(start, (size_t)(s.at - start));
	if (!take_mark(&s, ':'))
		return false;
	*value = take_value(&s);
	step_on(w, &s);
	return true;
}

bool
json_walk_element(struct json_walk *w, struct slice *value)
{
	struct json_scan s = json_scan_over(w->rest);

	if (s.at == s.end || *s.at == ']')
		return false;
	*value = take_value(&s);
	step_on(w, &s);
	return true;
}

enum json_kind
json_kind(struct slice raw)
{
	switch (raw.len ? raw.at[0] : '\0') {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOLEAN;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

int
json_find(struct slice json, const struct slice path[], size_t n, struct slice *value)
{
	struct json_scan s = json_scan_over(json);
	struct slice found = take_value(&s);
	int error = 0;

	for (size_t i = 0; i < n && !error; i++) {
		enum json_kind kind = json_kind(found);

		if (kind == JSON_OBJECT)
			error = find_member(found, path[i], &found);
		else if (kind == JSON_ARRAY)
			error = find_element(found, path[i], &found);
		else
			error = ERR_MISSING;
	}
	if (!error)
		*value = found;
	return error;
}
