/*
 * Strings of JSON, unescaped and escaped; see json.h.
 */
#include "base/json.h"
#include "base/json_priv.h"
#include "base/utf8.h"

static const struct escape {
	char letter, byte;
} escapes[] = {
	{ 'n', '\n' }, { '"', '"' }, { '\\', '\\' }, { 't', '\t' },
	{ 'r', '\r' }, { '/', '/' }, { 'b', '\b' },  { 'f', '\f' },
};

/* Reads \uXXXX; -1 if that does not stand here. */
static int32_t
read_unit(const struct json_scan *s)
{
	int32_t unit = 0;

	if (json_room(s) < JSON_ESCAPE_BYTES || s->at[0] != '\\' || s->at[1] != 'u')
		return -1;
	for (size_t i = 2; i < JSON_ESCAPE_BYTES; i++) {
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
unescape_unit(struct json_scan *s, struct writer *w)
{
	int32_t unit = read_unit(s);
	int32_t tail;

	if (unit < 0)
		return ERR_SYNTAX;
	s->at += JSON_ESCAPE_BYTES;
	if (is_surrogate(unit)) {
		tail = read_unit(s);
		if (unit >= 0xDC00 || tail < 0xDC00 || tail > 0xDFFF)
			return ERR_SYNTAX;
		s->at += JSON_ESCAPE_BYTES;
		unit = 0x10000 + ((unit & 0x3FF) << 10) + (tail & 0x3FF);
	}
	utf8_write(w, (uint32_t)unit);
	return 0;
}

static int
unescape_one(struct json_scan *s, struct writer *w)
{
	char letter = json_room(s) >= 2 ? s->at[1] : '\0';

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
take_literal(struct json_scan *s)
{
	size_t n = slice_find(slice_make(s->at, json_room(s)), '\\');
	struct slice literal = slice_make(s->at, n);

	s->at += n;
	return literal;
}

/* The bytes between a string's quotes hold an escape. */
static bool
has_escape(struct slice inner)
{
	return slice_find(inner, '\\') < inner.len;
}

/* Compares a string's inside with a name piece by piece, so that no memory is needed. */
bool
json_is_named(struct slice inner, struct slice name)
{
	struct json_scan s = json_scan_over(inner);

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
	struct json_scan s = json_scan_over(inner_of(raw));
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
escape_byte(char c, char memory[JSON_ESCAPE_BYTES])
{
	struct writer w = writer_over(memory, JSON_ESCAPE_BYTES);

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
escape_odd(struct json_scan *s, char memory[JSON_ESCAPE_BYTES])
{
	size_t len;

	if (!(*s->at & 0x80))
		return escape_byte(*s->at++, memory);
	len = utf8_length(slice_make(s->at, json_room(s)));
	s->at += len ? len : 1;
	return len ? slice_make(s->at - len, len) : SLICE("\xEF\xBF\xBD");
}

struct slice
json_write_some(struct writer *w, struct slice text)
{
	struct json_scan s = json_scan_over(text);

	while (s.at < s.end) {
		char memory[JSON_ESCAPE_BYTES];
		struct json_scan from = s;
		size_t room = w->cap - w->len;
		struct slice piece;

		json_skip_plain(&s);
		piece = slice_make(from.at, (size_t)(s.at - from.at));
		if (piece.len > room) {
			piece.len = room;
			s.at = from.at + room;
		} else if (piece.len == 0)
			piece = escape_odd(&s, memory);
		if (piece.len > room || room == 0)
			return slice_make(from.at, json_room(&from));
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
