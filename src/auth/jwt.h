/*
 * JSON Web Tokens (RFC 7519) in the compact form of RFC 7515 3.1, read but not yet believed:
 *
 *   header.claims.signature        each base64url
 *
 * jwt_read() takes it apart, keyring_find() says which key it must be of, signature_verify()
 * whether it is, claims_check() whether it may be used here and now. What RFC 8725 warns of is
 * refused: no "none", no algorithm that the operator did not name, none that the key is not for, no
 * extension that is not understood, no key from the token itself.
 */
#ifndef FOREBAY_AUTH_JWT_H
#define FOREBAY_AUTH_JWT_H

#include "auth/fault.h"
#include "base/arena.h"
#include "base/err.h"

enum { JWT_BYTES = 8192 }; /* longest token that is looked at */

enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256, JWT_EDDSA, JWT_ALGORITHMS };
/* Their words, NULL-terminated: a bit set of a key table has bit JWT_HS256 for the first. */
extern const char *const jwt_algorithms[];

struct jwt {
	enum jwt_algorithm algorithm;
	bool has_kid;
	struct slice kid;
	struct slice signed_part; /* "header.claims" as it was sent; borrowed */
	struct slice signature; /* decoded */
	struct slice claims; /* decoded: should be a JSON object */
};

/* 0, a positive enum fault, or ERR_MEMORY. Decoded texts are in the arena. */
int jwt_read(struct slice token, struct arena *a, struct jwt *t) MUST_CHECK;

#endif
