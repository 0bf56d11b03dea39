/*
 * JSON (RFC 8259) as text: checked, looked into and written, never turned into a tree and
 * never re-serialised. A result that passed json_validate can be spliced into another text
 * byte for byte. Pure functions without recursion, memory of their own or heap, for any
 * thread; time is linear in the text.
 *
 * Strict: no byte order mark, no comments, no trailing commas or text, UTF-8 only. An escape
 * that is half a surrogate pair ("\uD800") is within the grammar (RFC 8259 8.2) and passes
 * the check, because texts cut in the middle of a pair are common and harmless where they
 * are only passed on; json_text refuses it, and no name in a path equals it.
 *
 * Of members with the same name the last one counts, as for JavaScript, Python, Go and
 * PostgreSQL's jsonb, so that we never see another value than the program behind us does.
 */
#ifndef FOREBAY_BASE_JSON_H
#define FOREBAY_BASE_JSON_H

#include "base/err.h"
#include "base/slice.h"
#include "base/writer.h"

enum { JSON_DEPTH_MAX = 128 };

enum json_kind {
	JSON_NULL,
	JSON_BOOLEAN,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/*
 * Checks a whole text. depth_max, at most JSON_DEPTH_MAX, bounds how deep arrays and
 * objects may nest; 0 allows scalars only. ERR_SYNTAX, or ERR_TOO_LARGE when it nests
 * deeper; then *offset (may be NULL) is the byte where it was seen, text.len for a text
 * that ends early.
 */
int json_validate(struct slice text, unsigned depth_max, size_t *offset) MUST_CHECK;

/*
 * Follows a path into a text that json_validate has passed: through an object by a member's
 * name, compared after unescaping; through an array by a decimal index without leading
 * zeros. *value is the value as it stands, without space around it, borrowed from json; with
 * n == 0 the whole text. ERR_MISSING if there is no such value, with *value unchanged.
 * Any other text gives any of these answers, but nothing is read outside it.
 */
int json_find(struct slice json, const struct slice path[], size_t n,
	      struct slice *value) MUST_CHECK;

/*
 * One after the other, the members of an object or the elements of an array, of a text that
 * json_validate has passed. *name is the name with its quotes, so that json_text can unescape it.
 * False at the end.
 */
struct json_walk {
	struct slice rest;
};
struct json_walk json_walk_over(struct slice raw);
bool json_walk_member(struct json_walk *w, struct slice *name, struct slice *value) MUST_CHECK;
bool json_walk_element(struct json_walk *w, struct slice *value) MUST_CHECK;

/* The kind of a value as json_find returns it, by its first byte. */
enum json_kind json_kind(struct slice raw);

/*
 * Appends what a value as json_find returns it is as plain text: a string unescaped, any
 * other value as it stands. ERR_MISSING for null; ERR_SYNTAX for a string with half a
 * surrogate pair, which no UTF-8 text can hold. May have written some by then.
 */
int json_text(struct slice raw, struct writer *w) MUST_CHECK;
/* As json_text without a copy: true when the text stands in raw as it is, and is *text. */
bool json_text_borrow(struct slice raw, struct slice *text);

/* Appends s in quotes, escaped. What is not UTF-8 becomes U+FFFD, so that the output is always
 * valid. */
void json_write_string(struct writer *w, struct slice s);
/*
 * The same without the quotes, and only as many whole characters as fit: returns the rest,
 * and never sets is_full. For strings that are written block by block; 16 bytes of room
 * suffice to go on. `s` must hold the rest of the string: a character cut off at its end
 * counts as not being UTF-8.
 */
struct slice json_write_some(struct writer *w, struct slice s);

#endif
