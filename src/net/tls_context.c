/*
 * Identities and the rules of handshakes; see tls_context.h. Built on the
 * builder's thread; what OpenSSL calls back runs on the worker whose
 * connection it is about.
 */
#include "net/tls_context.h"

#include "base/mem.h"
#include "base/ref.h"
#include "config/errors.h"
#include "net/tls_identity.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTEXT_BYTES = 64 << 20, HOST_BYTES = 255, VERIFY_DEPTH = 8, SUITES_BYTES = 1024 };

struct tls_context {
	struct ref ref;
	struct store store;
	struct arena arena; /* everything below lives here */
	struct tls_identity *identity;
	unsigned identity_count;
	struct slice protocols;
};

/* Forward secrecy and authenticated encryption alone; the cheaper one first, and the client's
 * choice between AES and ChaCha (SSL_OP_PRIORITIZE_CHACHA): it knows what its processor can. */
static const char default_ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
				      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
				      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char default_suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256:P-384";

/* --- what keys may stand together ------------------------------------------------------- */

int
tls_conf_check(const struct tls_conf *conf, const struct conf_section *section,
	       struct conf_errors *e)
{
	static const char *const others[] = { "certificate", "key",     "client_ca",
					      "tls_min",     "ciphers", "ocsp" };
	unsigned before = e->errors;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && !conf->is_on; i++) {
		if (conf_is_set(section, others[i]))
			conf_error_at(e, section, others[i], "this needs tls = yes");
	}
	if (conf->is_on && conf->certificate.count == 0)
		conf_error_at(e, section, "tls", "tls = yes needs a certificate and its key");
	else if (conf->is_on && conf->key.count != conf->certificate.count)
		conf_error_at(e, section, "key",
			      "%zu keys for %zu certificates: each needs its own, in the same "
			      "order",
			      conf->key.count, conf->certificate.count);
	if (conf->is_on && conf->ocsp.count > 0 && conf->ocsp.count != conf->certificate.count)
		conf_error_at(e, section, "ocsp",
			      "%zu files for %zu certificates: each needs its own, in the same "
			      "order",
			      conf->ocsp.count, conf->certificate.count);
	return e->errors == before ? 0 : ERR_SYNTAX;
}

/* --- what OpenSSL asks while hands are shaken --------------------------------------------- */

/* The name in a server_name extension (RFC 6066 3); empty if there is none. */
static struct slice
name_in(const unsigned char *at, size_t len)
{
	size_t list, name;

	if (len < 5)
		return (struct slice){ 0 };
	list = (size_t)(at[0] << 8 | at[1]);
	name = (size_t)(at[3] << 8 | at[4]);
	if (list != len - 2 || at[2] != TLSEXT_NAMETYPE_host_name || name > len - 5)
		return (struct slice){ 0 };
	return slice_make((const char *)at + 5, name);
}

/* Before a session is looked for, so that it is looked for in the right place: a servername
 * call-back comes after that with TLS 1.2. */
static int
on_hello(SSL *ssl, int *alert, void *argument)
{
	const struct tls_context *c = argument;
	const unsigned char *at;
	size_t len;
	unsigned place;

	if (c->identity_count == 1 ||
	    !SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &len))
		return SSL_CLIENT_HELLO_SUCCESS;
	place = tls_context_choose(c, name_in(at, len));
	if (place == 0 || SSL_set_SSL_CTX(ssl, c->identity[place].ssl))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* The name was taken notice of. */
static int
on_name(SSL *ssl, int *alert, void *argument)
{
	(void)ssl;
	(void)alert;
	(void)argument;
	return SSL_TLSEXT_ERR_OK;
}

