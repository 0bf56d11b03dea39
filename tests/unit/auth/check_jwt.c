/*
 * Tokens, keys and signatures together: the vectors of RFC 7515 and RFC 8037, and every way in
 * which a token is not one of ours.
 */
#include "auth/jwt.h"

#include "auth/signature.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "bench.h"

#include <openssl/hmac.h>

Suite *suite_auth_jwt(void);

enum { ALL = (1 << JWT_ALGORITHMS) - 1 };

static struct keyring ring;

static int
open_set(const char *keys)
{
	static char text[16384];
	struct writer w = writer_over(text, sizeof(text));
	unsigned place;
	const char *why;

	writer_text(&w, keys);
	keyring_close(&ring);
	return keyring_parse_set(&ring, writer_slice(&w), ALL, &arena, &why, &place);
}

#define ALL_KEYS "{\"keys\":[" HS256_KEY "," RS256_KEY "," ES256_KEY "," EDDSA_KEY "]}"

static void
open_all(void)
{
	set_up();
	ck_assert_int_eq(open_set(ALL_KEYS), 0);
	ck_assert_uint_eq(ring.count, 4);
}

static void
close_all(void)
{
	keyring_close(&ring);
	tear_down();
}

static const struct {
	const char *token;
	enum jwt_algorithm algorithm;
	bool is_slow;
} vectors[] = {
	{ HS256_TOKEN, JWT_HS256, false },
	{ RS256_TOKEN, JWT_RS256, false },
	{ ES256_TOKEN, JWT_ES256, true },
	{ EDDSA_TOKEN, JWT_EDDSA, true },
};

START_TEST(the_vectors_of_the_standards_are_taken)
{
	const struct keyring_key *key;
	struct jwt t;

	ck_assert_int_eq(jwt_read(slice_of(vectors[_i].token), &arena, &t), 0);
	ck_assert_int_eq(t.algorithm, vectors[_i].algorithm);
	ck_assert(!t.has_kid);
	key = keyring_find(&ring, &t);
	ck_assert_ptr_nonnull(key);
	ck_assert_int_eq(key->is_slow, vectors[_i].is_slow);
	ck_assert_int_eq(signature_verify(key, t.signed_part, t.signature), 0);
}
END_TEST

/* Each character of the token changed to another: it is refused somewhere. */
START_TEST(a_token_that_differs_in_one_character_is_refused)
{
	char text[2048];
	size_t len = strlen(vectors[_i].token);

	for (size_t i = 0; i < len; i += vectors[_i].is_slow ? 5 : 1) {
		const struct keyring_key *key;
		struct jwt t;

		memcpy(text, vectors[_i].token, len);
		text[i] = text[i] == 'A' ? 'B' : 'A';
		if (jwt_read(slice_make(text, len), &arena, &t) != 0)
			continue;
		key = keyring_find(&ring, &t);
		ck_assert_msg(!key || signature_verify(key, t.signed_part, t.signature) != 0,
			      "at %zu", i);
	}
}
END_TEST

START_TEST(a_signature_cut_or_longer_is_refused)
{
	const struct keyring_key *key;
	struct jwt t;
	char longer[600];

	ck_assert_int_eq(jwt_read(slice_of(vectors[_i].token), &arena, &t), 0);
	key = keyring_find(&ring, &t);
	for (size_t n = 0; n < t.signature.len; n += 7)
		ck_assert_int_eq(
		    signature_verify(key, t.signed_part, slice_make(t.signature.at, n)),
		    ERR_FORBIDDEN);
	memcpy(longer, t.signature.at, t.signature.len);
	longer[t.signature.len] = 0;
	ck_assert_int_eq(
	    signature_verify(key, t.signed_part, slice_make(longer, t.signature.len + 1)),
	    ERR_FORBIDDEN);
	memset(longer, 0, t.signature.len);
	ck_assert_int_eq(signature_verify(key, t.signed_part, slice_make(longer, t.signature.len)),
			 ERR_FORBIDDEN);
}
END_TEST

/* --- headers ---------------------------------------------------------------------------- */

