/*
 * The job `digest`: a hash of the input as text.
 */
#include "source/jobs.h"

#include <openssl/evp.h>

enum {
	STEP_BYTES = 256 * 1024, /* hashed between two looks at who still waits: under 1 ms */
	FIXED_BYTES = 4096, /* as many could be hashed while a run begins and ends */
};

struct digest_conf {
	unsigned algorithm; /* place in job_algorithms */
	enum job_encoding encoding;
};

static const struct conf_key keys[] = {
	{ "algorithm", CONF_WORD, CONF_FIELD(struct digest_conf, algorithm), .def = "sha256",
	  .words = job_algorithms, .help = "hash function" },
	{ "encoding", CONF_WORD, CONF_FIELD(struct digest_conf, encoding), .def = "hex",
	  .words = job_encodings, .help = "how the hash is written" },
	CONF_KEYS_END,
};

static int
hash_input(struct job_call *c, EVP_MD_CTX *hash)
{
	struct slice rest = c->input;

	while (rest.len > 0) {
		size_t step = rest.len < STEP_BYTES ? rest.len : STEP_BYTES;
		if (job_call_is_cancelled(c))
			return ERR_CANCELLED;
		if (EVP_DigestUpdate(hash, rest.at, step) != 1)
			return ERR_FAILED;
		rest = slice_after(rest, step);
	}
	return 0;
}

static int
run(struct job_call *c)
{
	const struct digest_conf *conf = c->conf;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned bytes = 0;
	EVP_MD *algorithm = EVP_MD_fetch(NULL, job_algorithm_name(conf->algorithm), NULL);
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	int err = ERR_MEMORY;

	if (!algorithm || !hash || EVP_DigestInit_ex2(hash, algorithm, NULL) != 1)
		goto end;
	err = hash_input(c, hash);
	if (err)
		goto end;
	if (EVP_DigestFinal_ex(hash, digest, &bytes) != 1)
		err = ERR_FAILED;
	else
		job_write_encoded(c->output, conf->encoding, slice_make((char *)digest, bytes));
end:
	EVP_MD_CTX_free(hash);
	EVP_MD_free(algorithm);
	return err;
}

/* Beside its bytes each run has about as much to do as for so many more. */
static uint64_t
units_of(const struct job_call *c, struct arena *a)
{
	(void)a;
	return c->input.len + FIXED_BYTES;
}

const struct job_type job_digest = {
	.name = "digest",
	.keys = keys,
	.conf_size = sizeof(struct digest_conf),
	.run = run,
	.units = units_of,
};
