/*
 * The module argon2: passwords hashed by Argon2id (RFC 9106) and verified, on libargon2, each run
 * on the one thread that the pool gave it. Its memory is the run's scratch memory, so that
 * `scratch` of the module's section bounds it, and what is waiting in the pool's queue has none.
 *
 * The text of a hash, in the form of the PHC, base64 without padding:
 *
 *   $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH
 */
#include <forebay_module.h>

#include <argon2.h>
#include <string.h>
#include <sys/random.h>

enum {
	SALT_BYTES = 16,
	OUT_BYTES = 32,
	FIELD_MAX = 64, /* of salt and output, in bytes */
	TEXT_MAX = 256, /* of a hash as text */
	MEMORY_MAX = 1 << 20, /* KiB */
	PASSES_MAX = 64,
	LANES_MAX = 16,
};

struct hash_params {
	uint32_t memory_kib, passes, lanes;
};

struct verify_params {
	struct forebay_bytes hash;
	uint32_t mismatch;
};

/* What a hash says. */
struct hash {
	uint32_t memory_kib, passes, lanes;
	uint8_t salt[FIELD_MAX], out[FIELD_MAX];
	size_t salt_bytes, out_bytes;
};

/* --- the library ---------------------------------------------------------------------- */

/* The run of this thread, for a callback that gets no argument. */
static _Thread_local struct forebay_call *running;

static int
allocate(uint8_t **memory, size_t bytes)
{
	*memory = (uint8_t *)forebay_alloc(running, bytes);
	return *memory ? ARGON2_OK : ARGON2_MEMORY_ALLOCATION_ERROR;
}

/* It is given back when the run ends. */
static void
leave(uint8_t *memory, size_t bytes)
{
	(void)memory;
	(void)bytes;
}

/* Fills h->out from the input. The library cannot be interrupted. */
static int
derive(struct forebay_call *c, struct hash *h)
{
	argon2_context context = {
		.out = h->out,
		.outlen = (uint32_t)h->out_bytes,
		/* It is not written to: the flags do not ask for that. */
		.pwd = (uint8_t *)(uintptr_t)c->input.at,
		.pwdlen = (uint32_t)c->input.len,
		.salt = h->salt,
		.saltlen = (uint32_t)h->salt_bytes,
		.t_cost = h->passes,
		.m_cost = h->memory_kib,
		.lanes = h->lanes,
		.threads = 1,
		.version = ARGON2_VERSION_13,
		.allocate_cbk = allocate,
		.free_cbk = leave,
		.flags = ARGON2_DEFAULT_FLAGS,
	};
	int code;

	if (c->input.len > UINT32_MAX)
		return FOREBAY_TOO_LARGE;
	running = c;
	code = argon2_ctx(&context, Argon2_id);
	if (code == ARGON2_MEMORY_ALLOCATION_ERROR)
		return FOREBAY_NO_MEMORY;
	return code == ARGON2_OK ? 0 : forebay_fail(c, "%s", argon2_error_message(code));
}

/* --- text -------------------------------------------------------------------------------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void
write_base64(struct forebay_call *c, const uint8_t *at, size_t len)
{
	char text[2 * FIELD_MAX];
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | at[i];
		for (have += 8; have >= 6; have -= 6)
			text[n++] = digits[bits >> (have - 6) & 63];
	}
	if (have)
		text[n++] = digits[bits << (6 - have) & 63];
	(void)forebay_write(c, text, n);
}

/* Up to *end; false if it is not base64 of so many bytes. */
static bool
read_base64(const char **at, char end, uint8_t *out, size_t *len)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (*len = 0; **at != end; ++*at) {
		const char *digit = **at ? strchr(digits, **at) : NULL;

		if (!digit)
			return false;
		bits = bits << 6 | (uint32_t)(digit - digits);
		have += 6;
		if (have < 8)
			continue;
		if (*len == FIELD_MAX)
			return false;
		have -= 8;
		out[(*len)++] = (uint8_t)(bits >> have);
	}
	return have < 6 && (bits & ((1U << have) - 1)) == 0;
}

