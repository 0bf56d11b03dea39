/*
 * A bounded memory of verdicts: whether these credentials were right, so that who repeats them
 * costs no verification. What is kept is a keyed hash (HMAC-SHA-256, a random key of its own) and
 * never the credentials. Entries are in sets of a few; a full set forgets what would end first of
 * its own kind: wrong credentials never drive out right ones, or whoever tries passwords could.
 *
 * Of one thread: each worker has its own, for each [auth] section. It ends with the site.
 */
#ifndef FOREBAY_AUTH_RECALL_H
#define FOREBAY_AUTH_RECALL_H

#include "base/err.h"
#include "base/slice.h"

enum { RECALL_DIGEST_BYTES = 32 };

struct recall;

struct recall_digest {
	unsigned char at[RECALL_DIGEST_BYTES];
};

enum recall_verdict { RECALL_UNKNOWN, RECALL_RIGHT, RECALL_WRONG };

/* Of about so many entries of each kind. NULL without memory or randomness. */
struct recall *recall_new(unsigned entries) MUST_CHECK;
/* NULL is allowed; clears *r. */
void recall_free(struct recall **r);

/* ERR_FAILED when the library fails: then nothing is known of them, and nothing can be kept. */
int recall_hash(struct recall *r, struct slice credentials, struct recall_digest *d) MUST_CHECK;
/* Compared in constant time. */
enum recall_verdict recall_find(const struct recall *r, const struct recall_digest *d,
				uint64_t now_ns);
/* Until then: an absolute time. */
void recall_keep(struct recall *r, const struct recall_digest *d, enum recall_verdict verdict,
		 uint64_t now_ns, uint64_t until_ns);

#endif
