/*
 * Signatures of tokens (RFC 7518 3, RFC 8037 3.1). Any thread.
 */
#ifndef FOREBAY_AUTH_SIGNATURE_H
#define FOREBAY_AUTH_SIGNATURE_H

#include "auth/keyring.h"

/* 0: it is right. ERR_FORBIDDEN: it is not. ERR_MEMORY or ERR_FAILED: who knows. */
int signature_verify(const struct keyring_key *key, struct slice signed_part,
		     struct slice signature) MUST_CHECK;

#endif
