/*
 * The members of a JSON object that decides something - a token's header, its claims, a key - read
 * once and strictly: a name that comes twice is refused, because two readers would take different
 * ones (RFC 7515 4, RFC 7519 4), and so is what nests deep or has very many members.
 */
#ifndef FOREBAY_AUTH_MEMBERS_H
#define FOREBAY_AUTH_MEMBERS_H

#include "base/arena.h"
#include "base/err.h"

enum { MEMBERS_MAX = 64, MEMBERS_DEPTH = 16 };

struct members {
	unsigned count;
	struct slice name[MEMBERS_MAX]; /* unescaped; borrowed from the text, or in the arena */
	struct slice value[MEMBERS_MAX]; /* as they stand in the text */
};

/* Of a whole text. 0; ERR_SYNTAX: no JSON, no object, or a name twice; ERR_TOO_MANY; ERR_MEMORY. */
int members_read(struct members *m, struct slice json, struct arena *a) MUST_CHECK;
/* The value as it stands; false if there is none. */
bool members_find(const struct members *m, struct slice name, struct slice *value);
/* A string, unescaped. 0; ERR_MISSING; ERR_SYNTAX: it is no string; ERR_MEMORY. */
int members_text(const struct members *m, struct slice name, struct arena *a,
		 struct slice *text) MUST_CHECK;
/* The same of a value: what a string means, else ERR_SYNTAX. */
int members_unescape(struct slice raw, struct arena *a, struct slice *text) MUST_CHECK;

#endif