/* RFC 7301 3.2: who offers protocols, and none that we speak, is refused. */
static int
on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *len,
	     const unsigned char *offered, unsigned offered_len, void *argument)
{
	const struct tls_context *c = argument;
	unsigned char *found;

	(void)ssl;
	if (SSL_select_next_proto(&found, len, (const unsigned char *)c->protocols.at,
				  (unsigned)c->protocols.len, offered,
				  offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = found;
	return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL asks the context that the connection began with; the keys are those of the identity that
 * was chosen since. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	  EVP_MAC_CTX *mac, int is_sealing)
{
	const struct tls_identity *i = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	int result;

	if (is_sealing)
		return tls_tickets_seal(i->tickets, name, iv, cipher, mac);
	result = tls_tickets_open(i->tickets, name, iv, cipher, mac);
	/* RFC 8446 C.4: clients use a ticket once; without a new one every second connection of
	 * theirs would have to shake hands in full. */
	return result == 1 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : result;
}

/* --- one SSL_CTX --------------------------------------------------------------------------- */

/* Names of TLS 1.3 begin with TLS_; OpenSSL keeps two lists, we one. */
static int
split_ciphers(struct slice all, struct writer *older, struct writer *newer)
{
	while (all.len > 0) {
		struct slice one = slice_cut(&all, ':');
		struct writer *w = slice_has_prefix(one, SLICE("TLS_")) ? newer : older;

		if (w->len > 0)
			writer_char(w, ':');
		writer_put(w, one);
	}
	writer_char(older, '\0');
	writer_char(newer, '\0');
	return older->is_full || newer->is_full ? ERR_TOO_LARGE : 0;
}

static int
set_ciphers(SSL_CTX *ssl, const struct tls_wish *wish, struct conf_errors *e)
{
	struct slice all = wish->conf->ciphers;
	char older[SUITES_BYTES], newer[SUITES_BYTES];
	struct writer w12 = writer_over(older, sizeof(older));
	struct writer w13 = writer_over(newer, sizeof(newer));
	bool is_bad = split_ciphers(all, &w12, &w13) != 0;

	if (!is_bad && w12.len > 1)
		is_bad = SSL_CTX_set_cipher_list(ssl, older) != 1;
	else
		is_bad |= SSL_CTX_set_cipher_list(ssl, default_ciphers) != 1;
	if (!is_bad)
		is_bad = SSL_CTX_set_ciphersuites(ssl, w13.len > 1 ? newer : default_suites) != 1;
	ERR_clear_error();
	if (!is_bad)
		return 0;
	conf_error_at(e, wish->section, "ciphers", "%s is no list of ciphers that OpenSSL knows",
		      conf_quote(all).text);
	return ERR_SYNTAX;
}

static int
set_client_ca(SSL_CTX *ssl, const struct tls_reading *r)
{
	const char *file = r->wish->conf->client_ca.at;
	STACK_OF(X509_NAME) * names;

	if (r->wish->conf->client_ca.len == 0)
		return 0;
	if (tls_check_file(r, "client_ca", file) != 0)
		return ERR_SYNTAX;
	names = SSL_load_client_CA_file(file);
	if (!names || SSL_CTX_load_verify_file(ssl, file) != 1) {
		conf_error_at(r->errors, r->wish->section, "client_ca",
			      "%s: there are no certificates in PEM form in it", file);
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		ERR_clear_error();
		return ERR_SYNTAX;
	}
	SSL_CTX_set_client_CA_list(ssl, names);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ssl, VERIFY_DEPTH);
	return 0;
}

/* Whether the kernel can do the work of records: it says that this socket is not connected, and not
 * that there is no such thing. Asked once for a context; without it OpenSSL would ask twice for
 * each connection, in vain. */
static bool
has_kernel_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = false;

	if (fd < 0)
		return false;
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 || errno == ENOTCONN)
		has = true;
	close(fd);
	return has;
}

static int
set_groups(SSL_CTX *ssl)
{
	char list[sizeof(groups)]; /* OpenSSL's macro takes no constant */

	memcpy(list, groups, sizeof(list));
	return SSL_CTX_set1_groups_list(ssl, list) == 1 ? 0 : ERR_UNSUPPORTED;
}

/* The rules are the same for all identities of a context: OpenSSL takes them from the first. */
static int
set_rules(SSL_CTX *ssl, const struct tls_reading *r)
{
	const struct tls_wish *wish = r->wish;
	uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
			   SSL_OP_IGNORE_UNEXPECTED_EOF;
	int min = wish->conf->min == TLS_MIN_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

#ifdef SSL_OP_ENABLE_KTLS
	if (has_kernel_tls())
		options |= SSL_OP_ENABLE_KTLS;
#endif
	SSL_CTX_set_options(ssl, options);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Sessions live with the client, in tickets: the server keeps none. */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ssl, TLS_TICKET_PERIOD_S);
	SSL_CTX_set_num_tickets(ssl, 1);
	SSL_CTX_set_read_ahead(ssl, 1);
	if (SSL_CTX_set_min_proto_version(ssl, min) != 1 || set_groups(ssl) != 0) {
		conf_error_at(r->errors, wish->section, "tls",
			      "OpenSSL does not do what is asked of it");
		return ERR_SYNTAX;
	}
	return set_ciphers(ssl, wish, r->errors) == 0 ? set_client_ca(ssl, r) : ERR_SYNTAX;
}