static struct slice
token_of(const char *header)
{
	static char text[16384];
	struct writer w = writer_over(text, sizeof(text));
	struct buffer b;

	buffer_init(&b, 16384);
	buffer_base64(&b, slice_of(header));
	for (size_t i = 0; i < b.len && b.at[i] != '='; i++)
		writer_char(&w, b.at[i] == '+' ? '-' : b.at[i] == '/' ? '_' : b.at[i]);
	writer_text(&w, ".e30.AAAA");
	buffer_fini(&b);
	ck_assert(!w.is_full);
	return writer_slice(&w);
}

static const struct {
	const char *header;
	int fault;
} headers[] = {
	{ "{\"alg\":\"HS256\"}", 0 },
	{ "{\"alg\":\"HS256\",\"kid\":\"a\",\"typ\":\"JWT\",\"jku\":\"http://evil.example/\"}", 0 },
	{ "{\"a\\u006cg\":\"HS256\"}", 0 },
	{ "{\"alg\":\"none\"}", FAULT_ALGORITHM },
	{ "{\"alg\":\"None\"}", FAULT_ALGORITHM },
	{ "{\"alg\":\"\"}", FAULT_ALGORITHM },
	{ "{\"alg\":\"hs256\"}", FAULT_ALGORITHM },
	{ "{\"alg\":\"HS512\"}", FAULT_ALGORITHM },
	{ "{\"alg\":\"HS256 \"}", FAULT_ALGORITHM },
	{ "{\"alg\":\"HS256\\u0000\"}", FAULT_ALGORITHM },
	{ "{}", FAULT_TOKEN },
	{ "{\"alg\":null}", FAULT_TOKEN },
	{ "{\"alg\":[\"HS256\"]}", FAULT_TOKEN },
	{ "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", FAULT_TOKEN },
	{ "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", FAULT_TOKEN },
	{ "{\"alg\":\"HS256\",\"kid\":1}", FAULT_TOKEN },
	{ "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", FAULT_TOKEN },
	{ "{\"alg\":\"HS256\",\"crit\":[]}", FAULT_TOKEN },
	{ "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", FAULT_TOKEN },
	{ "{\"alg\":\"HS256\"}x", FAULT_TOKEN },
	{ "[\"alg\",\"HS256\"]", FAULT_TOKEN },
	{ "\"HS256\"", FAULT_TOKEN },
	{ "", FAULT_TOKEN },
};

START_TEST(headers_are_judged)
{
	struct jwt t;

	ck_assert_int_eq(jwt_read(token_of(headers[_i].header), &arena, &t), headers[_i].fault);
}
END_TEST

static const char *const malformed[] = {
	"",
	".",
	"..",
	"...",
	"a.b",
	"eyJhbGciOiJIUzI1NiJ9.e30",
	"eyJhbGciOiJIUzI1NiJ9.e30.AAAA.",
	"eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA",
	"eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA.AAAA", /* encrypted: RFC 7516 */
	"eyJhbGciOiJIUzI1NiJ9.e30=.AAAA",
	"eyJhbGciOiJIUzI1NiJ9==.e30.AAAA",
	"eyJhbGciOiJIUzI1NiJ9.e30.AAA+",
	"eyJhbGciOiJIUzI1NiJ9.e30.AAA/",
	"eyJhbGciOiJIUzI1NiJ9.e31.AAAA", /* a bit too many */
	"eyJhbGciOiJIUzI1NiJ9.e30.A",
	" eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
	"eyJhbGciOiJIUzI1NiJ9.e30.AAAA ",
	"eyJhbGciOiJIUzI1NiJ9.e30.AA AA",
};

START_TEST(malformed_tokens_are_refused)
{
	struct jwt t;

	ck_assert_int_eq(jwt_read(slice_of(malformed[_i]), &arena, &t), FAULT_TOKEN);
}
END_TEST

START_TEST(a_token_has_a_longest_length)
{
	static char text[JWT_BYTES + 8];
	struct slice head = SLICE("eyJhbGciOiJIUzI1NiJ9.e30.");
	struct jwt t;

	memset(text, 'A', sizeof(text));
	memcpy(text, head.at, head.len);
	/* A length of base64url is never one above a multiple of four. */
	ck_assert_int_eq(jwt_read(slice_make(text, JWT_BYTES), &arena, &t), 0);
	ck_assert_int_eq(jwt_read(slice_make(text, JWT_BYTES + 1), &arena, &t), FAULT_TOKEN);
}
END_TEST

