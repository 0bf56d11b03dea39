/*
 * What a listener with tls = yes is to its clients: its identities - each a
 * certificate with its key, or two for the same names, one RSA and one ECDSA -
 * and the rules of a handshake. Built with the site, after privileges are dropped;
 * immutable but for the ticket keys, and counted: the site, the acceptor and each
 * connection hold it, so that a handshake that outlives its site is sound.
 *
 *   ClientHello --SNI--> exact name --or--> *.rest --or--> the first identity
 *
 * An identity has its own ticket keys and its own session id context, made of all
 * that a session depends on: a session of one is refused by any other (and by the same
 * one when its certificate, its client_ca, or its rules have changed).
 */
#ifndef FOREBAY_NET_TLS_CONTEXT_H
#define FOREBAY_NET_TLS_CONTEXT_H

#include "base/err.h"
#include "base/slice.h"
#include "config/key.h"

struct conf_errors;
struct conf_section;
struct ssl_st;

/* Keys of [listen]. */
struct tls_conf {
	bool is_on;
	struct conf_list certificate, key, ocsp; /* paths, the same number of each; ocsp may be 0 */
	struct slice client_ca; /* path; empty: clients need no certificate */
	unsigned min; /* enum tls_min */
	struct slice ciphers; /* empty: ours */
};

enum tls_min { TLS_MIN_1_2, TLS_MIN_1_3 };

/* What is asked of a listener. Borrowed while tls_context_new() runs. */
struct tls_wish {
	const struct tls_conf *conf;
	const struct conf_section *section; /* whose name and lines */
	/* Names of protocols, in our order of preference, each behind its length (RFC 7301 3.1).
	 * The bytes outlive the context. */
	struct slice protocols;
};

struct tls_context;

/* Adds an error for keys that cannot stand together. 0 or ERR_SYNTAX. Reads no file. */
int tls_conf_check(const struct tls_conf *conf, const struct conf_section *section,
		   struct conf_errors *e) MUST_CHECK;
/*
 * Reads certificates and keys; what is wrong is added to errors, what is odd (an
 * expired certificate) as a warning. An identity that the prior context has as it
 * is goes on with its ticket keys; prior may be NULL. NULL after an error or without memory.
 */
struct tls_context *tls_context_new(const struct tls_wish *wish, const struct tls_context *prior,
				    struct conf_errors *e) MUST_CHECK;
struct tls_context *tls_context_ref(struct tls_context *c);
/* Sets *c to NULL; NULL is allowed. */
void tls_context_unref(struct tls_context **c);

/* New ticket keys for all identities. By one thread, every TLS_TICKET_PERIOD_S. */
void tls_context_rotate(struct tls_context *c);

/* A connection's state, before its handshake. It borrows the context. NULL without memory. */
struct ssl_st *tls_context_new_ssl(const struct tls_context *c) MUST_CHECK;

/* Which identity answers to a name: its place among the certificates. Names are of any case. */
unsigned tls_context_choose(const struct tls_context *c, struct slice name);

#endif