static void
set_calls(struct tls_context *c, struct tls_identity *i)
{
	SSL_CTX_set_app_data(i->ssl, i);
	SSL_CTX_set_client_hello_cb(i->ssl, on_hello, c);
	SSL_CTX_set_tlsext_servername_callback(i->ssl, on_name);
	SSL_CTX_set_alpn_select_cb(i->ssl, on_protocols, c);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(i->ssl, on_ticket);
	SSL_CTX_set_tlsext_status_cb(i->ssl, tls_identity_staple);
	SSL_CTX_set_tlsext_status_arg(i->ssl, i);
}

/* --- identities ------------------------------------------------------------------------------ */

static bool
has_names(const struct tls_identity *i, const struct slice *names, unsigned count)
{
	if (i->name_count != count)
		return false;
	for (unsigned n = 0; n < count; n++) {
		bool is_there = false;

		for (unsigned k = 0; k < count && !is_there; k++)
			is_there = slice_eq(i->names[k], names[n]);
		if (!is_there)
			return false;
	}
	return true;
}

/* The identity with these names, or a new one. NULL: errors say why. */
static struct tls_identity *
need_identity(struct tls_context *c, const struct tls_reading *r, const struct slice *names,
	      unsigned count)
{
	struct tls_identity *i = c->identity;

	for (; i < c->identity + c->identity_count; i++) {
		if (has_names(i, names, count))
			return i;
	}
	i->ssl = SSL_CTX_new(TLS_server_method());
	if (!i->ssl)
		return NULL;
	c->identity_count++; /* from here on it is freed with the context */
	i->names = names;
	i->name_count = count;
	set_calls(c, i);
	return set_rules(i->ssl, r) == 0 ? i : NULL;
}

static int
add_certificate(struct tls_context *c, const struct tls_reading *r)
{
	X509 *x509 = tls_read_certificate(r);
	const struct slice *names;
	struct tls_identity *i = NULL;
	unsigned count;

	if (!x509)
		return ERR_SYNTAX;
	if (tls_read_names(r, x509, &names, &count) == 0)
		i = need_identity(c, r, names, count);
	X509_free(x509);
	return i ? tls_identity_add(i, r) : ERR_MEMORY;
}

/* --- sessions ----------------------------------------------------------------------------------
 */

static void
digest_text(EVP_MD_CTX *digest, struct slice s)
{
	EVP_DigestUpdate(digest, &s.len, sizeof(s.len));
	EVP_DigestUpdate(digest, s.at ? s.at : "", s.len);
}

/* The certificates that a client's is checked with, as they are and not by the name of their file.
 */
static void
digest_client_ca(EVP_MD_CTX *digest, const struct tls_identity *i)
{
	STACK_OF(X509) *all = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(i->ssl));
	unsigned char print[EVP_MAX_MD_SIZE];
	unsigned len;

	for (int n = 0; all && n < sk_X509_num(all); n++) {
		if (X509_digest(sk_X509_value(all, n), EVP_sha256(), print, &len) == 1)
			EVP_DigestUpdate(digest, print, len);
	}
	sk_X509_pop_free(all, X509_free);
}

/* A digest of everything that a session of this identity vouches for. */
static int
set_session_id(struct tls_identity *i, const struct tls_wish *wish)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char print[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int ok = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;

	if (ok) {
		digest_text(digest, wish->section->name);
		digest_text(digest, wish->conf->ciphers);
		EVP_DigestUpdate(digest, &wish->conf->min, sizeof(wish->conf->min));
		digest_client_ca(digest, i);
	}
	for (unsigned n = 0; ok && n < i->certificate_count; n++) {
		ok = X509_digest(i->certificate[n].x509, EVP_sha256(), print, &len) == 1 &&
		     EVP_DigestUpdate(digest, print, len) == 1;
	}
	ok = ok && EVP_DigestFinal_ex(digest, i->session_id, &len) == 1 &&
	     SSL_CTX_set_session_id_context(i->ssl, i->session_id, sizeof(i->session_id)) == 1;
	EVP_MD_CTX_free(digest);
	return ok ? 0 : ERR_MEMORY;
}

