/*
 * bcrypt by crypt_r(3) of libxcrypt: $2b$12$ and 53 digits. $2a$ and $2y$ are the same function for
 * hashes that a sound program made (crypt(5)). Only the first 72 bytes of a password count.
 */
#include "auth/password_priv.h"
#include "base/mem.h"

#include <crypt.h>
#include <openssl/crypto.h>

enum {
	BCRYPT_BYTES = 60,
	COST_AT = 4,
	DIGITS_AT = 7,
	/* 2 to the power of it rounds: 15 is two seconds on a machine on which 10 is 60 ms. */
	COST_MIN = 4,
	COST_MAX = 15,
};

static bool
is_digit(char c)
{
	return ascii_is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
	       c == '/';
}

static const char *
check(struct slice hash)
{
	unsigned cost;

	if (hash.len != BCRYPT_BYTES || hash.at[DIGITS_AT - 1] != '$' ||
	    !ascii_is_digit(hash.at[COST_AT]) || !ascii_is_digit(hash.at[COST_AT + 1]))
		return "a hash of bcrypt is $2b$NN$ and 53 characters";
	for (size_t i = DIGITS_AT; i < hash.len; i++) {
		if (!is_digit(hash.at[i]))
			return "a hash of bcrypt is $2b$NN$ and 53 characters";
	}
	cost = (unsigned)(hash.at[COST_AT] - '0') * 10 + (unsigned)(hash.at[COST_AT + 1] - '0');
	if (cost < COST_MIN || cost > COST_MAX)
		return "the cost of a hash of bcrypt is from 04 to 15";
	return NULL;
}

static int
verify(struct slice hash, struct slice password)
{
	struct crypt_data *work = mem_zalloc(1, sizeof(*work));
	const char *made;
	int err = ERR_FORBIDDEN;

	if (!work)
		return ERR_MEMORY;
	made = crypt_r(password.at, hash.at, work);
	if (!made || strlen(made) != hash.len)
		err = ERR_FAILED;
	else if (CRYPTO_memcmp(made, hash.at, hash.len) == 0)
		err = 0;
	OPENSSL_cleanse(work, sizeof(*work));
	mem_free(&work);
	return err;
}

const struct password_kind password_bcrypt = {
	.name = "bcrypt", .prefix = SLICE_INIT("$2b$"), .check = check, .verify = verify
};
const struct password_kind password_bcrypt_a = {
	.name = "bcrypt", .prefix = SLICE_INIT("$2a$"), .check = check, .verify = verify
};
const struct password_kind password_bcrypt_y = {
	.name = "bcrypt", .prefix = SLICE_INIT("$2y$"), .check = check, .verify = verify
};
