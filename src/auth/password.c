/*
 * The kinds of hashes; see password.h.
 */
#include "auth/password.h"

#include "auth/password_priv.h"
#include "config.h"

static const struct password_kind *const kinds[] = {
#ifdef HAVE_CRYPT
	&password_bcrypt,
	&password_bcrypt_a,
	&password_bcrypt_y,
#endif
#ifdef HAVE_ARGON2
	&password_argon2,
#endif
	NULL,
};

/* What other programs write into such files, so that the message can name it. */
static const struct {
	struct slice prefix;
	const char *why;
} others[] = {
#ifndef HAVE_CRYPT
	{ SLICE_INIT("$2"), "this program was built without bcrypt (libxcrypt)" },
#endif
#ifndef HAVE_ARGON2
	{ SLICE_INIT("$argon2id$"), "this program was built without argon2id (libargon2)" },
#endif
	{ SLICE_INIT("$2x$"),
	  "$2x$ marks hashes of a faulty bcrypt: let the password be set anew" },
	{ SLICE_INIT("$argon2"), "of the kinds of Argon2 only argon2id is taken" },
	{ SLICE_INIT("$apr1$"), "MD5 is no hash for passwords: use htpasswd -B (bcrypt)" },
	{ SLICE_INIT("{SHA}"), "SHA-1 is no hash for passwords: use htpasswd -B (bcrypt)" },
	{ SLICE_INIT("$1$"), "MD5 is no hash for passwords: use htpasswd -B (bcrypt)" },
	{ SLICE_INIT("$"), "that kind of hash is not taken: use bcrypt or argon2id" },
};

static const struct password_kind *
find_kind(struct slice hash)
{
	for (unsigned i = 0; kinds[i]; i++) {
		if (slice_has_prefix(hash, kinds[i]->prefix))
			return kinds[i];
	}
	return NULL;
}

const char *
password_check_hash(struct slice hash)
{
	const struct password_kind *kind = find_kind(hash);

	if (kind)
		return kind->check(hash);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (slice_has_prefix(hash, others[i].prefix))
			return others[i].why;
	}
	return "that is no hash of bcrypt or argon2id";
}

int
password_verify(struct slice hash, struct slice password)
{
	const struct password_kind *kind = find_kind(hash);

	/* What crypt(3) sees ends at the first NUL: it would take the rest for granted. */
	if (!kind || password.len > PASSWORD_BYTES ||
	    (password.len > 0 && memchr(password.at, '\0', password.len)))
		return ERR_FORBIDDEN;
	return kind->verify(hash, password);
}

const char *
password_kinds(void)
{
#if defined(HAVE_CRYPT) && defined(HAVE_ARGON2)
	return "bcrypt (libxcrypt " CRYPT_BUILT_WITH "), argon2id (libargon2 " ARGON2_BUILT_WITH
	       ")";
#elif defined(HAVE_CRYPT)
	return "bcrypt (libxcrypt " CRYPT_BUILT_WITH ")";
#elif defined(HAVE_ARGON2)
	return "argon2id (libargon2 " ARGON2_BUILT_WITH ")";
#else
	return "no";
#endif
}
