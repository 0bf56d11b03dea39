/*
 * Ticket keys; see tls_tickets.h.
 */
#include "net/tls_tickets.h"

#include "base/mem.h"
#include "base/ref.h"
#include "metrics/counters.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum { KEY_BYTES = 32, IV_BYTES = 16, SLOTS = 4 };

struct ticket_key {
	unsigned char name[TLS_TICKET_NAME_BYTES];
	unsigned char cipher[KEY_BYTES];
	unsigned char mac[KEY_BYTES];
};

struct tls_tickets {
	struct ref ref;
	struct gauge current; /* number of the key that seals; its slot is the number mod SLOTS */
	struct ticket_key slot[SLOTS];
};

static int
make_key(struct ticket_key *key)
{
	return RAND_bytes((unsigned char *)key, sizeof(*key)) == 1 ? 0 : ERR_SYSTEM;
}

struct tls_tickets *
tls_tickets_new(void)
{
	struct tls_tickets *t = mem_zalloc(1, sizeof(*t));

	if (!t)
		return NULL;
	ref_init(&t->ref);
	if (make_key(&t->slot[0]) != 0)
		mem_free(&t);
	return t;
}

struct tls_tickets *
tls_tickets_ref(struct tls_tickets *t)
{
	ref_take(&t->ref);
	return t;
}

void
tls_tickets_unref(struct tls_tickets **pointer)
{
	struct tls_tickets *t = *pointer;

	*pointer = NULL;
	if (!t || !ref_drop(&t->ref))
		return;
	OPENSSL_cleanse(t->slot, sizeof(t->slot));
	mem_free(&t);
}

void
tls_tickets_rotate(struct tls_tickets *t)
{
	uint64_t now = gauge_read(&t->current);

	if (make_key(&t->slot[(now + 1) % SLOTS]) != 0)
		return;
	gauge_set(&t->current, now + 1);
	if (now >= 2)
		OPENSSL_cleanse(&t->slot[(now - 2) % SLOTS], sizeof(t->slot[0]));
}

/* The algorithms are for both directions the same. */
static int
set_mac(const struct ticket_key *key, EVP_MAC_CTX *mac)
{
	char digest[] = "SHA256";
	unsigned char secret[KEY_BYTES];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof(secret)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	int ok;

	memcpy(secret, key->mac, sizeof(secret));
	ok = EVP_MAC_CTX_set_params(mac, params);
	OPENSSL_cleanse(secret, sizeof(secret));
	return ok;
}

int
tls_tickets_seal(struct tls_tickets *t, unsigned char *name, unsigned char *iv,
		 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	const struct ticket_key *key = &t->slot[gauge_read(&t->current) % SLOTS];

	memcpy(name, key->name, sizeof(key->name));
	if (RAND_bytes(iv, IV_BYTES) != 1 ||
	    !EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) ||
	    !set_mac(key, mac))
		return -1;
	return 1;
}

int
tls_tickets_open(struct tls_tickets *t, const unsigned char *name, const unsigned char *iv,
		 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	uint64_t now = gauge_read(&t->current);

	for (uint64_t age = 0; age <= 1 && age <= now; age++) {
		const struct ticket_key *key = &t->slot[(now - age) % SLOTS];

		if (memcmp(name, key->name, sizeof(key->name)) != 0)
			continue;
		if (!EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) ||
		    !set_mac(key, mac))
			return -1;
		return age == 0 ? 1 : 2;
	}
	return 0;
}
