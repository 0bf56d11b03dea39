/*
 * What we are to TLS servers that we connect to: whom we trust, and who we say
 * we are. One for each upstream, made with the site, then only read, by every
 * worker; the site ends after its connections.
 *
 * A server is who its certificate says, for the name that was asked for (RFC 9525,
 * RFC 6125 6.4), as long as `verifies`. TLS 1.2 and up, the library's ciphers.
 */
#ifndef FOREBAY_NET_TLS_CLIENT_H
#define FOREBAY_NET_TLS_CLIENT_H

#include "base/err.h"
#include "base/slice.h"
#include "config/key.h"

struct conf_errors;
struct conf_section;
struct ssl_session_st;
struct ssl_st;
struct tls_client;

/* Keys of a section; texts are NUL-terminated, paths absolute. */
struct tls_client_conf {
	bool verifies;
	struct slice ca; /* empty: those that the system trusts */
	struct slice certificate, key; /* ours; both or none */
	struct slice name; /* that servers must have; empty: the host of their address */
};

/* Reads the files; what is wrong is added to errors. NULL after an error or without memory.
 * Builder thread. */
struct tls_client *tls_client_new(const struct tls_client_conf *conf,
				  const struct conf_section *section,
				  struct conf_errors *errors) MUST_CHECK;
/* No connection may be left. Sets *c to NULL; NULL is allowed. */
void tls_client_free(struct tls_client **c);

/* What a connection begins with; all borrowed. */
struct tls_client_hello {
	const char *name; /* whom the server must be: a host name or an address as text */
	struct slice protocols; /* that are offered (ALPN), each behind its length */
	struct ssl_session_st *session; /* of an earlier connection, to shake hands in less; or NULL
					 */
};

/* A connection's state, before its handshake. NULL without memory. Any thread. */
struct ssl_st *tls_client_new_ssl(const struct tls_client *c,
				  const struct tls_client_hello *hello) MUST_CHECK;

#endif
