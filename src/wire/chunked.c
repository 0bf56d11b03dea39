/*
 * The chunked coding; see chunked.h.
 *
 *   SIZE_FIRST -> SIZE -> [EXT_...]   -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE_FIRST
 *                                           | size 0
 *                                           v
 *                 TRAILER_START -> TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF -> TRAILER_START
 *                       | CR
 *                       v
 *                     END_LF -> END
 */
#include "wire/chunked.h"

#include "base/err.h"
#include "wire/cursor.h"

enum { MAX_DIGITS = 15 };

void
chunked_init(struct chunked *c, uint32_t max_overhead)
{
	*c = (struct chunked){ .state = CHUNKED_SIZE_FIRST, .max_overhead = max_overhead };
}

static int
enter(struct chunked *c, enum chunked_state state)
{
	c->state = state;
	return 0;
}

static int
take_digit(struct chunked *c, int digit)
{
	if (c->digits == MAX_DIGITS)
		return ERR_PROTOCOL;
	c->left = c->left * 16 + (uint64_t)digit;
	c->digits++;
	return enter(c, CHUNKED_SIZE);
}

/* The state that a byte which must be `wanted` leads to. */
static int
expect(struct chunked *c, char byte, char wanted, enum chunked_state then)
{
	return byte == wanted ? enter(c, then) : ERR_PROTOCOL;
}

static int
take_size(struct chunked *c, char byte)
{
	int digit = ascii_hex(byte);

	if (digit >= 0)
		return take_digit(c, digit);
	if (c->state == CHUNKED_SIZE_FIRST)
		return ERR_PROTOCOL;
	if (byte == ';')
		return enter(c, CHUNKED_EXT_START);
	return expect(c, byte, '\r', CHUNKED_SIZE_LF);
}

/* What may follow an extension that is complete: another one, or the end of the line. */
static int
end_extension(struct chunked *c, char byte)
{
	if (byte == ';')
		return enter(c, CHUNKED_EXT_START);
	return expect(c, byte, '\r', CHUNKED_SIZE_LF);
}

/* A token byte, which leads to `state`. */
static int
take_token(struct chunked *c, char byte, enum chunked_state state)
{
	return byte_is(byte, BYTE_TOKEN) ? enter(c, state) : ERR_PROTOCOL;
}

/* chunk-ext-name [ "=" ( token / quoted-string ) ] of RFC 9112 7.1.1, without its blanks. */
static int
take_extension(struct chunked *c, char byte)
{
	bool is_token = byte_is(byte, BYTE_TOKEN);

	switch (c->state) {
	case CHUNKED_EXT_START:
		return take_token(c, byte, CHUNKED_EXT_NAME);
	case CHUNKED_EXT_NAME:
		if (byte == '=')
			return enter(c, CHUNKED_EXT_VALUE_START);
		return is_token ? 0 : end_extension(c, byte);
	case CHUNKED_EXT_VALUE_START:
		if (byte == '"')
			return enter(c, CHUNKED_EXT_QUOTED);
		return take_token(c, byte, CHUNKED_EXT_VALUE);
	case CHUNKED_EXT_VALUE:
		return is_token ? 0 : end_extension(c, byte);
	case CHUNKED_EXT_QUOTED:
		if (byte == '"')
			return enter(c, CHUNKED_EXT_QUOTED_END);
		if (byte == '\\')
			return enter(c, CHUNKED_EXT_ESCAPED);
		return byte_is(byte, BYTE_VALUE) ? 0 : ERR_PROTOCOL;
	case CHUNKED_EXT_ESCAPED:
		return byte_is(byte, BYTE_VALUE) ? enter(c, CHUNKED_EXT_QUOTED) : ERR_PROTOCOL;
	default:
		return end_extension(c, byte);
	}
}