static int
open_sessions(struct tls_identity *i, const struct tls_wish *wish, const struct tls_context *prior)
{
	if (set_session_id(i, wish) != 0)
		return ERR_MEMORY;
	for (unsigned n = 0; prior && n < prior->identity_count; n++) {
		const struct tls_identity *other = &prior->identity[n];

		if (memcmp(other->session_id, i->session_id, sizeof(i->session_id)) != 0)
			continue;
		i->tickets = tls_tickets_ref(other->tickets);
		return 0;
	}
	i->tickets = tls_tickets_new();
	return i->tickets ? 0 : ERR_MEMORY;
}

/* --- choosing ------------------------------------------------------------------------------------
 */

static bool
find_name(const struct tls_context *c, struct slice name, unsigned *place)
{
	for (unsigned i = 0; i < c->identity_count; i++) {
		for (unsigned n = 0; n < c->identity[i].name_count; n++) {
			if (slice_eq(c->identity[i].names[n], name)) {
				*place = i;
				return true;
			}
		}
	}
	return false;
}

unsigned
tls_context_choose(const struct tls_context *c, struct slice name)
{
	char lower[HOST_BYTES + 1];
	size_t dot;
	unsigned place = 0;

	if (name.len == 0 || name.len > HOST_BYTES)
		return 0;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.at[i]);
	name = slice_make(lower, name.len);
	if (find_name(c, name, &place))
		return place;
	/* RFC 9525 6.3: a star stands for one whole label, the first. */
	dot = slice_find(name, '.');
	if (dot == 0 || dot == name.len)
		return 0;
	lower[dot - 1] = '*';
	find_name(c, slice_after(name, dot - 1), &place);
	return place;
}

/* --- life
 * ------------------------------------------------------------------------------------------ */

static int
fill(struct tls_context *c, const struct tls_wish *wish, const struct tls_context *prior,
     struct conf_errors *e)
{
	struct tls_reading r = { .wish = wish, .arena = &c->arena, .errors = e };
	size_t count = wish->conf->certificate.count;
	int err = 0;

	c->identity = arena_zalloc(&c->arena, count, sizeof(*c->identity));
	if (!c->identity)
		return ERR_MEMORY;
	/* All of them, so that all that is wrong comes in one run. */
	for (; r.place < count; r.place++) {
		int failed = add_certificate(c, &r);

		err = err ? err : failed;
	}
	for (unsigned i = 0; i < c->identity_count && !err; i++)
		err = open_sessions(&c->identity[i], wish, prior);
	return err;
}

struct tls_context *
tls_context_new(const struct tls_wish *wish, const struct tls_context *prior, struct conf_errors *e)
{
	struct tls_context *c = mem_zalloc(1, sizeof(*c));
	unsigned before = e->errors;

	if (!c)
		return NULL;
	ref_init(&c->ref);
	store_init(&c->store);
	arena_init(&c->arena, &c->store, CONTEXT_BYTES);
	c->protocols = wish->protocols;
	if (fill(c, wish, prior, e) == 0 && e->errors == before)
		return c;
	if (e->errors == before)
		conf_error_at(e, wish->section, "certificate", "%s", err_text(ERR_MEMORY));
	tls_context_unref(&c);
	return NULL;
}

struct tls_context *
tls_context_ref(struct tls_context *c)
{
	ref_take(&c->ref);
	return c;
}

void
tls_context_unref(struct tls_context **pointer)
{
	struct tls_context *c = *pointer;

	*pointer = NULL;
	if (!c || !ref_drop(&c->ref))
		return;
	for (unsigned i = 0; i < c->identity_count; i++) {
		SSL_CTX_free(c->identity[i].ssl);
		tls_tickets_unref(&c->identity[i].tickets);
	}
	arena_fini(&c->arena);
	store_fini(&c->store);
	mem_free(&c);
}

void
tls_context_rotate(struct tls_context *c)
{
	for (unsigned i = 0; i < c->identity_count; i++)
		tls_tickets_rotate(c->identity[i].tickets);
}

SSL *
tls_context_new_ssl(const struct tls_context *c)
{
	SSL *ssl = SSL_new(c->identity[0].ssl);

	if (!ssl)
		ERR_clear_error();
	return ssl;
}
