/*
 * Verifying signatures by OpenSSL; see signature.h.
 */
#include "auth/signature.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
	HS256_BYTES = 32,
	ES256_BYTES = 64, /* R and S, 32 bytes each: RFC 7518 3.4 */
	ED25519_BYTES = 64,
	DER_BYTES = 80, /* of R and S as ASN.1 */
};

static int
verify_mac(const struct keyring_key *key, struct slice text, struct slice signature)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (signature.len != HS256_BYTES)
		return ERR_FORBIDDEN;
	if (!HMAC(EVP_sha256(), key->secret.at, (int)key->secret.len,
		  (const unsigned char *)text.at, text.len, mac, &len) ||
	    len != HS256_BYTES)
		return ERR_FAILED;
	return CRYPTO_memcmp(mac, signature.at, len) == 0 ? 0 : ERR_FORBIDDEN;
}

static int
verify_public(const struct keyring_key *key, const EVP_MD *hash, struct slice text,
	      const unsigned char *signature, size_t len)
{
	EVP_MD_CTX *work = EVP_MD_CTX_new();
	int err;

	if (!work)
		return ERR_MEMORY;
	if (EVP_DigestVerifyInit(work, NULL, hash, NULL, key->public) != 1)
		err = ERR_FAILED;
	else if (EVP_DigestVerify(work, signature, len, (const unsigned char *)text.at, text.len) ==
		 1)
		err = 0;
	else
		err = ERR_FORBIDDEN;
	EVP_MD_CTX_free(work);
	ERR_clear_error();
	return err;
}

/* OpenSSL wants R and S as ASN.1. */
static int
write_der(struct slice signature, unsigned char der[DER_BYTES], size_t *len)
{
	const unsigned char *at = (const unsigned char *)signature.at;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(at, ES256_BYTES / 2, NULL);
	BIGNUM *s = BN_bin2bn(at + ES256_BYTES / 2, ES256_BYTES / 2, NULL);
	unsigned char *end = der;
	int bytes = 0;

	if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
		r = s = NULL; /* the pair's */
		bytes = i2d_ECDSA_SIG(pair, NULL);
		if (bytes > 0 && bytes <= DER_BYTES)
			bytes = i2d_ECDSA_SIG(pair, &end);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	*len = bytes > 0 && bytes <= DER_BYTES ? (size_t)bytes : 0;
	return *len ? 0 : ERR_MEMORY;
}

static int
verify_ecdsa(const struct keyring_key *key, struct slice text, struct slice signature)
{
	unsigned char der[DER_BYTES];
	size_t len;
	int err;

	if (signature.len != ES256_BYTES)
		return ERR_FORBIDDEN;
	err = write_der(signature, der, &len);
	return err ? err : verify_public(key, EVP_sha256(), text, der, len);
}

int
signature_verify(const struct keyring_key *key, struct slice signed_part, struct slice signature)
{
	const unsigned char *at = (const unsigned char *)signature.at;

	switch (key->algorithm) {
	case JWT_HS256:
		return verify_mac(key, signed_part, signature);
	case JWT_RS256:
		/* RFC 8017 8.2.2: of the length of the modulus; the library sees to it. */
		return verify_public(key, EVP_sha256(), signed_part, at, signature.len);
	case JWT_ES256:
		return verify_ecdsa(key, signed_part, signature);
	case JWT_EDDSA:
		return signature.len == ED25519_BYTES
			   ? verify_public(key, NULL, signed_part, at, signature.len)
			   : ERR_FORBIDDEN;
	default:
		return ERR_FORBIDDEN;
	}
}
