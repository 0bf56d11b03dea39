/*
 * HTTP dates (RFC 9110 5.6.7), and the Date text, which is made once a second.
 */
#ifndef FOREBAY_HTTP_DATE_H
#define FOREBAY_HTTP_DATE_H

#include "base/slice.h"

enum { DATE_BYTES = 29 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct date {
	int64_t second;
	char text[DATE_BYTES + 1];
};

/* Writes exactly DATE_BYTES bytes, no NUL. */
void date_write(char *text, int64_t second);
/* The three forms of RFC 9110 5.6.7; false if it is none of them. A year of two
 * digits is in 1970-2069; the name of the weekday is not compared with the day. */
bool date_parse(struct slice s, int64_t *second);
/* The text for `second`, remade only when it has changed. */
struct slice date_text(struct date *d, int64_t second);

#endif
