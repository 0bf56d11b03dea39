/*
 * What a request says about who asks: the Authorization field (RFC 9110 11.6.2) of the schemes
 * Basic (RFC 7617) and Bearer (RFC 6750), or a token in a cookie. Nothing is believed here. Pure
 * functions, for any thread.
 */
#ifndef FOREBAY_AUTH_CREDENTIALS_H
#define FOREBAY_AUTH_CREDENTIALS_H

#include "auth/fault.h"
#include "base/arena.h"
#include "base/err.h"
#include "http/field.h"

enum credentials_scheme {
	CREDENTIALS_NONE, /* no Authorization field */
	CREDENTIALS_BASIC,
	CREDENTIALS_BEARER,
	CREDENTIALS_OTHER, /* another scheme, or malformed */
};

struct credentials {
	enum credentials_scheme scheme;
	struct slice token; /* what follows the scheme; borrowed */
};

/* Longest of a pair, as bytes of base64. */
enum { CREDENTIALS_BASIC_BYTES = 2048 };

/* Never fails: what cannot be read is CREDENTIALS_OTHER. */
void credentials_read(struct credentials *c, const struct fields *fields);

struct credentials_pair {
	struct slice whole; /* "user:password", decoded, in the arena */
	struct slice user, password; /* of it; a NUL is behind the password, none is inside */
};

/* The pair of a token of Basic. 0, ERR_SYNTAX or ERR_MEMORY. */
int credentials_pair(struct slice token, struct arena *a, struct credentials_pair *p) MUST_CHECK;

/* The cookie of that name (RFC 6265 4.2.1), borrowed. 0; ERR_MISSING; ERR_CONFLICT when there are
 * several, of which somebody else may have set one. */
int credentials_cookie(const struct fields *fields, struct slice name,
		       struct slice *value) MUST_CHECK;

#endif
