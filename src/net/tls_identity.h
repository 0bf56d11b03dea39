/*
 * One identity of a TLS listener: certificates for the same names, at most one
 * for each kind of key, in one SSL_CTX. Part of a tls_context; for tls_context.c.
 */
#ifndef FOREBAY_NET_TLS_IDENTITY_H
#define FOREBAY_NET_TLS_IDENTITY_H

#include "base/arena.h"
#include "net/tls_context.h"
#include "net/tls_tickets.h"

#include <openssl/ssl.h>
#include <time.h>

enum { TLS_IDENTITY_CERTIFICATES = 3 }; /* RSA, ECDSA, Ed25519 */
enum { TLS_SESSION_ID_BYTES = 32 };

struct tls_certificate {
	X509 *x509; /* borrowed from the SSL_CTX */
	int key_type; /* EVP_PKEY_RSA, ... */
	struct slice staple; /* an OCSP response; empty: none */
	time_t staple_until; /* it is old from then on; 0: never */
};

struct tls_identity {
	SSL_CTX *ssl; /* owned */
	struct tls_tickets *tickets; /* counted */
	const struct slice *names; /* lower case; may be "*.example.org" */
	unsigned name_count;
	struct tls_certificate certificate[TLS_IDENTITY_CERTIFICATES];
	unsigned certificate_count;
	unsigned char session_id[TLS_SESSION_ID_BYTES];
};

/* What is read, from where, and where to say what is wrong. */
struct tls_reading {
	const struct tls_wish *wish;
	struct arena *arena;
	struct conf_errors *errors;
	size_t place; /* in the lists of certificates, keys and staples */
};

/* Whether a file is there and one: a pipe would be waited for. ERR_SYNTAX: errors say what it is.
 */
int tls_check_file(const struct tls_reading *r, const char *key, const char *file) MUST_CHECK;
/* Reads a certificate file's first certificate. NULL: errors say why. */
X509 *tls_read_certificate(const struct tls_reading *r) MUST_CHECK;
/* Its names, in the arena; the common name if it has no others (RFC 9525 has done away with it, old
 * ones live on). ERR_MEMORY. */
int tls_read_names(const struct tls_reading *r, X509 *x509, const struct slice **names,
		   unsigned *count) MUST_CHECK;
/* Adds certificate, chain, key and staple of that place to the identity. 0; ERR_SYNTAX: errors say
 * why. */
int tls_identity_add(struct tls_identity *i, const struct tls_reading *r) MUST_CHECK;
/* For SSL_CTX_set_tlsext_status_cb. */
int tls_identity_staple(SSL *ssl, void *argument);

#endif
