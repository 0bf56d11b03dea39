/*
 * One JSON Web Key (RFC 7517 4, RFC 7518 6, RFC 8037 2) as a key of a keyring.
 */
#ifndef FOREBAY_AUTH_JWK_H
#define FOREBAY_AUTH_JWK_H

#include "auth/keyring.h"

/* 0; ERR_UNSUPPORTED: a sound key that is not for verifying with one of the algorithms; ERR_FAILED
 * with *why; ERR_MEMORY. key->public is the caller's. */
int jwk_read(struct keyring_key *key, struct slice json, unsigned algorithms, struct arena *a,
	     const char **why) MUST_CHECK;
/* What is asked of any public key: *algorithm and is_slow are set by its kind and size. NULL, or
 * what is wrong with it. */
const char *jwk_judge(struct keyring_key *key);

#endif
