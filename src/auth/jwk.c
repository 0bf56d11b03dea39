/*
 * JSON Web Keys; see jwk.h.
 */
#include "auth/jwk.h"

#include "auth/members.h"
#include "base/decode.h"
#include "base/json.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum {
	RSA_BITS_MIN = 2048, /* RFC 7518 3.3 */
	RSA_BITS_MAX = 8192,
	RSA_BITS_FAST = 3072,
	COORDINATE_BYTES = 32, /* of P-256 and of Ed25519 */
	EXPONENT_BYTES = 8,
};

/* One key that is being read. */
struct jwk {
	struct members members;
	struct arena *arena;
	const char **why;
};

static int
refuse(struct jwk *j, const char *why)
{
	*j->why = why;
	ERR_clear_error();
	return ERR_FAILED;
}

static int
take_bytes(struct jwk *j, struct slice name, struct slice *bytes)
{
	struct slice text;
	char *memory;

	if (members_text(&j->members, name, j->arena, &text) != 0)
		return refuse(j, "a member that its kind of key must have is not there");
	memory = arena_alloc(j->arena, decode_base64_bound(text.len));
	if (!memory)
		return ERR_MEMORY;
	if (decode_base64url(text, memory, bytes) != 0 || bytes->len == 0)
		return refuse(j, "a member is not base64url");
	return 0;
}

/* --- kinds ---------------------------------------------------------------------------- */

static EVP_PKEY *
make(const char *kind, OSSL_PARAM_BLD *params)
{
	OSSL_PARAM *list = params ? OSSL_PARAM_BLD_to_param(params) : NULL;
	EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY *key = NULL;

	if (!list || !maker || EVP_PKEY_fromdata_init(maker) != 1 ||
	    EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, list) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(maker);
	OSSL_PARAM_free(list);
	return key;
}

static BIGNUM *
number_of(struct slice bytes)
{
	return BN_bin2bn((const unsigned char *)bytes.at, (int)bytes.len, NULL);
}

