/*
 * Our side of TLS as a client; see tls_client.h.
 */
#include "net/tls_client.h"

#include "base/mem.h"
#include "config/conf.h"
#include "config/errors.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { VERIFY_DEPTH = 8 };

struct tls_client {
	SSL_CTX *ssl; /* owned */
	bool verifies;
};

static void
tell(const struct conf_section *section, struct conf_errors *e, const char *key, struct slice path)
{
	const char *why = ERR_reason_error_string(ERR_peek_error());

	conf_error_at(e, section, key, "%.*s: %s", SLICE_PRINT(path), why ? why : "cannot be read");
	ERR_clear_error();
}

static bool
load_trust(SSL_CTX *ssl, const struct tls_client_conf *conf, const struct conf_section *section,
	   struct conf_errors *e)
{
	if (conf->ca.len == 0) {
		SSL_CTX_set_default_verify_paths(ssl); /* none of them has to be there */
		ERR_clear_error();
		return true;
	}
	if (SSL_CTX_load_verify_locations(ssl, conf->ca.at, NULL) == 1)
		return true;
	tell(section, e, "tls_ca", conf->ca);
	return false;
}

static bool
load_own(SSL_CTX *ssl, const struct tls_client_conf *conf, const struct conf_section *section,
	 struct conf_errors *e)
{
	if (conf->certificate.len == 0)
		return true;
	if (SSL_CTX_use_certificate_chain_file(ssl, conf->certificate.at) != 1) {
		tell(section, e, "tls_certificate", conf->certificate);
		return false;
	}
	if (SSL_CTX_use_PrivateKey_file(ssl, conf->key.at, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ssl) != 1) {
		tell(section, e, "tls_key", conf->key);
		return false;
	}
	return true;
}

static int
set_rules(SSL_CTX *ssl)
{
	SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_verify_depth(ssl, VERIFY_DEPTH);
	return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 ? 0 : ERR_MEMORY;
}

struct tls_client *
tls_client_new(const struct tls_client_conf *conf, const struct conf_section *section,
	       struct conf_errors *errors)
{
	struct tls_client *c = mem_zalloc(1, sizeof(*c));

	if (!c)
		return NULL;
	ERR_clear_error();
	c->verifies = conf->verifies;
	c->ssl = SSL_CTX_new(TLS_client_method());
	if (!c->ssl || set_rules(c->ssl) != 0 || !load_trust(c->ssl, conf, section, errors) ||
	    !load_own(c->ssl, conf, section, errors))
		tls_client_free(&c);
	return c;
}

void
tls_client_free(struct tls_client **client)
{
	struct tls_client *c = *client;

	if (!c)
		return;
	SSL_CTX_free(c->ssl);
	mem_free(client);
}

/* An address is no name: it is looked for among the certificate's addresses, and is not sent
 * (RFC 6066 3). */
static bool
is_address(const char *name)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static bool
expect_name(SSL *ssl, const char *name)
{
	if (is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1;
}

struct ssl_st *
tls_client_new_ssl(const struct tls_client *c, const struct tls_client_hello *hello)
{
	const char *name = hello->name;
	SSL *ssl = SSL_new(c->ssl);
	bool is_well = ssl != NULL;

	if (is_well)
		is_well = SSL_set_alpn_protos(ssl, (const unsigned char *)hello->protocols.at,
					      (unsigned)hello->protocols.len) == 0;

	if (is_well && c->verifies) {
		SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
		is_well = expect_name(ssl, name);
	}
	if (is_well && !is_address(name))
		/* SSL_set_tlsext_host_name(), which casts const away. */
		is_well = SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
				   (void *)(uintptr_t)name) == 1;
	if (!is_well) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	return ssl;
}
