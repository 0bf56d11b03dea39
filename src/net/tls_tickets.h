/*
 * The keys that session tickets of one identity are sealed with (RFC 5077,
 * RFC 8446 4.6.1). Every worker seals and opens with them; one thread, the
 * acceptor's, changes them from time to time. A key that no ticket may be opened
 * with any more is overwritten, so that who takes this process' memory cannot
 * read what was recorded days before.
 *
 *   slots      | made next | current: seals, opens | before it: opens | being forgotten |
 *
 * Readers take no lock: they read the number of the current key, then the key. A slot
 * is written again two periods after the last reader could have looked at it.
 */
#ifndef FOREBAY_NET_TLS_TICKETS_H
#define FOREBAY_NET_TLS_TICKETS_H

#include "base/err.h"

struct tls_tickets;
struct evp_cipher_st;
struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

enum {
	TLS_TICKET_NAME_BYTES = 16,
	TLS_TICKET_PERIOD_S = 3600, /* between two keys, and how long a ticket is good for */
};

/* Counted. NULL without memory or randomness. */
struct tls_tickets *tls_tickets_new(void) MUST_CHECK;
struct tls_tickets *tls_tickets_ref(struct tls_tickets *t);
void tls_tickets_unref(struct tls_tickets **t);
/* A new key seals from now on; the one before it still opens. By one thread. Without randomness
 * nothing changes. */
void tls_tickets_rotate(struct tls_tickets *t);

/*
 * What OpenSSL asks for: names a key, or finds the one with that name, and sets up
 * cipher and MAC with it. 1: done; 2: done, and a new ticket is due; 0: no such
 * key, the ticket is not ours; -1: out of memory or randomness.
 */
int tls_tickets_seal(struct tls_tickets *t, unsigned char *name, unsigned char *iv,
		     struct evp_cipher_ctx_st *cipher, struct evp_mac_ctx_st *mac) MUST_CHECK;
int tls_tickets_open(struct tls_tickets *t, const unsigned char *name, const unsigned char *iv,
		     struct evp_cipher_ctx_st *cipher, struct evp_mac_ctx_st *mac) MUST_CHECK;

#endif
