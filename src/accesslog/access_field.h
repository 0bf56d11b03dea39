/*
 * The fields that a line of the access log may have: one table, from which the
 * compiler of formats, the line writer and the manual are made.
 */
#ifndef FOREBAY_ACCESSLOG_ACCESS_FIELD_H
#define FOREBAY_ACCESSLOG_ACCESS_FIELD_H

#include "accesslog/access_entry.h"
#include "config/suggest.h"

enum access_kind {
	ACCESS_ABSENT, /* "-", or null */
	ACCESS_TEXT, /* what somebody sent: escaped */
	ACCESS_NAME, /* the same, as one word: in text, spaces are escaped too */
	ACCESS_WORD, /* ours: needs no escapes */
	ACCESS_NUMBER,
	ACCESS_HEX,
	ACCESS_SECONDS, /* number in nanoseconds */
	ACCESS_FLAG, /* yes or no; true or false */
	ACCESS_TIME, /* the entry's time, in three forms */
	ACCESS_TIME_CLF,
	ACCESS_TIME_UNIX,
	ACCESS_ADDRESS, /* the client's */
	ACCESS_PEER, /* the other end of the connection */
	ACCESS_REQUEST, /* the request line */
	ACCESS_PARTS,
	ACCESS_KINDS
};

struct access_value {
	enum access_kind kind;
	struct slice text;
	uint64_t number;
};

/* Which header field, of the two fields that take a name. */
struct access_header {
	struct slice name; /* in lower case */
	enum field_id id;
};

struct access_field {
	const char *name; /* with a '.' at its end the name of a header field follows */
	struct access_value (*get)(const struct access_entry *e, const struct access_header *h);
	const char *help; /* a sentence for the manual */
};

/* Ends with a NULL name. */
extern const struct access_field access_fields[];

/* "HTTP/1.1" for HTTP_1_1. */
struct slice access_version(int version);
/* NULL if there is none. *header is what follows a name that ends with '.'. */
const struct access_field *access_field_find(struct slice name, struct slice *header);
void access_field_offer(struct suggest *near);

#endif
