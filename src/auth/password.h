/*
 * Passwords against their hashes, by kind of hash: one const table each (password_bcrypt.c,
 * password_argon2.c), where the library is there.
 *
 * A hash states what it costs; what would cost too much to be asked for by anybody on the network
 * is refused when its file is read. password_verify() takes that time: it is for pool threads.
 */
#ifndef FOREBAY_AUTH_PASSWORD_H
#define FOREBAY_AUTH_PASSWORD_H

#include "base/err.h"
#include "base/slice.h"

/* Longest password that is looked at: what crypt(3) takes. */
enum { PASSWORD_BYTES = 511 };

struct password_kind {
	const char *name;
	struct slice prefix; /* that its hashes start with */
	/* NULL, or what is wrong with a hash, in half a sentence. */
	const char *(*check)(struct slice hash);
	/* As password_verify; the password has a NUL behind it and none inside. */
	int (*verify)(struct slice hash, struct slice password);
};

/* NULL, or why no password could be checked against that text: it is of no kind that this program
 * knows, malformed, or too dear. The hash has a NUL behind it. */
const char *password_check_hash(struct slice hash);
/* 0: it is the password. ERR_FORBIDDEN: it is another one. ERR_MEMORY, ERR_FAILED. Of a hash that
 * was checked; both have a NUL behind them. Any thread; takes long. */
int password_verify(struct slice hash, struct slice password) MUST_CHECK;

/* "bcrypt, argon2id": what this program can check; "none". */
const char *password_kinds(void);

#endif
