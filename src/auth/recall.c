/*
 * Remembering verdicts; see recall.h.
 */
#include "auth/recall.h"

#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

enum { WAYS = 4, KINDS = 2, KEY_BYTES = 32 };

struct entry {
	struct recall_digest digest;
	uint64_t until_ns; /* 0: none */
};

struct set {
	struct entry of[KINDS][WAYS]; /* by verdict: right, wrong */
};

struct recall {
	EVP_MAC_CTX *mac;
	unsigned sets; /* a power of two */
	unsigned char key[KEY_BYTES];
	struct set set[];
};

static EVP_MAC_CTX *
new_mac(void)
{
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	char sha256[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};

	EVP_MAC_free(hmac);
	if (mac && EVP_MAC_CTX_set_params(mac, params) != 1) {
		EVP_MAC_CTX_free(mac);
		mac = NULL;
	}
	return mac;
}

struct recall *
recall_new(unsigned entries)
{
	struct recall *r;
	unsigned sets = 1;

	while (sets * WAYS < entries)
		sets *= 2;
	r = mem_zalloc(1, sizeof(*r) + sets * sizeof(r->set[0]));
	if (!r)
		return NULL;
	r->sets = sets;
	r->mac = new_mac();
	if (!r->mac || RAND_bytes(r->key, sizeof(r->key)) != 1)
		recall_free(&r);
	return r;
}

void
recall_free(struct recall **recall)
{
	struct recall *r = *recall;

	if (!r)
		return;
	EVP_MAC_CTX_free(r->mac);
	OPENSSL_cleanse(r, sizeof(*r) + r->sets * sizeof(r->set[0]));
	mem_free(recall);
}

int
recall_hash(struct recall *r, struct slice credentials, struct recall_digest *d)
{
	size_t len;

	if (EVP_MAC_init(r->mac, r->key, sizeof(r->key), NULL) != 1 ||
	    EVP_MAC_update(r->mac, (const unsigned char *)credentials.at, credentials.len) != 1 ||
	    EVP_MAC_final(r->mac, d->at, &len, sizeof(d->at)) != 1)
		return ERR_FAILED;
	return len == sizeof(d->at) ? 0 : ERR_FAILED;
}

static unsigned
set_of(const struct recall *r, const struct recall_digest *d)
{
	uint32_t bits;

	memcpy(&bits, d->at, sizeof(bits));
	return bits & (r->sets - 1);
}

static bool
is_it(const struct entry *e, const struct recall_digest *d, uint64_t now_ns)
{
	return e->until_ns > now_ns && CRYPTO_memcmp(e->digest.at, d->at, sizeof(d->at)) == 0;
}

enum recall_verdict
recall_find(const struct recall *r, const struct recall_digest *d, uint64_t now_ns)
{
	const struct set *s = &r->set[set_of(r, d)];

	for (unsigned kind = 0; kind < KINDS; kind++) {
		for (unsigned i = 0; i < WAYS; i++) {
			if (is_it(&s->of[kind][i], d, now_ns))
				return kind == 0 ? RECALL_RIGHT : RECALL_WRONG;
		}
	}
	return RECALL_UNKNOWN;
}

/* Its own place, else that of what ends first: a free one has ended at 0. */
static struct entry *
place_for(struct entry way[WAYS], const struct recall_digest *d)
{
	struct entry *place = &way[0];

	for (unsigned i = 0; i < WAYS; i++) {
		if (way[i].until_ns && CRYPTO_memcmp(way[i].digest.at, d->at, sizeof(d->at)) == 0)
			return &way[i];
		if (way[i].until_ns < place->until_ns)
			place = &way[i];
	}
	return place;
}

void
recall_keep(struct recall *r, const struct recall_digest *d, enum recall_verdict verdict,
	    uint64_t now_ns, uint64_t until_ns)
{
	struct entry *place;

	if (verdict == RECALL_UNKNOWN || until_ns <= now_ns)
		return;
	place = place_for(r->set[set_of(r, d)].of[verdict == RECALL_WRONG], d);
	*place = (struct entry){ *d, until_ns };
}