static bool
skip(const char **at, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*at, prefix, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool
read_number(const char **at, const char *prefix, uint32_t max, uint32_t *value)
{
	*value = 0;
	if (!skip(at, prefix) || **at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		*value = *value * 10 + (uint32_t)(**at - '0');
		if (*value > max)
			return false;
	}
	return true;
}

static bool
read_hash(struct forebay_bytes text, struct hash *h)
{
	char copy[TEXT_MAX];
	const char *at = copy;

	if (text.len >= sizeof(copy))
		return false;
	if (text.len)
		memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	return skip(&at, "$argon2id$v=19$") && read_number(&at, "m=", MEMORY_MAX, &h->memory_kib) &&
	       read_number(&at, ",t=", PASSES_MAX, &h->passes) &&
	       read_number(&at, ",p=", LANES_MAX, &h->lanes) && skip(&at, "$") &&
	       read_base64(&at, '$', h->salt, &h->salt_bytes) && skip(&at, "$") &&
	       read_base64(&at, '\0', h->out, &h->out_bytes) && strlen(copy) == text.len;
}

/* --- the jobs ------------------------------------------------------------------------------- */

static int
hash_run(struct forebay_call *c)
{
	const struct hash_params *p = (const struct hash_params *)c->params;
	struct hash h = {
		.memory_kib = p->memory_kib,
		.passes = p->passes,
		.lanes = p->lanes,
		.salt_bytes = SALT_BYTES,
		.out_bytes = OUT_BYTES,
	};
	int err;

	if (getrandom(h.salt, SALT_BYTES, 0) != SALT_BYTES)
		return forebay_fail(c, "there is no randomness");
	err = derive(c, &h);
	if (err)
		return err;
	forebay_printf(c, "$argon2id$v=19$m=%u,t=%u,p=%u$", h.memory_kib, h.passes, h.lanes);
	write_base64(c, h.salt, h.salt_bytes);
	(void)forebay_write(c, "$", 1);
	write_base64(c, h.out, h.out_bytes);
	return 0;
}

/* In a time that does not depend on where they differ. */
static bool
is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
	unsigned difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= (unsigned)(a[i] ^ b[i]);
	return difference == 0;
}

static int
verify_run(struct forebay_call *c)
{
	const struct verify_params *p = (const struct verify_params *)c->params;
	struct hash known, found;
	bool is_right;
	int err;

	if (!read_hash(p->hash, &known))
		return forebay_fail(c,
				    "what should be a hash is none of argon2id, or one that asks "
				    "for too much");
	found = known;
	err = derive(c, &found);
	if (err)
		return err;
	is_right = is_same(known.out, found.out, known.out_bytes);
	err = forebay_set_type(c, "application/json");
	if (!err && !is_right)
		err = forebay_set_status(c, (int)p->mismatch);
	return err ? err : forebay_printf(c, "%s", is_right ? "true" : "false");
}

/* Blocks of a KiB that are filled. */
static uint64_t
hash_units(const struct forebay_hint *h)
{
	const struct hash_params *p = (const struct hash_params *)h->params;

	return (uint64_t)p->memory_kib * p->passes;
}

static uint64_t
verify_units(const struct forebay_hint *h)
{
	const struct verify_params *p = (const struct verify_params *)h->params;
	struct hash known;

	return read_hash(p->hash, &known) ? (uint64_t)known.memory_kib * known.passes : 0;
}

/* --- the module --------------------------------------------------------------------------- */

static const struct forebay_param hash_params[] = {
	{ .name = "memory",
	  .type = FOREBAY_UINT,
	  FOREBAY_FIELD(struct hash_params, memory_kib),
	  .def = "12288",
	  .min = 8 * LANES_MAX,
	  .max = MEMORY_MAX,
	  .help = "memory of a hash, in KiB; the module's scratch bounds it" },
	{ .name = "passes",
	  .type = FOREBAY_UINT,
	  FOREBAY_FIELD(struct hash_params, passes),
	  .def = "3",
	  .min = 1,
	  .max = PASSES_MAX,
	  .help = "passes over it" },
	{ .name = "lanes",
	  .type = FOREBAY_UINT,
	  FOREBAY_FIELD(struct hash_params, lanes),
	  .def = "1",
	  .min = 1,
	  .max = LANES_MAX,
	  .help = "lanes of the hash; one thread computes them all" },
	FOREBAY_PARAMS_END
};

static const struct forebay_param verify_params[] = {
	{ .name = "hash",
	  .type = FOREBAY_TEMPLATE,
	  FOREBAY_FIELD(struct verify_params, hash),
	  .flags = FOREBAY_REQUIRED,
	  .help = "the hash that the input should have, such as {user.password}" },
	{ .name = "mismatch",
	  .type = FOREBAY_UINT,
	  FOREBAY_FIELD(struct verify_params, mismatch),
	  .def = "403",
	  .min = 200,
	  .max = 599,
	  .help = "status of the answer when it has another one" },
	FOREBAY_PARAMS_END
};

static const struct forebay_job jobs[] = {
	{ .name = "argon2-hash",
	  .help = "the input as a password, hashed by Argon2id with a salt of its own",
	  .params = hash_params,
	  .params_size = sizeof(struct hash_params),
	  .run = hash_run,
	  .units = hash_units },
	{ .name = "argon2-verify",
	  .help = "whether the input is the password of a hash: true or false",
	  .params = verify_params,
	  .params_size = sizeof(struct verify_params),
	  .run = verify_run,
	  .units = verify_units },
	FOREBAY_JOBS_END
};

const struct forebay_module forebay_module = { FOREBAY_MODULE_HEAD, .name = "argon2",
					       .version = MODULE_VERSION, .jobs = jobs };
