/*
 * Key files and key sets: what is taken, and what is told of the rest.
 */
#include "auth/keyring.h"

#include "bench.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

Suite *suite_auth_keyring(void);

enum { ALL = (1 << JWT_ALGORITHMS) - 1, PUBLIC = ALL & ~(1 << JWT_HS256) };

static struct keyring ring;

static void
close_ring(void)
{
	keyring_close(&ring);
	tear_down();
}

/* --- sets --------------------------------------------------------------------------------- */

#define N(bytes) #bytes
#define POINT                                                                                      \
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                   \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC(more)  "{\"kty\":\"EC\",\"crv\":\"P-256\"," POINT more "}"
#define SET(keys) "{\"keys\":[" keys "]}"

static const struct {
	const char *json;
	unsigned count; /* 0: refused */
	unsigned place;
	const char *why;
} sets[] = {
	{ SET(EC("")), 1, 0, NULL },
	{ SET(EC(",\"use\":\"sig\",\"alg\":\"ES256\",\"key_ops\":[\"verify\"],\"x5t\":1")), 1, 0,
	  NULL },
	{ SET(EC("") "," EDDSA_KEY "," RS256_KEY "," HS256_KEY), 4, 0, NULL },
	/* Others' keys beside ours are left out (RFC 7517 5). */
	{ SET("{\"kty\":\"AKP\"}," EC("")), 1, 0, NULL },
	{ SET("{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\"}," EC("")), 1, 0, NULL },
	{ SET("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}," EC("")), 1, 0, NULL },
	{ SET(EC(",\"use\":\"enc\",\"kid\":\"e\"") "," EC("")), 1, 0, NULL },
	{ SET(EC(",\"alg\":\"ES384\",\"kid\":\"e\"") "," EC("")), 1, 0, NULL },
	{ SET(EC(",\"key_ops\":[\"sign\"],\"kid\":\"e\"") "," EC("")), 1, 0, NULL },
	{ SET(EC(",\"key_ops\":\"verify\",\"kid\":\"e\"") "," EC("")), 1, 0, NULL },
	/* And these are mistakes. */
	{ SET(""), 0, 0, "no key for the algorithms" },
	{ SET(EC(",\"use\":\"enc\"")), 0, 0, "no key for the algorithms" },
	{ SET(EC("") "," EC("")), 0, 2, "another key has its kid" },
	{ SET(EC(",\"kid\":\"a\"") "," EC("") "," EC(",\"kid\":\"a\"")), 0, 3,
	  "another key has its kid" },
	{ SET(EC(",\"kid\":1")), 0, 1, "its kid is no string" },
	{ SET(EC(",\"crv\":\"P-256\"")), 0, 1, "a member twice" },
	{ SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}"), 0, 1, "32 bytes" },
	{ SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVE"
	      "U\",\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}"),
	  0, 1, "no key that the library can use" }, /* not on the curve */
	{ SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}"), 0, 1, "32 bytes" },
	{ SET("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}"), 0, 1, "2048" },
	{ SET("{\"kty\":\"RSA\",\"n\":\"AQAB\"}"), 0, 1, "is not there" },
	{ SET("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB+\"}"), 0, 1, "not base64url" },
	{ SET("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AAAAAAAAAAAAAAAA\"}"), 0, 1, "too large" },
	{ SET("{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}"), 0, 1, "32 bytes" },
	{ SET("{}"), 0, 1, "no kty" },
	{ SET("1"), 0, 1, "no object" },
	{ "{\"keys\":{}}", 0, 0, "an array" },
	{ "{}", 0, 0, "an array" },
	{ "[]", 0, 0, "an array" },
	{ "", 0, 0, "an array" },
};

START_TEST(sets_are_judged)
{
	const char *why = NULL;
	unsigned place = 99;

	write_file(slice_of(sets[_i].json));
	if (keyring_read_set(&ring, path, ALL, &arena, &why, &place) == 0) {
		ck_assert_uint_eq(ring.count, sets[_i].count);
		return;
	}
	ck_assert_msg(sets[_i].count == 0, "%s", why);
	ck_assert_uint_eq(place, sets[_i].place);
	ck_assert_msg(strstr(why, sets[_i].why) != NULL, "%s", why);
}
END_TEST

START_TEST(a_set_gives_keys_for_the_algorithms_alone)
{
	const char *why = NULL;
	unsigned place;

	write_file(SLICE(SET(EC("") "," EDDSA_KEY "," RS256_KEY "," HS256_KEY)));
	for (unsigned algorithm = 0; algorithm < JWT_ALGORITHMS; algorithm++) {
		ck_assert_int_eq(
		    keyring_read_set(&ring, path, 1u << algorithm, &arena, &why, &place), 0);
		ck_assert_uint_eq(ring.count, 1);
		ck_assert_int_eq(ring.at[0].algorithm, algorithm);
		keyring_close(&ring);
	}
}
END_TEST

START_TEST(a_set_has_at_most_so_many_keys)
{
	static char text[32768];
	struct writer w = writer_over(text, sizeof(text));
	const char *why = NULL;
	unsigned place;

	writer_text(&w, "{\"keys\":[");
	for (unsigned i = 0; i <= KEYRING_MAX; i++)
		writer_format(&w,
			      "%s{\"kid\":\"%u\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
			      "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
			      i ? "," : "", i);
	writer_text(&w, "]}");
	ck_assert(!w.is_full);
	ck_assert_int_eq(keyring_parse_set(&ring, writer_slice(&w), ALL, &arena, &why, &place),
			 ERR_FAILED);
	ck_assert_str_eq(why, "more than 64 keys");
}
END_TEST

