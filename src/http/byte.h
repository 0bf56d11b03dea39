/*
 * Byte classes of HTTP and URIs: one table of 256 entries, so that every
 * grammar asks the same question in one load. Pure constants; any thread.
 */
#ifndef FOREBAY_HTTP_BYTE_H
#define FOREBAY_HTTP_BYTE_H

#include <stdbool.h>
#include <stdint.h>

enum byte_class {
	BYTE_TOKEN = 1, /* tchar (RFC 9110 5.6.2) */
	BYTE_PATH = 2, /* of a path as sent: pchar and '/' (RFC 3986 3.3), and [ ] ^ | */
	BYTE_QUERY = 4, /* of a query as sent: BYTE_PATH and ? ` { } \ */
	BYTE_VALUE = 8, /* of a field value: no controls but tab (RFC 9110 5.5) */
	BYTE_HOST = 16, /* reg-name, '%' included (RFC 3986 3.2.2) */
	BYTE_UNRESERVED = 32 /* RFC 3986 2.3 */
};

extern const uint8_t byte_classes[256];

static inline bool
byte_is(char c, enum byte_class wanted)
{
	return (byte_classes[(unsigned char)c] & wanted) != 0;
}

#endif
