/*
 * Reading and choosing keys; see keyring.h.
 */
#include "auth/keyring.h"

#include "auth/jwk.h"
#include "auth/members.h"
#include "auth/secret.h"
#include "base/json.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* --- one file ---------------------------------------------------------------------------- */

/* An encrypted key would need somebody who types its word. */
static int
no_password(char *into, int size, int is_writing, void *argument)
{
	(void)into;
	(void)size;
	(void)is_writing;
	(void)argument;
	return -1;
}

static EVP_PKEY *
read_public(struct slice text)
{
	BIO *bio = BIO_new_mem_buf(text.at, (int)text.len);
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;
	X509 *certificate = NULL;

	if (bio && !key && BIO_seek(bio, 0) == 0) {
		certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
		key = certificate ? X509_get_pubkey(certificate) : NULL;
	}
	X509_free(certificate);
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

static bool
has_text(struct slice text, struct slice wanted)
{
	return text.len > 0 && memmem(text.at, text.len, wanted.at, wanted.len) != NULL;
}

static int
take_secret(struct keyring *k, struct slice text, const char **why)
{
	/* RFC 8725 3.1: a public key is no secret, and everybody could sign with it. */
	if (has_text(text, SLICE("-----BEGIN "))) {
		*why = "it is PEM, and HS256 asks for a secret";
		return ERR_FAILED;
	}
	if (text.len > 0 && text.at[text.len - 1] == '\n')
		text.len--;
	if (text.len > 0 && text.at[text.len - 1] == '\r')
		text.len--;
	if (text.len < KEYRING_SECRET_MIN) {
		*why = "a secret of HS256 has 32 bytes or more (RFC 7518 3.2)";
		return ERR_FAILED;
	}
	k->at[0] = (struct keyring_key){ .algorithm = JWT_HS256, .secret = text };
	k->count = 1;
	return 0;
}

static int
take_public(struct keyring *k, struct slice text, unsigned algorithms, const char **why)
{
	if (has_text(text, SLICE("PRIVATE KEY-----"))) {
		*why = "a private key is in it: who checks tokens needs the public one alone";
		return ERR_FAILED;
	}
	k->at[0] = (struct keyring_key){ .public = read_public(text) };
	if (!k->at[0].public) {
		*why = "there is no public key and no certificate in PEM form in it";
		return ERR_FAILED;
	}
	k->count = 1;
	*why = jwk_judge(&k->at[0]);
	if (!*why && !(algorithms >> k->at[0].algorithm & 1))
		*why = "the key is not for the algorithms that are listed";
	return *why ? ERR_FAILED : 0;
}

int
keyring_read_file(struct keyring *k, const char *path, unsigned algorithms, struct arena *a,
		  const char **why)
{
	struct slice text;
	int err = secret_read(path, KEYRING_FILE_BYTES, a, &text, why);

	*k = (struct keyring){ .at = arena_zalloc(a, 1, sizeof(*k->at)) };
	if (err || !k->at)
		return err ? err : ERR_MEMORY;
	return algorithms == 1u << JWT_HS256 ? take_secret(k, text, why)
					     : take_public(k, text, algorithms, why);
}

/* --- sets ----------------------------------------------------------------------------------- */

static bool
is_known(const struct keyring *k, const struct keyring_key *key)
{
	for (unsigned i = 0; i < k->count; i++) {
		const struct keyring_key *other = &k->at[i];

		if (other->algorithm == key->algorithm && other->has_kid == key->has_kid &&
		    slice_eq(other->kid, key->kid))
			return true;
	}
	return false;
}

static int
take_key(struct keyring *k, struct slice json, unsigned algorithms, struct arena *a,
	 const char **why)
{
	struct keyring_key key;
	int err = jwk_read(&key, json, algorithms, a, why);

	if (!err && is_known(k, &key)) {
		*why = "another key has its kid (or both have none)";
		err = ERR_FAILED;
	}
	if (!err && k->count == KEYRING_MAX) {
		*why = "more than 64 keys";
		err = ERR_FAILED;
	}
	if (err) {
		EVP_PKEY_free(key.public);
		return err == ERR_UNSUPPORTED ? 0 : err;
	}
	k->at[k->count++] = key;
	return 0;
}

static int
take_keys(struct keyring *k, struct slice keys, unsigned algorithms, struct arena *a,
	  const char **why, unsigned *place)
{
	struct json_walk walk = json_walk_over(keys);
	struct slice json;
	int err = 0;

	while (!err && json_walk_element(&walk, &json)) {
		++*place;
		err = take_key(k, json, algorithms, a, why);
	}
	if (err)
		return err;
	*place = 0;
	*why = "there is no key for the algorithms that are listed in it";
	return k->count ? 0 : ERR_FAILED;
}

int
keyring_parse_set(struct keyring *k, struct slice json, unsigned algorithms, struct arena *a,
		  const char **why, unsigned *place)
{
	struct members m;
	struct slice keys;
	int err;

	*place = 0;
	*k = (struct keyring){ .at = arena_zalloc(a, KEYRING_MAX, sizeof(*k->at)) };
	if (!k->at)
		return ERR_MEMORY;
	err = members_read(&m, json, a);
	if (err || !members_find(&m, SLICE("keys"), &keys) || json_kind(keys) != JSON_ARRAY) {
		*why = "it is no JSON object with an array \"keys\" (RFC 7517 5)";
		return err == ERR_MEMORY ? err : ERR_FAILED;
	}
	return take_keys(k, keys, algorithms, a, why, place);
}

int
keyring_read_set(struct keyring *k, const char *path, unsigned algorithms, struct arena *a,
		 const char **why, unsigned *place)
{
	struct slice text;
	int err = secret_read(path, KEYRING_FILE_BYTES, a, &text, why);

	*place = 0;
	*k = (struct keyring){ 0 };
	return err ? err : keyring_parse_set(k, text, algorithms, a, why, place);
}

void
keyring_close(struct keyring *k)
{
	for (unsigned i = 0; i < k->count; i++)
		EVP_PKEY_free(k->at[i].public);
	*k = (struct keyring){ 0 };
}

/* --- choosing ------------------------------------------------------------------------------- */

const struct keyring_key *
keyring_find(const struct keyring *k, const struct jwt *t)
{
	const struct keyring_key *found = NULL;
	unsigned candidates = 0;

	for (unsigned i = 0; i < k->count; i++) {
		const struct keyring_key *key = &k->at[i];

		if (key->algorithm != t->algorithm)
			continue;
		if (t->has_kid && key->has_kid) {
			if (slice_eq(key->kid, t->kid))
				return key;
			continue;
		}
		found = key;
		candidates++;
	}
	return candidates == 1 ? found : NULL;
}
