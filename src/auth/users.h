/*
 * A file of users and the hashes of their passwords, as htpasswd(1) writes it:
 *
 *   # comments, and blank lines, are skipped
 *   alice:$2y$10$...
 *   bob:$argon2id$v=19$m=65536,t=3,p=1$...
 *
 * Read once per site by the builder; then read by every worker.
 */
#ifndef FOREBAY_AUTH_USERS_H
#define FOREBAY_AUTH_USERS_H

#include "base/arena.h"
#include "base/err.h"
#include "config/errors.h"

enum { USERS_MAX = 65536, USERS_FILE_BYTES = 16 << 20, USERS_NAME_BYTES = 255 };

struct users_entry {
	struct slice name;
	struct slice hash; /* a NUL follows */
	unsigned line;
};

struct users {
	struct users_entry *at; /* by name */
	unsigned count;
};

/* What is wrong is added to errors with its place in the file; *why says why there is no file to
 * read. 0; ERR_SYNTAX: errors were added; ERR_FAILED: see *why; ERR_MEMORY. */
int users_read(struct users *u, const char *path, struct arena *a, struct conf_errors *e,
	       const char **why) MUST_CHECK;
/* NULL: there is no such user. */
const struct users_entry *users_find(const struct users *u, struct slice name);
/* The entry whose hash is verified for a name that nobody bears, so that it takes as long as for
 * one that somebody does: of one name always the same, and of all names as often each. NULL: there
 * are no users. */
const struct users_entry *users_stand_in(const struct users *u, struct slice name);
/* A user-id that may stand before the colon (RFC 7617 2): no control, no colon, UTF-8. */
bool users_is_name(struct slice name);

#endif
