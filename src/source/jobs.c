/*
 * The table of built-in compute jobs, and what the hashing ones share.
 */
#include "source/jobs.h"

#include "base/encode.h"

#define JOB(name) extern const struct job_type job_##name;
#include "source/jobs.def"
#undef JOB

static const struct job_type *const all[] = {
#define JOB(name) &job_##name,
#include "source/jobs.def"
#undef JOB
};

const char *const job_algorithms[] = { "sha256", "sha384", "sha512", NULL };
static const char *const openssl_names[] = { "SHA256", "SHA384", "SHA512" };
const char *const job_encodings[] = { "hex", "base64", NULL };

bool
job_call_is_cancelled(const struct job_call *c)
{
	return c->is_cancelled ? c->is_cancelled(c) : job_is_cancelled(c->job);
}

const struct job_type *const *
jobs_all(size_t *count)
{
	*count = sizeof(all) / sizeof(all[0]);
	return all;
}

const struct job_type *
jobs_find(struct slice name)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (slice_eq(slice_of(all[i]->name), name))
			return all[i];
	}
	return NULL;
}

const char *
job_algorithm_name(unsigned algorithm)
{
	return openssl_names[algorithm];
}

void
job_write_encoded(struct buffer *b, enum job_encoding encoding, struct slice bytes)
{
	struct writer w;

	if (encoding == JOB_BASE64) {
		buffer_base64(b, bytes);
		return;
	}
	w = buffer_room(b, 2 * bytes.len);
	encode_hex(&w, bytes);
	buffer_wrote(b, &w);
}