/* --- PEM ------------------------------------------------------------------------------------ */

static EVP_PKEY *
make_rsa(void)
{
	return EVP_RSA_gen(2048);
}

static EVP_PKEY *
make_weak_rsa(void)
{
	return EVP_RSA_gen(1024);
}

static EVP_PKEY *
make_p256(void)
{
	return EVP_EC_gen("P-256");
}

static EVP_PKEY *
make_p384(void)
{
	return EVP_EC_gen("P-384");
}

static EVP_PKEY *
make_ed25519(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static EVP_PKEY *
make_x25519(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
}

static const struct {
	EVP_PKEY *(*make)(void);
	unsigned algorithms;
	enum jwt_algorithm algorithm;
	const char *why; /* NULL: it is taken */
} pems[] = {
	{ make_rsa, PUBLIC, JWT_RS256, NULL },
	{ make_p256, PUBLIC, JWT_ES256, NULL },
	{ make_ed25519, PUBLIC, JWT_EDDSA, NULL },
	{ make_rsa, 1 << JWT_ES256, 0, "not for the algorithms" },
	{ make_rsa, 1 << JWT_ES256 | 1 << JWT_HS256, 0, "not for the algorithms" },
	{ make_rsa, 1 << JWT_HS256, 0, "HS256 asks for a secret" },
	{ make_weak_rsa, PUBLIC, 0, "2048" },
	{ make_p384, PUBLIC, 0, "P-256 alone" },
	{ make_x25519, PUBLIC, 0, "RSA, P-256 or Ed25519" },
};

START_TEST(public_keys_in_pem_are_judged)
{
	EVP_PKEY *key = pems[_i].make();
	FILE *file = fopen(path, "w");
	const char *why = NULL;
	int err;

	ck_assert_int_eq(PEM_write_PUBKEY(file, key), 1);
	fclose(file);
	EVP_PKEY_free(key);
	err = keyring_read_file(&ring, path, pems[_i].algorithms, &arena, &why);
	if (pems[_i].why) {
		ck_assert_int_eq(err, ERR_FAILED);
		ck_assert_msg(strstr(why, pems[_i].why) != NULL, "%s", why);
		return;
	}
	ck_assert_msg(err == 0, "%s", why);
	ck_assert_int_eq(ring.at[0].algorithm, pems[_i].algorithm);
}
END_TEST

START_TEST(a_private_key_is_refused)
{
	EVP_PKEY *key = make_p256();
	FILE *file = fopen(path, "w");
	const char *why = NULL;

	ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
	EVP_PKEY_free(key);
	ck_assert_int_eq(keyring_read_file(&ring, path, PUBLIC, &arena, &why), ERR_FAILED);
	ck_assert_msg(strstr(why, "private key") != NULL, "%s", why);
}
END_TEST

static const struct {
	struct slice text;
	size_t len; /* of the secret; 0: refused */
} secrets[] = {
	{ SLICE_INIT("01234567890123456789012345678901"), 32 },
	{ SLICE_INIT("01234567890123456789012345678901\n"), 32 },
	{ SLICE_INIT("01234567890123456789012345678901\r\n"), 32 },
	{ SLICE_INIT("01234567890123456789012345678901\n\n"), 33 },
	{ SLICE_INIT("0123456789012345678901234567890\0\n"), 32 },
	{ SLICE_INIT("0123456789012345678901234567890\n"), 0 },
	{ SLICE_INIT(""), 0 },
};

START_TEST(a_secret_is_the_file_but_its_line_end)
{
	const char *why = NULL;
	int err;

	write_file(secrets[_i].text);
	err = keyring_read_file(&ring, path, 1 << JWT_HS256, &arena, &why);
	ck_assert_int_eq(err, secrets[_i].len ? 0 : ERR_FAILED);
	if (!err)
		ck_assert_uint_eq(ring.at[0].secret.len, secrets[_i].len);
}
END_TEST

START_TEST(what_is_no_file_of_keys_is_told)
{
	const char *why = NULL;
	unsigned place;

	ck_assert_int_eq(keyring_read_file(&ring, "/nowhere", PUBLIC, &arena, &why), ERR_FAILED);
	ck_assert_str_eq(why, "No such file or directory");
	ck_assert_int_eq(keyring_read_set(&ring, "/tmp", ALL, &arena, &why, &place), ERR_FAILED);
	ck_assert_str_eq(why, "it is no regular file");
	write_file(SLICE("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
	ck_assert_int_eq(keyring_read_file(&ring, path, PUBLIC, &arena, &why), ERR_FAILED);
	ck_assert_msg(strstr(why, "no public key") != NULL, "%s", why);
}
END_TEST

Suite *
suite_auth_keyring(void)
{
	Suite *s = suite_create("auth/keyring");
	TCase *t = tcase_create("keys");

	tcase_add_checked_fixture(t, set_up, close_ring);
	tcase_add_loop_test(t, sets_are_judged, 0, COUNT(sets));
	tcase_add_test(t, a_set_gives_keys_for_the_algorithms_alone);
	tcase_add_test(t, a_set_has_at_most_so_many_keys);
	tcase_add_loop_test(t, public_keys_in_pem_are_judged, 0, COUNT(pems));
	tcase_add_test(t, a_private_key_is_refused);
	tcase_add_loop_test(t, a_secret_is_the_file_but_its_line_end, 0, COUNT(secrets));
	tcase_add_test(t, what_is_no_file_of_keys_is_told);
	suite_add_tcase(s, t);
	return s;
}
