/*
 * Strict base64; see decode.h.
 */
#include "base/decode.h"

/* The value of a digit, or -1. `plus` and `slash` are the two that the alphabets differ in. */
static int
digit(char c, char plus, char slash)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == plus ? 62 : c == slash ? 63 : -1;
}

/* Digits without padding. RFC 4648 3.5: bits of the last digit that belong to no byte are zero. */
static int
decode(struct slice text, char plus, char slash, char *memory, struct slice *bytes)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t len = 0;

	if (text.len % 4 == 1)
		return ERR_SYNTAX;
	for (size_t i = 0; i < text.len; i++) {
		int value = digit(text.at[i], plus, slash);

		if (value < 0)
			return ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			memory[len++] = (char)(bits >> held & 0xff);
		}
	}
	if (bits & ((UINT32_C(1) << held) - 1))
		return ERR_SYNTAX;
	*bytes = slice_make(memory, len);
	return 0;
}

int
decode_base64(struct slice text, char *memory, struct slice *bytes)
{
	size_t padding = 0;

	if (text.len % 4 != 0)
		return ERR_SYNTAX;
	while (padding < 2 && text.len > padding && text.at[text.len - 1 - padding] == '=')
		padding++;
	return decode(slice_make(text.at, text.len - padding), '+', '/', memory, bytes);
}

int
decode_base64url(struct slice text, char *memory, struct slice *bytes)
{
	return decode(text, '-', '_', memory, bytes);
}
