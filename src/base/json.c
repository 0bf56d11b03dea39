/*
 * The check of JSON texts; see json.h. It trusts nothing: a loop over "what may come next",
 * with one bit per open level, set for an object:
 *
 *   VALUE --scalar--> MORE --,--> VALUE (array) or NAME (object)
 *     '--[ {--> FIRST_VALUE, FIRST_NAME       NAME --"..." :--> VALUE
 *                 '--] }--> MORE    MORE --] }--> MORE, one level up
 */
#include "base/json.h"

#include "base/assert.h"
#include "base/json_priv.h"
#include "base/utf8.h"

enum { BITS = 64 }; /* of a word of levels */

enum want { WANT_VALUE, WANT_FIRST_VALUE, WANT_NAME, WANT_FIRST_NAME, WANT_MORE };

struct check {
	struct json_scan scan;
	enum want want;
	unsigned depth, depth_max;
	uint64_t objects[JSON_DEPTH_MAX / BITS]; /* a bit for each open level */
};

static bool
is_in_object(const struct check *c)
{
	unsigned level = c->depth - 1;

	return c->objects[level / BITS] >> (level % BITS) & 1;
}

static int
check_escape(struct json_scan *s)
{
	char kind = json_room(s) >= 2 ? s->at[1] : '\0';

	if (kind == 'u') {
		for (size_t i = 2; i < JSON_ESCAPE_BYTES; i++) {
			if (i >= json_room(s) || ascii_hex(s->at[i]) < 0)
				return ERR_SYNTAX;
		}
		s->at += JSON_ESCAPE_BYTES;
		return 0;
	}
	if (kind == '\0' || !strchr("\"\\/bfnrt", kind))
		return ERR_SYNTAX;
	s->at += 2;
	return 0;
}

/* Characters outside ASCII come in words: taking them one after the other saves the
 * way round by json_skip_plain. */
static int
check_high(struct json_scan *s)
{
	do {
		size_t len = utf8_length(slice_make(s->at, json_room(s)));

		if (len == 0)
			return ERR_SYNTAX;
		s->at += len;
	} while (s->at < s->end && (*s->at & 0x80));
	return 0;
}

static inline int
check_string(struct json_scan *s)
{
	int error = 0;

	if (json_peek(s) != '"')
		return ERR_SYNTAX;
	s->at++;
	while (!error) {
		char c;

		json_skip_plain(s);
		c = json_peek(s);
		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c == '\\')
			error = check_escape(s);
		else
			error = c & 0x80 ? check_high(s) : ERR_SYNTAX;
	}
	return error;
}

/* At least one digit. */
static inline int
check_digits(struct json_scan *s)
{
	const char *start = s->at;

	while (s->at < s->end && ascii_is_digit(*s->at))
		s->at++;
	return s->at > start ? 0 : ERR_SYNTAX;
}

/* RFC 8259 6: no leading zeros, digits on both sides of the point. */
static int
check_number(struct json_scan *s)
{
	if (json_peek(s) == '-')
		s->at++;
	if (json_peek(s) == '0')
		s->at++;
	else if (check_digits(s))
		return ERR_SYNTAX;
	if (json_peek(s) == '.') {
		s->at++;
		if (check_digits(s))
			return ERR_SYNTAX;
	}
	if (json_peek(s) == 'e' || json_peek(s) == 'E') {
		s->at++;
		if (json_peek(s) == '+' || json_peek(s) == '-')
			s->at++;
		return check_digits(s);
	}
	return 0;
}

static int
check_word(struct json_scan *s, struct slice word)
{
	if (!slice_has_prefix(slice_make(s->at, json_room(s)), word))
		return ERR_SYNTAX;
	s->at += word.len;
	return 0;
}

static int
check_open(struct check *c, bool is_object)
{
	uint64_t bit = UINT64_C(1) << (c->depth % BITS);
	uint64_t *levels = &c->objects[c->depth / BITS];

	if (c->depth == c->depth_max)
		return ERR_TOO_LARGE;
	*levels = is_object ? *levels | bit : *levels & ~bit;
	c->depth++;
	c->scan.at++;
	c->want = is_object ? WANT_FIRST_NAME : WANT_FIRST_VALUE;
	return 0;
}

static int
check_close(struct check *c)
{
	if (c->depth == 0 || json_peek(&c->scan) != (is_in_object(c) ? '}' : ']'))
		return ERR_SYNTAX;
	c->scan.at++;
	c->depth--;
	c->want = WANT_MORE;
	return 0;
}

static int
check_value(struct check *c)
{
	char first = json_peek(&c->scan);

	if (first == '{' || first == '[')
		return check_open(c, first == '{');
	c->want = WANT_MORE;
	switch (first) {
	case '"':
		return check_string(&c->scan);
	case 't':
		return check_word(&c->scan, SLICE("true"));
	case 'f':
		return check_word(&c->scan, SLICE("false"));
	case 'n':
		return check_word(&c->scan, SLICE("null"));
	default:
		return check_number(&c->scan);
	}
}

static int
check_name(struct check *c)
{
	int error = check_string(&c->scan);

	if (error)
		return error;
	json_skip_space(&c->scan);
	if (json_peek(&c->scan) != ':')
		return ERR_SYNTAX;
	c->scan.at++;
	c->want = WANT_VALUE;
	return 0;
}

static int
check_more(struct check *c)
{
	if (json_peek(&c->scan) != ',')
		return check_close(c);
	c->scan.at++;
	c->want = is_in_object(c) ? WANT_NAME : WANT_VALUE;
	return 0;
}

static inline int
check_step(struct check *c)
{
	char next = json_peek(&c->scan);

	switch (c->want) {
	case WANT_FIRST_VALUE:
		return next == ']' ? check_close(c) : check_value(c);
	case WANT_VALUE:
		return check_value(c);
	case WANT_FIRST_NAME:
		return next == '}' ? check_close(c) : check_name(c);
	case WANT_NAME:
		return check_name(c);
	case WANT_MORE:
		return check_more(c);
	}
	return ERR_SYNTAX;
}

int
json_validate(struct slice text, unsigned depth_max, size_t *offset)
{
	struct check c = { .scan = json_scan_over(text), .depth_max = depth_max };
	int error;

	ASSERT(depth_max <= JSON_DEPTH_MAX);
	do {
		json_skip_space(&c.scan);
		error = check_step(&c);
	} while (!error && !(c.want == WANT_MORE && c.depth == 0));
	if (!error) {
		json_skip_space(&c.scan);
		error = c.scan.at < c.scan.end ? ERR_SYNTAX : 0;
	}
	if (error && offset)
		*offset = text.len - json_room(&c.scan);
	return error;
}
