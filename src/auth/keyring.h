/*
 * The keys that tokens may be signed with: one in a PEM file, one secret, or those of a JSON Web
 * Key Set (RFC 7517). Read by the builder, then used by all threads; a key knows the one algorithm
 * that it is for, so that no token can choose another (RFC 8725 3.1).
 */
#ifndef FOREBAY_AUTH_KEYRING_H
#define FOREBAY_AUTH_KEYRING_H

#include "auth/jwt.h"

#include <openssl/types.h>

enum { KEYRING_MAX = 64, KEYRING_FILE_BYTES = 256 << 10, KEYRING_SECRET_MIN = 32 };

struct keyring_key {
	enum jwt_algorithm algorithm;
	bool has_kid;
	struct slice kid;
	EVP_PKEY *public; /* owned; NULL for HS256 */
	struct slice secret; /* of HS256 */
	bool is_slow; /* a verification is for a pool: see README */
};

struct keyring {
	struct keyring_key *at;
	unsigned count;
};

/*
 * Both: `algorithms` is a bit set of enum jwt_algorithm. 0; ERR_MEMORY; ERR_FAILED with *why half a
 * sentence, or for keyring_read_set about key number *place (from 1; 0: the set as a whole).
 * keyring_close is due in any case.
 */
/* A public key or a certificate in PEM; with HS256 alone, the secret: all bytes but one line end at
 * the end. */
int keyring_read_file(struct keyring *k, const char *path, unsigned algorithms, struct arena *a,
		      const char **why) MUST_CHECK;
/* A set: keys of other kinds and for other uses are left out (RFC 7517 5). */
int keyring_read_set(struct keyring *k, const char *path, unsigned algorithms, struct arena *a,
		     const char **why, unsigned *place) MUST_CHECK;
/* The same from text. */
int keyring_parse_set(struct keyring *k, struct slice json, unsigned algorithms, struct arena *a,
		      const char **why, unsigned *place) MUST_CHECK;
void keyring_close(struct keyring *k);

/* The key that this token must be of: of its algorithm, and of its kid if it has one. A key without
 * a kid may be meant by any; but when several may be meant, none is. NULL: there is none. */
const struct keyring_key *keyring_find(const struct keyring *k, const struct jwt *t);

#endif
