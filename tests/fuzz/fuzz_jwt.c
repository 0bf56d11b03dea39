/*
 * Tokens, their claims, key sets and files of hashes (auth/): all that is read before or after a
 * signature. The first byte says what the rest is:
 *
 *   t   a token
 *   c   the JSON of a header, a newline, the JSON of claims: a token is made of them
 *   k   a JSON Web Key Set
 *   h   the hash of a password
 */
#include "auth/claims.h"
#include "auth/jwt.h"
#include "auth/keyring.h"
#include "auth/password.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/utf8.h"
#include "fuzz.h"

enum { TEXT_BYTES = 6000, TOKEN_BYTES = 3 * TEXT_BYTES, NOW = 1700000000 };

static const struct slice issuer[] = { SLICE_INIT("joe") }, audience[] = { SLICE_INIT("api") },
			  scope[] = { SLICE_INIT("read") };
static const struct conf_named require[] = { { SLICE_INIT("a.b"), SLICE_INIT("1"), NULL } };

static const struct claims_terms terms[] = {
	{ .user = SLICE_INIT("sub") },
	{ .user = SLICE_INIT("a.b"),
	  .issuer = { issuer, 1 },
	  .audience = { audience, 1 },
	  .scope = { scope, 1 },
	  .require = { require, 1 },
	  .leeway_ns = 30000000000,
	  .must_expire = true },
};

static void
check_claims(struct slice json, struct arena *a)
{
	for (unsigned i = 0; i < 2; i++) {
		struct claims c;
		int err = claims_check(&c, &terms[i], json, NOW, a);

		FUZZ_CHECK(err >= 0 ? err < FAULTS : err == ERR_MEMORY);
		if (err)
			continue;
		FUZZ_CHECK(json_validate(json, JSON_DEPTH_MAX, NULL) == 0);
		FUZZ_CHECK(utf8_is_valid(c.user));
		FUZZ_CHECK(i == 0 || (c.expires_s > NOW - 30 && c.expires_s != INT64_MAX));
		for (size_t k = 0; k < c.user.len; k++)
			FUZZ_CHECK((unsigned char)c.user.at[k] >= 0x20 && c.user.at[k] != 0x7f);
	}
}

static void
put_url(struct writer *w, struct slice bytes)
{
	size_t start = w->len;

	encode_base64(w, bytes);
	while (w->len > start && w->at[w->len - 1] == '=')
		w->len--;
	for (size_t i = start; i < w->len; i++)
		w->at[i] = w->at[i] == '+' ? '-' : w->at[i] == '/' ? '_' : w->at[i];
}

/* A token has one form: what is remembered is remembered of its bytes. */
static void
check_token(struct slice token, struct arena *a)
{
	char text[TOKEN_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct jwt t;
	int err = jwt_read(token, a, &t);

	FUZZ_CHECK(err >= 0 ? err < FAULTS : err == ERR_MEMORY);
	if (err)
		return;
	FUZZ_CHECK(token.len <= JWT_BYTES && t.algorithm < JWT_ALGORITHMS);
	writer_put(&w, slice_make(t.signed_part.at, slice_find(t.signed_part, '.') + 1));
	put_url(&w, t.claims);
	writer_char(&w, '.');
	put_url(&w, t.signature);
	FUZZ_CHECK(!w.is_full && slice_eq(writer_slice(&w), token));
	check_claims(t.claims, a);
}

static void
check_made(struct slice input, struct arena *a)
{
	char text[TOKEN_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct slice header = slice_cut(&input, '\n');

	put_url(&w, header);
	writer_char(&w, '.');
	put_url(&w, input);
	writer_text(&w, ".AAAA");
	FUZZ_CHECK(!w.is_full);
	check_token(writer_slice(&w), a);
	check_claims(input, a);
}

static void
check_keys(struct slice json, struct arena *a)
{
	struct keyring ring;
	const char *why = NULL;
	unsigned place;
	int err = keyring_parse_set(&ring, json, (1 << JWT_ALGORITHMS) - 1, a, &why, &place);

	FUZZ_CHECK(err == 0 || err == ERR_MEMORY || (err == ERR_FAILED && why));
	FUZZ_CHECK(err || (ring.count > 0 && ring.count <= KEYRING_MAX));
	for (unsigned i = 0; i < ring.count; i++)
		FUZZ_CHECK((ring.at[i].algorithm == JWT_HS256) == (ring.at[i].public == NULL));
	keyring_close(&ring);
}

/* Only checked: verifying takes as long as the hash says. */
static void
check_hash(struct slice input, struct arena *a)
{
	struct slice hash = arena_copy(a, input);

	if (slice_find(hash, '\0') == hash.len && !password_check_hash(hash))
		FUZZ_CHECK(hash.len >= 60);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice input = slice_make((const char *)bytes, len < TEXT_BYTES ? len : TEXT_BYTES);
	struct slice rest = slice_after(input, 1);
	struct store store;
	struct arena arena;

	store_init(&store);
	arena_init(&arena, &store, 1 << 22);
	switch (input.len ? input.at[0] : '\0') {
	case 't':
		check_token(rest, &arena);
		break;
	case 'c':
		check_made(rest, &arena);
		break;
	case 'k':
		check_keys(rest, &arena);
		break;
	case 'h':
		check_hash(rest, &arena);
		break;
	default:
		break;
	}
	arena_fini(&arena);
	store_fini(&store);
	return 0;
}
