/*
 * Argon2id (RFC 9106) by libargon2, from hashes in the form of the PHC:
 *
 *   $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH        base64 without padding
 *
 * The form is read here and not by argon2_verify(), which would start a thread for each lane: a job
 * has the one thread that the pool gave it. The lanes are still those of the hash.
 */
#include "auth/password_priv.h"
#include "base/decode.h"
#include "base/mem.h"

#include <argon2.h>
#include <openssl/crypto.h>

enum {
	TEXT_MAX = 512,
	SALT_MIN = 8,
	OUT_MIN = 16,
	FIELD_MAX = 64, /* bytes of salt, of output */
	MEMORY_MAX = 1 << 18, /* KiB: 256 MiB */
	PASSES_MAX = 64,
	LANES_MAX = 16,
	WORK_MAX = 1 << 20, /* memory times passes: about a second */
};

struct hash {
	uint64_t memory, passes, lanes;
	char salt[TEXT_MAX], out[TEXT_MAX];
	struct slice salt_bytes, out_bytes;
};

static bool
take(struct slice *rest, struct slice prefix)
{
	if (!slice_has_prefix(*rest, prefix))
		return false;
	*rest = slice_after(*rest, prefix.len);
	return true;
}

static bool
take_number(struct slice *rest, struct slice prefix, uint64_t *value)
{
	size_t n = 0;

	if (!take(rest, prefix))
		return false;
	while (n < rest->len && ascii_is_digit(rest->at[n]))
		n++;
	if (n == 0 || n > 9 || slice_to_u64(slice_make(rest->at, n), value) != 0)
		return false;
	*rest = slice_after(*rest, n);
	return true;
}

/* `text` is no longer than TEXT_MAX. */
static bool
read_bytes(struct slice text, size_t min, char memory[TEXT_MAX], struct slice *bytes)
{
	/* What decodes as base64url is the same without its two digits: map them. */
	char mapped[TEXT_MAX];

	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '-' || text.at[i] == '_')
			return false;
		mapped[i] = text.at[i] == '+' ? '-' : text.at[i] == '/' ? '_' : text.at[i];
	}
	return decode_base64url(slice_make(mapped, text.len), memory, bytes) == 0 &&
	       bytes->len >= min && bytes->len <= FIELD_MAX;
}

static bool
read_hash(struct slice text, struct hash *h)
{
	struct slice salt;

	if (text.len >= TEXT_MAX || !take(&text, SLICE("$argon2id$v=19$")) ||
	    !take_number(&text, SLICE("m="), &h->memory) ||
	    !take_number(&text, SLICE(",t="), &h->passes) ||
	    !take_number(&text, SLICE(",p="), &h->lanes) || !take(&text, SLICE("$")))
		return false;
	salt = slice_cut(&text, '$');
	return read_bytes(salt, SALT_MIN, h->salt, &h->salt_bytes) &&
	       read_bytes(text, OUT_MIN, h->out, &h->out_bytes);
}

static const char *
check(struct slice text)
{
	struct hash h;

	if (!read_hash(text, &h))
		return "a hash of argon2id is $argon2id$v=19$m=M,t=T,p=P$SALT$HASH";
	if (h.passes == 0 || h.lanes == 0 || h.memory < 8 * h.lanes)
		return "argon2id asks for t and p from 1 on, and m from eight times p on";
	if (h.memory > MEMORY_MAX || h.passes > PASSES_MAX || h.lanes > LANES_MAX ||
	    h.memory * h.passes > WORK_MAX)
		return "of argon2id m is at most 262144 (256 MiB), t 64, p 16, and m times t "
		       "1048576";
	return NULL;
}

static int
allocate(uint8_t **memory, size_t bytes)
{
	*memory = mem_alloc(bytes);
	return *memory ? ARGON2_OK : ARGON2_MEMORY_ALLOCATION_ERROR;
}

static void
release(uint8_t *memory, size_t bytes)
{
	(void)bytes;
	mem_release(memory);
}

static int
derive(const struct hash *h, struct slice password, uint8_t out[FIELD_MAX])
{
	argon2_context context = {
		.out = out,
		.outlen = (uint32_t)h->out_bytes.len,
		.pwd = (uint8_t *)(uintptr_t)password.at,
		.pwdlen = (uint32_t)password.len,
		.salt = (uint8_t *)(uintptr_t)h->salt_bytes.at,
		.saltlen = (uint32_t)h->salt_bytes.len,
		.t_cost = (uint32_t)h->passes,
		.m_cost = (uint32_t)h->memory,
		.lanes = (uint32_t)h->lanes,
		.threads = 1,
		.version = ARGON2_VERSION_13,
		.allocate_cbk = allocate,
		.free_cbk = release,
		.flags = ARGON2_DEFAULT_FLAGS, /* the password is const: not wiped by the library */
	};
	int code = argon2_ctx(&context, Argon2_id);

	return code == ARGON2_OK                        ? 0
	       : code == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_MEMORY
							: ERR_FAILED;
}

static int
verify(struct slice text, struct slice password)
{
	struct hash h;
	uint8_t out[FIELD_MAX];
	int err;

	if (!read_hash(text, &h))
		return ERR_FAILED;
	err = derive(&h, password, out);
	if (!err && CRYPTO_memcmp(out, h.out_bytes.at, h.out_bytes.len) != 0)
		err = ERR_FORBIDDEN;
	OPENSSL_cleanse(out, sizeof(out));
	return err;
}

const struct password_kind password_argon2 = {
	.name = "argon2id", .prefix = SLICE_INIT("$argon2id$"), .check = check, .verify = verify
};