START_TEST(a_header_of_very_many_members_is_refused)
{
	static char text[4096];
	struct writer w = writer_over(text, sizeof(text) - 1);
	struct jwt t;

	writer_text(&w, "{\"alg\":\"HS256\"");
	for (unsigned i = 0; i < 64; i++)
		writer_format(&w, ",\"m%u\":1", i);
	writer_char(&w, '}');
	text[w.len] = '\0';
	ck_assert_int_eq(jwt_read(token_of(text), &arena, &t), FAULT_TOKEN);
}
END_TEST

/* --- choosing a key --------------------------------------------------------------------- */

#define EC_KID(kid) "{\"kid\":\"" kid "\"," ES256_REST
#define ES256_REST                                                                                 \
	"\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","  \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"

static const struct keyring_key *
find(enum jwt_algorithm algorithm, const char *kid)
{
	struct jwt t = { .algorithm = algorithm, .has_kid = kid != NULL, .kid = slice_of(kid) };

	return keyring_find(&ring, &t);
}

START_TEST(the_kid_chooses_among_keys_of_its_algorithm)
{
	ck_assert_int_eq(open_set("{\"keys\":[" EC_KID("a") "," EC_KID("b") "," EDDSA_KEY "]}"), 0);
	ck_assert_ptr_eq(find(JWT_ES256, "a"), &ring.at[0]);
	ck_assert_ptr_eq(find(JWT_ES256, "b"), &ring.at[1]);
	ck_assert_ptr_null(find(JWT_ES256, "c"));
	ck_assert_ptr_null(find(JWT_ES256, "")); /* a kid, too */
	ck_assert_ptr_null(find(JWT_ES256, NULL)); /* which one? */
	ck_assert_ptr_null(find(JWT_RS256, "a"));
	ck_assert_ptr_eq(find(JWT_EDDSA, NULL), &ring.at[2]);
	ck_assert_ptr_eq(find(JWT_EDDSA, "any"), &ring.at[2]);
}
END_TEST

/* RFC 8725 2.1: the bytes of a public key as a secret of HMAC. */
START_TEST(a_public_key_is_no_secret)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct jwt t = { .algorithm = JWT_HS256 };
	unsigned len;

	ck_assert_int_eq(open_set("{\"keys\":[" RS256_KEY "]}"), 0);
	ck_assert_ptr_null(find(JWT_HS256, NULL));
	t.signed_part = SLICE("eyJhbGciOiJIUzI1NiJ9.e30");
	HMAC(EVP_sha256(), "", 0, (const unsigned char *)t.signed_part.at, t.signed_part.len, mac,
	     &len);
	t.signature = slice_make((char *)mac, len);
	ck_assert_int_eq(signature_verify(&ring.at[0], t.signed_part, t.signature), ERR_FORBIDDEN);
}
END_TEST

Suite *
suite_auth_jwt(void)
{
	Suite *s = suite_create("auth/jwt");
	TCase *t = tcase_create("tokens");

	tcase_add_checked_fixture(t, open_all, close_all);
	tcase_add_loop_test(t, the_vectors_of_the_standards_are_taken, 0, COUNT(vectors));
	tcase_add_loop_test(t, a_token_that_differs_in_one_character_is_refused, 0, COUNT(vectors));
	tcase_add_loop_test(t, a_signature_cut_or_longer_is_refused, 0, COUNT(vectors));
	tcase_add_loop_test(t, headers_are_judged, 0, COUNT(headers));
	tcase_add_loop_test(t, malformed_tokens_are_refused, 0, COUNT(malformed));
	tcase_add_test(t, a_token_has_a_longest_length);
	tcase_add_test(t, a_header_of_very_many_members_is_refused);
	tcase_add_test(t, the_kid_chooses_among_keys_of_its_algorithm);
	tcase_add_test(t, a_public_key_is_no_secret);
	suite_add_tcase(s, t);
	return s;
}