static int
read_rsa(struct jwk *j, struct keyring_key *key)
{
	OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
	BIGNUM *n = NULL, *e = NULL;
	struct slice modulus, exponent;
	int err = take_bytes(j, SLICE("n"), &modulus);

	if (!err)
		err = take_bytes(j, SLICE("e"), &exponent);
	if (!err && (exponent.len > EXPONENT_BYTES || modulus.len > RSA_BITS_MAX / 8))
		err = refuse(j, "the key is too large");
	if (!err) {
		n = number_of(modulus);
		e = number_of(exponent);
		if (params && n && e &&
		    OSSL_PARAM_BLD_push_BN(params, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		    OSSL_PARAM_BLD_push_BN(params, OSSL_PKEY_PARAM_RSA_E, e) == 1)
			key->public = make("RSA", params);
	}
	OSSL_PARAM_BLD_free(params);
	BN_free(n);
	BN_free(e);
	return err;
}

static bool
is_curve(struct jwk *j, struct slice name)
{
	struct slice curve;

	return members_text(&j->members, SLICE("crv"), j->arena, &curve) == 0 &&
	       slice_eq(curve, name);
}

static int
read_ec(struct jwk *j, struct keyring_key *key)
{
	unsigned char point[1 + 2 * COORDINATE_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM_BLD *params;
	struct slice x, y;
	int err;

	if (!is_curve(j, SLICE("P-256")))
		return ERR_UNSUPPORTED;
	err = take_bytes(j, SLICE("x"), &x);
	if (!err)
		err = take_bytes(j, SLICE("y"), &y);
	if (err)
		return err;
	/* RFC 7518 6.2.1.2: with all leading zeros. */
	if (x.len != COORDINATE_BYTES || y.len != COORDINATE_BYTES)
		return refuse(j, "a coordinate of P-256 is 32 bytes");
	memcpy(point + 1, x.at, x.len);
	memcpy(point + 1 + x.len, y.at, y.len);
	params = OSSL_PARAM_BLD_new();
	if (params &&
	    OSSL_PARAM_BLD_push_utf8_string(params, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(params, OSSL_PKEY_PARAM_PUB_KEY, point,
					     sizeof(point)) == 1)
		key->public = make("EC", params);
	OSSL_PARAM_BLD_free(params);
	return 0;
}

static int
read_okp(struct jwk *j, struct keyring_key *key)
{
	struct slice x;
	int err;

	if (!is_curve(j, SLICE("Ed25519")))
		return ERR_UNSUPPORTED;
	err = take_bytes(j, SLICE("x"), &x);
	if (err)
		return err;
	if (x.len != COORDINATE_BYTES)
		return refuse(j, "a key of Ed25519 is 32 bytes");
	key->public =
	    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.at, x.len);
	return 0;
}

static int
read_secret(struct jwk *j, struct keyring_key *key)
{
	int err = take_bytes(j, SLICE("k"), &key->secret);

	if (!err && key->secret.len < KEYRING_SECRET_MIN)
		return refuse(j, "a secret of HS256 has 32 bytes or more"); /* RFC 7518 3.2 */
	return err;
}

static const struct {
	struct slice word;
	enum jwt_algorithm algorithm;
	int (*read)(struct jwk *j, struct keyring_key *key);
} kinds[] = {
	{ SLICE_INIT("oct"), JWT_HS256, read_secret },
	{ SLICE_INIT("RSA"), JWT_RS256, read_rsa },
	{ SLICE_INIT("EC"), JWT_ES256, read_ec },
	{ SLICE_INIT("OKP"), JWT_EDDSA, read_okp },
};

/* --- what it is for --------------------------------------------------------------------- */

/* RFC 7517 4.2 to 4.4: where a key says what it is for, it is for that alone. */
static bool
is_for(struct jwk *j, enum jwt_algorithm algorithm)
{
	struct slice word, operations, element;
	struct json_walk walk;

	if (members_text(&j->members, SLICE("use"), j->arena, &word) == 0 &&
	    !slice_eq(word, SLICE("sig")))
		return false;
	if (members_text(&j->members, SLICE("alg"), j->arena, &word) == 0 &&
	    !slice_eq(word, slice_of(jwt_algorithms[algorithm])))
		return false;
	if (!members_find(&j->members, SLICE("key_ops"), &operations))
		return true;
	walk = json_walk_over(operations);
	while (json_kind(operations) == JSON_ARRAY && json_walk_element(&walk, &element)) {
		if (members_unescape(element, j->arena, &word) == 0 &&
		    slice_eq(word, SLICE("verify")))
			return true;
	}
	return false;
}

const char *
jwk_judge(struct keyring_key *key)
{
	int bits;

	if (!key->public)
		return "that is no key that the library can use";
	bits = EVP_PKEY_get_bits(key->public);
	key->is_slow = true;
	switch (EVP_PKEY_get_base_id(key->public)) {
	case EVP_PKEY_RSA:
		key->algorithm = JWT_RS256;
		key->is_slow = bits > RSA_BITS_FAST;
		return bits < RSA_BITS_MIN || bits > RSA_BITS_MAX
			   ? "a key of RSA has from 2048 to 8192 bits"
			   : NULL;
	case EVP_PKEY_EC: {
		char group[16] = "";
		size_t len;

		key->algorithm = JWT_ES256;
		if (EVP_PKEY_get_group_name(key->public, group, sizeof(group), &len) == 1 &&
		    slice_eq(slice_of(group), SLICE("prime256v1")))
			return NULL;
		ERR_clear_error();
		return "of elliptic curves P-256 alone is taken (ES256)";
	}
	case EVP_PKEY_ED25519:
		key->algorithm = JWT_EDDSA;
		return NULL;
	default:
		return "a key is of RSA, P-256 or Ed25519";
	}
}

static int
read_kid(struct jwk *j, struct keyring_key *key)
{
	int err = members_text(&j->members, SLICE("kid"), j->arena, &key->kid);

	key->has_kid = err == 0;
	if (err == ERR_SYNTAX)
		return refuse(j, "its kid is no string");
	return err == ERR_MISSING ? 0 : err;
}

int
jwk_read(struct keyring_key *key, struct slice json, unsigned algorithms, struct arena *a,
	 const char **why)
{
	struct jwk j = { .arena = a, .why = why };
	struct slice word;
	unsigned i = 0;
	int err = members_read(&j.members, json, a);

	*key = (struct keyring_key){ 0 };
	if (err)
		return err == ERR_MEMORY ? err
					 : refuse(&j, "it is no object, or has a member twice");
	if (members_text(&j.members, SLICE("kty"), a, &word) != 0)
		return refuse(&j, "it has no kty");
	while (i < sizeof(kinds) / sizeof(kinds[0]) && !slice_eq(word, kinds[i].word))
		i++;
	if (i == sizeof(kinds) / sizeof(kinds[0]) || !(algorithms >> kinds[i].algorithm & 1) ||
	    !is_for(&j, kinds[i].algorithm))
		return ERR_UNSUPPORTED;
	err = kinds[i].read(&j, key);
	if (!err)
		err = read_kid(&j, key);
	key->algorithm = kinds[i].algorithm;
	if (!err && key->algorithm != JWT_HS256 && jwk_judge(key))
		return refuse(&j, jwk_judge(key));
	return err;
}
