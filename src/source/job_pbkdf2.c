/*
 * The job `pbkdf2`: a key derived from the input as password (RFC 8018 5.2),
 * with HMAC (RFC 2104) over the hash. OpenSSL's own function cannot be told to
 * stop; here the iterations run in slices.
 *
 * HMAC's first block of each of its two hashes is the same in all iterations,
 * so both are hashed once and copied, which makes this faster than
 * PKCS5_PBKDF2_HMAC of OpenSSL 3.0 too.
 */
#include "source/jobs.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum {
	BLOCK_MAX = 128, /* of SHA-512 */
	ROUNDS = 512, /* iterations between two looks at who still waits: about 0.3 ms */
	KEY_MAX = 1024,
};

struct pbkdf2_conf {
	uint32_t iterations;
	struct slice salt;
	unsigned algorithm; /* place in job_algorithms */
	enum job_encoding encoding;
	unsigned bytes;
};

static const struct conf_key keys[] = {
	{ "iterations", CONF_UINT, CONF_FIELD(struct pbkdf2_conf, iterations), .def = "600000",
	  .min = 1, .max = 100000000, .help = "rounds of the hash: the cost" },
	{ "salt", CONF_TEMPLATE, CONF_FIELD(struct pbkdf2_conf, salt), .flags = CONF_REQUIRED,
	  .help = "salt" },
	{ "algorithm", CONF_WORD, CONF_FIELD(struct pbkdf2_conf, algorithm), .def = "sha256",
	  .words = job_algorithms, .help = "hash function below HMAC" },
	{ "encoding", CONF_WORD, CONF_FIELD(struct pbkdf2_conf, encoding), .def = "hex",
	  .words = job_encodings, .help = "how the key is written" },
	{ "bytes", CONF_UINT, CONF_FIELD(struct pbkdf2_conf, bytes), .def = "32", .min = 1,
	  .max = KEY_MAX, .help = "length of the key before it is encoded" },
	CONF_KEYS_END,
};

struct derivation {
	struct job_call *call;
	EVP_MD *algorithm;
	EVP_MD_CTX *inner, *outer; /* the padded password has been hashed */
	EVP_MD_CTX *hash;
	unsigned hash_bytes;
	unsigned char u[EVP_MAX_MD_SIZE]; /* U_i of RFC 8018 */
};

/* --- HMAC ------------------------------------------------------------------------ */

static bool
start_pad(struct derivation *d, EVP_MD_CTX *hash, const unsigned char *key, unsigned char with)
{
	unsigned char pad[BLOCK_MAX];
	size_t block = (size_t)EVP_MD_get_block_size(d->algorithm);
	bool is_done;

	for (size_t i = 0; i < block; i++)
		pad[i] = key[i] ^ with;
	is_done = EVP_DigestInit_ex2(hash, d->algorithm, NULL) == 1 &&
		  EVP_DigestUpdate(hash, pad, block) == 1;
	OPENSSL_cleanse(pad, sizeof(pad));
	return is_done;
}

/* RFC 2104 2: a key longer than a block is hashed first; zeros fill the block. */
static bool
start_hmac(struct derivation *d, struct slice password)
{
	unsigned char key[BLOCK_MAX] = { 0 };
	bool is_done = true;

	if (password.len > (size_t)EVP_MD_get_block_size(d->algorithm))
		is_done = EVP_Digest(password.at, password.len, key, NULL, d->algorithm, NULL) == 1;
	else if (password.len > 0)
		memcpy(key, password.at, password.len);
	is_done = is_done && start_pad(d, d->inner, key, 0x36) && start_pad(d, d->outer, key, 0x5c);
	OPENSSL_cleanse(key, sizeof(key));
	return is_done;
}

/* u becomes HMAC(password, a | b). `a` may be u itself. */
static bool
hmac(struct derivation *d, const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	return EVP_MD_CTX_copy_ex(d->hash, d->inner) == 1 &&
	       EVP_DigestUpdate(d->hash, a, a_bytes) == 1 &&
	       EVP_DigestUpdate(d->hash, b, b_bytes) == 1 &&
	       EVP_DigestFinal_ex(d->hash, d->u, NULL) == 1 &&
	       EVP_MD_CTX_copy_ex(d->hash, d->outer) == 1 &&
	       EVP_DigestUpdate(d->hash, d->u, d->hash_bytes) == 1 &&
	       EVP_DigestFinal_ex(d->hash, d->u, NULL) == 1;
}

/* --- the key --------------------------------------------------------------------- */

/* T_index of RFC 8018 5.2, step 3, into t. */
static int
derive_block(struct derivation *d, uint32_t index, unsigned char t[EVP_MAX_MD_SIZE])
{
	const struct pbkdf2_conf *conf = d->call->conf;
	struct slice salt = d->call->text[0];
	unsigned char number[4] = { (unsigned char)(index >> 24), (unsigned char)(index >> 16),
				    (unsigned char)(index >> 8), (unsigned char)index };

	if (!hmac(d, salt.at, salt.len, number, sizeof(number)))
		return ERR_FAILED;
	memcpy(t, d->u, d->hash_bytes);
	for (uint32_t i = 1; i < conf->iterations; i++) {
		if (i % ROUNDS == 0 && job_call_is_cancelled(d->call))
			return ERR_CANCELLED;
		if (!hmac(d, d->u, d->hash_bytes, NULL, 0))
			return ERR_FAILED;
		for (unsigned k = 0; k < d->hash_bytes; k++)
			t[k] ^= d->u[k];
	}
	return 0;
}

static int
derive_key(struct derivation *d)
{
	const struct pbkdf2_conf *conf = d->call->conf;
	unsigned char key[KEY_MAX + EVP_MAX_MD_SIZE];
	unsigned filled = 0;
	int err = 0;

	for (uint32_t index = 1; filled < conf->bytes && !err; index++) {
		err = job_call_is_cancelled(d->call) ? ERR_CANCELLED
						     : derive_block(d, index, key + filled);
		filled += d->hash_bytes;
	}
	if (!err)
		job_write_encoded(d->call->output, conf->encoding,
				  slice_make((char *)key, conf->bytes));
	OPENSSL_cleanse(key, sizeof(key));
	return err;
}

static int
run(struct job_call *c)
{
	const struct pbkdf2_conf *conf = c->conf;
	struct derivation d = { .call = c };
	int err = ERR_MEMORY;

	d.algorithm = EVP_MD_fetch(NULL, job_algorithm_name(conf->algorithm), NULL);
	d.inner = EVP_MD_CTX_new();
	d.outer = EVP_MD_CTX_new();
	d.hash = EVP_MD_CTX_new();
	if (d.algorithm && d.inner && d.outer && d.hash) {
		d.hash_bytes = (unsigned)EVP_MD_get_size(d.algorithm);
		err = start_hmac(&d, c->input) ? derive_key(&d) : ERR_FAILED;
	}
	EVP_MD_CTX_free(d.hash);
	EVP_MD_CTX_free(d.outer);
	EVP_MD_CTX_free(d.inner);
	EVP_MD_free(d.algorithm);
	OPENSSL_cleanse(d.u, sizeof(d.u));
	return err;
}

const struct job_type job_pbkdf2 = {
	.name = "pbkdf2",
	.keys = keys,
	.conf_size = sizeof(struct pbkdf2_conf),
	.run = run,
};