/* Trailer fields are checked for form (RFC 9112 5). */
static int
take_trailer(struct chunked *c, char byte)
{
	if (c->state == CHUNKED_TRAILER_START && byte == '\r')
		return enter(c, CHUNKED_END_LF);
	if (c->state == CHUNKED_TRAILER_NAME && byte == ':')
		return enter(c, CHUNKED_TRAILER_VALUE);
	if (c->state != CHUNKED_TRAILER_VALUE)
		return take_token(c, byte, CHUNKED_TRAILER_NAME);
	if (byte == '\r')
		return enter(c, CHUNKED_TRAILER_LF);
	return byte_is(byte, BYTE_VALUE) ? 0 : ERR_PROTOCOL;
}

/* Everything but data, byte by byte. */
static int
take_byte(struct chunked *c, char byte)
{
	switch (c->state) {
	case CHUNKED_SIZE_FIRST:
	case CHUNKED_SIZE:
		return take_size(c, byte);
	case CHUNKED_EXT_START:
	case CHUNKED_EXT_NAME:
	case CHUNKED_EXT_VALUE_START:
	case CHUNKED_EXT_VALUE:
	case CHUNKED_EXT_QUOTED:
	case CHUNKED_EXT_ESCAPED:
	case CHUNKED_EXT_QUOTED_END:
		return take_extension(c, byte);
	case CHUNKED_SIZE_LF:
		return expect(c, byte, '\n', c->left ? CHUNKED_DATA : CHUNKED_TRAILER_START);
	case CHUNKED_DATA_CR:
		return expect(c, byte, '\r', CHUNKED_DATA_LF);
	case CHUNKED_DATA_LF:
		c->digits = 0;
		return expect(c, byte, '\n', CHUNKED_SIZE_FIRST);
	case CHUNKED_TRAILER_START:
	case CHUNKED_TRAILER_NAME:
	case CHUNKED_TRAILER_VALUE:
		return take_trailer(c, byte);
	case CHUNKED_TRAILER_LF:
		return expect(c, byte, '\n', CHUNKED_TRAILER_START);
	case CHUNKED_END_LF:
		return expect(c, byte, '\n', CHUNKED_END);
	case CHUNKED_DATA:
	case CHUNKED_END:
		break;
	}
	return ERR_PROTOCOL;
}

static bool
is_overhead(enum chunked_state state)
{
	return (state >= CHUNKED_EXT_START && state <= CHUNKED_EXT_QUOTED_END) ||
	       state == CHUNKED_TRAILER_NAME || state == CHUNKED_TRAILER_VALUE;
}

static bool
is_in_trailer(enum chunked_state state)
{
	return state >= CHUNKED_TRAILER_START && state <= CHUNKED_TRAILER_LF;
}

/* As much of the chunk's data as *in holds. */
static struct slice
take_data(struct chunked *c, struct slice *in)
{
	struct slice run = slice_make(in->at, in->len < c->left ? in->len : (size_t)c->left);

	*in = slice_after(*in, run.len);
	c->left -= run.len;
	if (c->left == 0)
		c->state = CHUNKED_DATA_CR;
	return run;
}

int
chunked_decode(struct chunked *c, struct slice *in, struct slice *data)
{
	*data = c->trailer = SLICE("");
	while (in->len && c->state != CHUNKED_END) {
		bool is_trailer = is_in_trailer(c->state);
		int err;

		if (c->state == CHUNKED_DATA) {
			*data = take_data(c, in);
			return 0;
		}
		err = take_byte(c, in->at[0]);
		if (err < 0)
			return err;
		if (is_overhead(c->state) && ++c->overhead > c->max_overhead)
			return ERR_TOO_LARGE;
		if (is_trailer)
			c->trailer =
			    slice_make(c->trailer.len ? c->trailer.at : in->at, c->trailer.len + 1);
		*in = slice_after(*in, 1);
	}
	return 0;
}

void
chunked_write_size(struct writer *w, uint64_t n)
{
	writer_hex(w, n);
	writer_put(w, SLICE("\r\n"));
}
