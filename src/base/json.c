/*
 * JSON as text; see json.h. Three parts that share only how a string is walked: the check,
 * which trusts nothing; finding, which trusts the check for its answers but not for its
 * bounds; and escapes, both ways.
 *
 * The check is a loop over "what may come next" with one bit per open level, set for an
 * object:
 *
 *   VALUE --scalar--> MORE --,--> VALUE (array) or NAME (object)
 *     '--[ {--> FIRST_VALUE, FIRST_NAME       NAME --"..." :--> VALUE
 *                 '--] }--> MORE    MORE --] }--> MORE, one level up
 */
#include "base/json.h"

#include "base/assert.h"
#include "base/utf8.h"

#include <endian.h>

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

enum { BITS = 64, ESCAPE_BYTES = 6 }; /* of a level word; of \uXXXX */

/* --- walking ------------------------------------------------------------------------- */

struct scan {
	const char *at, *end; /* borrowed */
};

static inline struct scan
scan_over(struct slice s)
{
	/* Not even zero may be added to a NULL pointer. */
	return (struct scan){ s.at, s.len ? s.at + s.len : s.at };
}

static inline size_t
scan_room(const struct scan *s)
{
	return (size_t)(s->end - s->at);
}

/* The next byte; NUL, which starts nothing in JSON, at the end. */
static inline char
scan_peek(const struct scan *s)
{
	return s->at < s->end ? *s->at : '\0';
}

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void
skip_space(struct scan *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

static inline bool
is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/*
 * Skips what stands for itself in a string: ASCII but quotes, backslashes and controls.
 * Eight bytes at a time: subtracting sets the high bit of a byte that was below the
 * subtrahend; it may also set those above it by the borrow, so only the lowest is right.
 */
static inline void
skip_plain(struct scan *s)
{
	while (scan_room(s) >= sizeof(uint64_t)) {
		uint64_t word, quote, backslash, odd;

		memcpy(&word, s->at, sizeof(word));
		word = le64toh(word);
		quote = word ^ EACH_BYTE('"');
		backslash = word ^ EACH_BYTE('\\');
		odd = ((word - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) |
		       (backslash - EACH_BYTE(1)) | word) &
		      EACH_BYTE(0x80);
		if (odd) {
			s->at += __builtin_ctzll(odd) / 8;
			return;
		}
		s->at += sizeof(word);
	}
	while (s->at < s->end && is_plain(*s->at))
		s->at++;
}

/* --- the check ----------------------------------------------------------------------- */

enum want { WANT_VALUE, WANT_FIRST_VALUE, WANT_NAME, WANT_FIRST_NAME, WANT_MORE };

struct check {
	struct scan scan;
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
check_escape(struct scan *s)
{
	char kind = scan_room(s) >= 2 ? s->at[1] : '\0';

	if (kind == 'u') {
		for (size_t i = 2; i < ESCAPE_BYTES; i++) {
			if (i >= scan_room(s) || ascii_hex(s->at[i]) < 0)
				return ERR_SYNTAX;
		}
		s->at += ESCAPE_BYTES;
		return 0;
	}
	if (kind == '\0' || !strchr("\"\\/bfnrt", kind))
		return ERR_SYNTAX;
	s->at += 2;
	return 0;
}

/* Characters outside ASCII come in words: taking them one after the other saves the
 * way round by skip_plain. */
static int
check_high(struct scan *s)
{
	do {
		size_t len = utf8_length(slice_make(s->at, scan_room(s)));

		if (len == 0)
			return ERR_SYNTAX;
		s->at += len;
	} while (s->at < s->end && (*s->at & 0x80));
	return 0;
}

static inline int
check_string(struct scan *s)
{
	int error = 0;

	if (scan_peek(s) != '"')
		return ERR_SYNTAX;
	s->at++;
	while (!error) {
		char c;

		skip_plain(s);
		c = scan_peek(s);
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
check_digits(struct scan *s)
{
	const char *start = s->at;

	while (s->at < s->end && ascii_is_digit(*s->at))
		s->at++;
	return s->at > start ? 0 : ERR_SYNTAX;
}

/* RFC 8259 6: no leading zeros, digits on both sides of the point. */
static int
check_number(struct scan *s)
{
	if (scan_peek(s) == '-')
		s->at++;
	if (scan_peek(s) == '0')
		s->at++;
	else if (check_digits(s))
		return ERR_SYNTAX;
	if (scan_peek(s) == '.') {
		s->at++;
		if (check_digits(s))
			return ERR_SYNTAX;
	}
	if (scan_peek(s) == 'e' || scan_peek(s) == 'E') {
		s->at++;
		if (scan_peek(s) == '+' || scan_peek(s) == '-')
			s->at++;
		return check_digits(s);
	}
	return 0;
}

static int
check_word(struct scan *s, struct slice word)
{
	if (!slice_has_prefix(slice_make(s->at, scan_room(s)), word))
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
	if (c->depth == 0 || scan_peek(&c->scan) != (is_in_object(c) ? '}' : ']'))
		return ERR_SYNTAX;
	c->scan.at++;
	c->depth--;
	c->want = WANT_MORE;
	return 0;
}

static int
check_value(struct check *c)
{
	char first = scan_peek(&c->scan);

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
	skip_space(&c->scan);
	if (scan_peek(&c->scan) != ':')
		return ERR_SYNTAX;
	c->scan.at++;
	c->want = WANT_VALUE;
	return 0;
}

static int
check_more(struct check *c)
{
	if (scan_peek(&c->scan) != ',')
		return check_close(c);
	c->scan.at++;
	c->want = is_in_object(c) ? WANT_NAME : WANT_VALUE;
	return 0;
}

static inline int
check_step(struct check *c)
{
	char next = scan_peek(&c->scan);

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
	struct check c = { .scan = scan_over(text), .depth_max = depth_max };
	int error;

	ASSERT(depth_max <= JSON_DEPTH_MAX);
	do {
		skip_space(&c.scan);
		error = check_step(&c);
	} while (!error && !(c.want == WANT_MORE && c.depth == 0));
	if (!error) {
		skip_space(&c.scan);
		error = c.scan.at < c.scan.end ? ERR_SYNTAX : 0;
	}
	if (error && offset)
		*offset = text.len - scan_room(&c.scan);
	return error;
}

/* --- escapes ------------------------------------------------------------------------- */

static const struct escape {
	char letter, byte;
} escapes[] = {
	{ 'n', '\n' }, { '"', '"' }, { '\\', '\\' }, { 't', '\t' },
	{ 'r', '\r' }, { '/', '/' }, { 'b', '\b' },  { 'f', '\f' },
};

/* Reads \uXXXX; -1 if that does not stand here. */
static int32_t
read_unit(const struct scan *s)
{
	int32_t unit = 0;

	if (scan_room(s) < ESCAPE_BYTES || s->at[0] != '\\' || s->at[1] != 'u')
		return -1;
	for (size_t i = 2; i < ESCAPE_BYTES; i++) {
		int digit = ascii_hex(s->at[i]);

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

static inline bool
is_surrogate(int32_t unit)
{
	return (unit & 0xF800) == 0xD800;
}

/* \uXXXX, and its second half where it is the first of a pair (RFC 8259 7). */
static int
unescape_unit(struct scan *s, struct writer *w)
{
	int32_t unit = read_unit(s);
	int32_t tail;

	if (unit < 0)
		return ERR_SYNTAX;
	s->at += ESCAPE_BYTES;
	if (is_surrogate(unit)) {
		tail = read_unit(s);
		if (unit >= 0xDC00 || tail < 0xDC00 || tail > 0xDFFF)
			return ERR_SYNTAX;
		s->at += ESCAPE_BYTES;
		unit = 0x10000 + ((unit & 0x3FF) << 10) + (tail & 0x3FF);
	}
	utf8_write(w, (uint32_t)unit);
	return 0;
}

static int
unescape_one(struct scan *s, struct writer *w)
{
	char letter = scan_room(s) >= 2 ? s->at[1] : '\0';

	if (letter == 'u')
		return unescape_unit(s, w);
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		if (escapes[i].letter == letter) {
			writer_char(w, escapes[i].byte);
			s->at += 2;
			return 0;
		}
	}
	return ERR_SYNTAX;
}

/* The bytes up to the next backslash, which stand for themselves. */
static struct slice
take_literal(struct scan *s)
{
	size_t n = slice_find(slice_make(s->at, scan_room(s)), '\\');
	struct slice literal = slice_make(s->at, n);

	s->at += n;
	return literal;
}

static bool
has_escape(struct slice inner)
{
	return slice_find(inner, '\\') < inner.len;
}

/* Compares a string's inside with a name piece by piece, so that no memory is needed. */
static bool
is_named(struct slice inner, struct slice name)
{
	struct scan s = scan_over(inner);

	if (!has_escape(inner))
		return slice_eq(inner, name);
	while (s.at < s.end) {
		char memory[4];
		struct writer w = writer_over(memory, sizeof(memory));
		struct slice piece = take_literal(&s);

		if (piece.len == 0) {
			if (unescape_one(&s, &w))
				return false;
			piece = writer_slice(&w);
		}
		if (!slice_has_prefix(name, piece))
			return false;
		name = slice_after(name, piece.len);
	}
	return slice_is_empty(name);
}

/* --- finding ------------------------------------------------------------------------- */

/* From its opening quote to behind the closing one; returns what is between. */
static struct slice
take_string(struct scan *s)
{
	const char *start = ++s->at;
	struct slice inner;

	while (s->at < s->end && *s->at != '"') {
		if (*s->at == '\\' && scan_room(s) >= 2)
			s->at++;
		s->at++;
		if (s->at < s->end && is_plain(*s->at))
			skip_plain(s);
	}
	inner = slice_make(start, (size_t)(s->at - start));
	if (s->at < s->end)
		s->at++;
	return inner;
}

static void
skip_nested(struct scan *s)
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
take_value(struct scan *s)
{
	const char *start;
	char first;

	skip_space(s);
	start = s->at;
	first = scan_peek(s);
	if (first == '"')
		take_string(s);
	else if (first == '{' || first == '[')
		skip_nested(s);
	else
		while (s->at < s->end && !is_space(*s->at) && !strchr(",]}", *s->at))
			s->at++;
	return slice_make(start, (size_t)(s->at - start));
}

/* Steps over c, and over space on both sides; false if it is not there. */
static bool
take_mark(struct scan *s, char c)
{
	skip_space(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	skip_space(s);
	return true;
}

/* The last member of that name: see json.h. */
static int
find_member(struct slice object, struct slice name, struct slice *value)
{
	struct scan s = scan_over(slice_after(object, 1));
	int error = ERR_MISSING;

	skip_space(&s);
	while (scan_peek(&s) == '"') {
		struct slice inner = take_string(&s);
		struct slice found;

		if (!take_mark(&s, ':'))
			return ERR_SYNTAX;
		found = take_value(&s);
		if (is_named(inner, name)) {
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
	struct scan s = scan_over(slice_after(array, 1));
	uint64_t left;

	if (slice_to_u64(index, &left) || (index.len > 1 && index.at[0] == '0'))
		return ERR_MISSING;
	skip_space(&s);
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
	struct scan s = scan_over(json);
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

/* --- text, both ways ----------------------------------------------------------------- */

/* The inside of a string value. */
static struct slice
inner_of(struct slice raw)
{
	return raw.len < 2 ? slice_after(raw, raw.len) : slice_make(raw.at + 1, raw.len - 2);
}

bool
json_text_borrow(struct slice raw, struct slice *text)
{
	enum json_kind kind = json_kind(raw);

	if (kind == JSON_NULL || (kind == JSON_STRING && has_escape(inner_of(raw))))
		return false;
	*text = kind == JSON_STRING ? inner_of(raw) : raw;
	return true;
}

int
json_text(struct slice raw, struct writer *w)
{
	struct scan s = scan_over(inner_of(raw));
	struct slice text;
	int error = 0;

	if (json_kind(raw) == JSON_NULL)
		return ERR_MISSING;
	if (json_text_borrow(raw, &text)) {
		writer_put(w, text);
		return 0;
	}
	while (s.at < s.end && !error) {
		writer_put(w, take_literal(&s));
		if (s.at < s.end)
			error = unescape_one(&s, w);
	}
	return error;
}

/* RFC 8259 7: quotes, backslashes and controls must be escaped; nothing else is. */
static struct slice
escape_byte(char c, char memory[ESCAPE_BYTES])
{
	struct writer w = writer_over(memory, ESCAPE_BYTES);

	writer_char(&w, '\\');
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		if (escapes[i].byte == c) {
			writer_char(&w, escapes[i].letter);
			return writer_slice(&w);
		}
	}
	writer_put(&w, SLICE("u00"));
	writer_char(&w, (char)('0' + (c >> 4)));
	writer_char(&w, "0123456789abcdef"[c & 15]);
	return writer_slice(&w);
}

/* What the character at s is written as; it is one that is not plain. */
static struct slice
escape_odd(struct scan *s, char memory[ESCAPE_BYTES])
{
	size_t len;

	if (!(*s->at & 0x80))
		return escape_byte(*s->at++, memory);
	len = utf8_length(slice_make(s->at, scan_room(s)));
	s->at += len ? len : 1;
	return len ? slice_make(s->at - len, len) : SLICE("\xEF\xBF\xBD");
}

struct slice
json_write_some(struct writer *w, struct slice text)
{
	struct scan s = scan_over(text);

	while (s.at < s.end) {
		char memory[ESCAPE_BYTES];
		struct scan from = s;
		size_t room = w->cap - w->len;
		struct slice piece;

		skip_plain(&s);
		piece = slice_make(from.at, (size_t)(s.at - from.at));
		if (piece.len > room) {
			piece.len = room;
			s.at = from.at + room;
		} else if (piece.len == 0)
			piece = escape_odd(&s, memory);
		if (piece.len > room || room == 0)
			return slice_make(from.at, scan_room(&from));
		writer_put(w, piece);
	}
	return slice_make(s.at, 0);
}

void
json_write_string(struct writer *w, struct slice s)
{
	writer_char(w, '"');
	if (!w->is_full && json_write_some(w, s).len > 0)
		w->is_full = true;
	writer_char(w, '"');
}
