/*
 * The table of byte classes; see byte.h.
 *
 * Paths and queries take a few bytes that RFC 3986 leaves out but that
 * browsers send as they are (WHATWG URL, percent-encode sets): [ ] ^ | in
 * both, ` { } \ in the query. None of them separates anything. Never taken in
 * a target: controls, blanks, " < > # and bytes above 0x7e.
 */
#include "http/byte.h"

enum {
	UNRESERVED = BYTE_TOKEN | BYTE_PATH | BYTE_QUERY | BYTE_VALUE | BYTE_HOST | BYTE_UNRESERVED,
	TOKEN_DELIM = BYTE_TOKEN | BYTE_PATH | BYTE_QUERY | BYTE_VALUE | BYTE_HOST,
	SUB_DELIM = BYTE_PATH | BYTE_QUERY | BYTE_VALUE | BYTE_HOST,
	PATH = BYTE_PATH | BYTE_QUERY | BYTE_VALUE,
	QUERY = BYTE_QUERY | BYTE_VALUE,
	VALUE = BYTE_VALUE,
};

/* clang-format off */
const uint8_t byte_classes[256] = {
	['\t'] = VALUE, [' '] = VALUE, ['"'] = VALUE, ['<'] = VALUE, ['>'] = VALUE,
	['#'] = BYTE_TOKEN | VALUE,

	['0' ... '9'] = UNRESERVED, ['A' ... 'Z'] = UNRESERVED, ['a' ... 'z'] = UNRESERVED,
	['-'] = UNRESERVED, ['.'] = UNRESERVED, ['_'] = UNRESERVED, ['~'] = UNRESERVED,

	['!'] = TOKEN_DELIM, ['$'] = TOKEN_DELIM, ['%'] = TOKEN_DELIM, ['&'] = TOKEN_DELIM,
	['\''] = TOKEN_DELIM, ['*'] = TOKEN_DELIM, ['+'] = TOKEN_DELIM,

	['('] = SUB_DELIM, [')'] = SUB_DELIM, [','] = SUB_DELIM, [';'] = SUB_DELIM, ['='] = SUB_DELIM,

	['/'] = PATH, [':'] = PATH, ['@'] = PATH, ['['] = PATH, [']'] = PATH,
	['^'] = BYTE_TOKEN | PATH, ['|'] = BYTE_TOKEN | PATH,

	['?'] = QUERY, ['{'] = QUERY, ['}'] = QUERY, ['\\'] = QUERY, ['`'] = BYTE_TOKEN | QUERY,

	[0x80 ... 0xff] = VALUE, /* obs-text */
};
