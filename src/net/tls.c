/*
 * TLS connections; see tls.h.
 *
 * The socket is OpenSSL's own BIO, because kernel TLS wants that one. A
 * call-back on it sees how much each recv brought: after one that brought less than was
 * asked for, the socket is empty until the next edge, and is not asked again. The same
 * call-back bounds how much one call may swallow without giving a byte of the stream:
 * records that are no data (renegotiation, key updates) cost the peer as much as they
 * cost us, but would hold a worker.
 */
#include "net/tls.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/io.h"
#include "net/tls_client.h"
#include "net/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

enum { RECVS_MAX = 8 }; /* of one call, each of up to a record's length: 128 KiB */

struct tls {
	SSL *ssl; /* owned */
	struct tls_context
	    *context; /* counted: what OpenSSL calls back reads it; NULL: a client's */
	struct counters *counters; /* borrowed */
	const char *failure; /* of the handshake */
	unsigned recvs; /* of this call */
	bool is_dry; /* the last recv emptied the socket */
	bool is_ending; /* the peer's FIN was seen: dry says nothing any more */
	bool is_open; /* hands are shaken */
	bool is_broken; /* nothing may be read or written */
	bool is_midway; /* a record that is written waits for room */
	bool is_ended; /* close_notify is sent, or must not be */
	bool has_moved; /* see tls_take_moved() */
	bool wants_write; /* reading waits for room in the socket */
};

/* --- the socket ---------------------------------------------------------------------- */

static bool
is_kernel_reading(BIO *bio)
{
	return BIO_get_ktls_recv(bio);
}

/* -1: as recv says EAGAIN; 0: as it says at the end. */
static long
before_recv(struct tls *t, BIO *bio)
{
	if (t->is_dry && !t->is_ending) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (t->recvs++ < RECVS_MAX)
		return 1;
	t->is_broken = true;
	BIO_clear_retry_flags(bio);
	return -1;
}

static long
on_bio(BIO *bio, int what, const char *memory, size_t len, int argi, long argl, int result,
       size_t *processed)
{
	struct tls *t = (struct tls *)(void *)BIO_get_callback_arg(bio);

	(void)memory;
	(void)argi;
	(void)argl;
	if (what == BIO_CB_READ)
		return before_recv(t, bio);
	if (what != (BIO_CB_READ | BIO_CB_RETURN))
		return result;
	if (result > 0 && processed)
		t->is_dry = *processed < len && !is_kernel_reading(bio);
	else
		t->is_dry = result < 0 && BIO_should_retry(bio);
	return result;
}

static int
attach_socket(struct tls *t, int fd)
{
	BIO *bio = BIO_new(BIO_s_socket());

	if (!bio)
		return ERR_MEMORY;
	BIO_set_fd(bio, fd, BIO_NOCLOSE);
	BIO_set_callback_ex(bio, on_bio);
	BIO_set_callback_arg(bio, (char *)t);
	SSL_set_bio(t->ssl, bio, bio); /* one user, owned by it */
	return 0;
}

/* --- birth and death -------------------------------------------------------------------- */

/* Takes over ssl, which may be NULL. */
static struct tls *
open_over(SSL *ssl, int fd, struct counters *counters)
{
	struct tls *t = ssl ? mem_zalloc(1, sizeof(*t)) : NULL;

	if (t) {
		t->counters = counters;
		t->ssl = ssl;
	}
	if (!t || attach_socket(t, fd) != 0) {
		SSL_free(ssl);
		ERR_clear_error();
		mem_free(&t);
	}
	return t;
}

struct tls *
tls_open(struct tls_context *c, int fd, struct counters *counters)
{
	struct tls *t = open_over(tls_context_new_ssl(c), fd, counters);

	if (!t)
		return NULL;
	SSL_set_accept_state(t->ssl);
	t->context = tls_context_ref(c);
	return t;
}

struct tls *
tls_connect(const struct tls_client *client, const struct tls_client_hello *hello, int fd,
	    struct counters *counters)
{
	struct tls *t = open_over(tls_client_new_ssl(client, hello), fd, counters);

	if (!t)
		return NULL;
	SSL_set_connect_state(t->ssl);
	if (hello->session && SSL_set_session(t->ssl, hello->session) != 1)
		ERR_clear_error(); /* then without */
	return t;
}

struct ssl_session_st *
tls_session(struct tls *t)
{
	SSL_SESSION *session = t->is_open && !t->is_broken ? SSL_get1_session(t->ssl) : NULL;

	if (session && !SSL_SESSION_is_resumable(session))
		tls_session_free(&session);
	return session;
}

void
tls_session_free(struct ssl_session_st **session)
{
	SSL_SESSION_free(*session);
	*session = NULL;
}

const char *
tls_failure(const struct tls *t)
{
	return t->failure ? t->failure : "the handshake failed";
}

void
tls_close(struct tls **pointer)
{
	struct tls *t = *pointer;

	*pointer = NULL;
	if (!t)
		return;
	SSL_free(t->ssl);
	tls_context_unref(&t->context);
	mem_free(&t);
}

/* --- what went wrong ---------------------------------------------------------------------- */

static const struct failure {
	int reason; /* SSL_R_... */
	enum counter counter;
	int err;
} failures[] = {
	{ SSL_R_HTTP_REQUEST, COUNTER_TLS_PLAIN_HTTP, ERR_UNSUPPORTED },
	{ SSL_R_HTTPS_PROXY_REQUEST, COUNTER_TLS_PLAIN_HTTP, ERR_UNSUPPORTED },
	{ SSL_R_UNSUPPORTED_PROTOCOL, COUNTER_TLS_VERSION, ERR_PROTOCOL },
	{ SSL_R_VERSION_TOO_LOW, COUNTER_TLS_VERSION, ERR_PROTOCOL },
	{ SSL_R_NO_SHARED_CIPHER, COUNTER_TLS_CIPHER, ERR_PROTOCOL },
	{ SSL_R_NO_SUITABLE_KEY_SHARE, COUNTER_TLS_CIPHER, ERR_PROTOCOL },
	{ SSL_R_NO_SHARED_GROUPS, COUNTER_TLS_CIPHER, ERR_PROTOCOL },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, COUNTER_TLS_CIPHER, ERR_PROTOCOL },
	{ SSL_R_NO_APPLICATION_PROTOCOL, COUNTER_TLS_ALPN, ERR_PROTOCOL },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, COUNTER_TLS_CLIENT_CERTIFICATE, ERR_PROTOCOL },
	{ SSL_R_CERTIFICATE_VERIFY_FAILED, COUNTER_TLS_CLIENT_CERTIFICATE, ERR_PROTOCOL },
	{ ERR_R_MALLOC_FAILURE, COUNTER_TLS_MEMORY, ERR_CLOSED },
};

/* By the oldest error in the queue, which is the cause of the others. */
static struct failure
find_failure(unsigned long error)
{
	int reason = ERR_GET_REASON(error);

	if (error == 0 || ERR_SYSTEM_ERROR(error))
		return (struct failure){ .counter = COUNTER_TLS_CLOSED, .err = ERR_CLOSED };
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].reason == reason)
			return failures[i];
	}
	/* Alerts of the peer have the reasons from there on: it did not like us. */
	if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
		return (struct failure){ .counter = COUNTER_TLS_ALERT, .err = ERR_PROTOCOL };
	return (struct failure){ .counter = COUNTER_TLS_SYNTAX, .err = ERR_PROTOCOL };
}

/* For calls that gave nothing: ERR_BUSY if they will later; 0 at the end of the stream. */
static int
judge(struct tls *t)
{
	int what = t->is_broken ? SSL_ERROR_SSL : SSL_get_error(t->ssl, 0);

	t->wants_write = what == SSL_ERROR_WANT_WRITE;
	if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
		return ERR_BUSY;
	if (what == SSL_ERROR_ZERO_RETURN)
		return 0;
	t->is_broken = true;
	return ERR_CLOSED;
}

/* --- shaking hands --------------------------------------------------------------------------- */

/* As a client: the server is not who it should be, or does not speak as it should. */
static int
fail_to_server(struct tls *t)
{
	unsigned long error = ERR_peek_error();
	const char *text =
	    error && !ERR_SYSTEM_ERROR(error) ? ERR_reason_error_string(error) : NULL;
	long verified = SSL_get_verify_result(t->ssl);
	bool is_refused = text && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;

	t->failure = is_refused ? X509_verify_cert_error_string(verified) : text;
	if (!t->failure)
		t->failure = "the connection was closed";
	count_add(t->counters,
		  is_refused ? COUNTER_UPSTREAM_TLS_REFUSED : COUNTER_UPSTREAM_TLS_FAILED, 1);
	t->is_broken = true;
	ERR_clear_error();
	return ERR_CONNECT;
}

static int
fail(struct tls *t)
{
	struct failure f = find_failure(ERR_peek_error());

	const char *text = ERR_reason_error_string(ERR_peek_error());

	count_add(t->counters, f.counter, 1);
	log_debug("TLS handshake failed: %s", text ? text : err_text(f.err));
	t->is_broken = true;
	ERR_clear_error();
	return f.err;
}

void
tls_count_timeout(struct counters *counters)
{
	count_add(counters, COUNTER_TLS_TIMEOUT, 1);
}

static void
count_handshake(struct tls *t)
{
	bool is_resumed = SSL_session_reused(t->ssl);

	if (t->context)
		count_add(t->counters, is_resumed ? COUNTER_TLS_RESUMED : COUNTER_TLS_FULL, 1);
	else
		count_add(t->counters,
			  is_resumed ? COUNTER_UPSTREAM_TLS_RESUMED : COUNTER_UPSTREAM_TLS_FULL, 1);
}

int
tls_handshake(struct tls *t)
{
	ERR_clear_error();
	t->recvs = 0;
	if (SSL_do_handshake(t->ssl) == 1) {
		t->is_open = t->has_moved = true;
		t->wants_write = false;
		count_handshake(t);
		return 0;
	}
	if (judge(t) == ERR_BUSY)
		return ERR_BUSY;
	return t->context ? fail(t) : fail_to_server(t);
}

/* --- the stream --------------------------------------------------------------------------------
 */

long
tls_read(struct tls *t, char *memory, size_t cap)
{
	size_t n = 0;
	int err;

	if (t->is_broken)
		return ERR_CLOSED;
	ERR_clear_error();
	t->recvs = 0;
	if (SSL_read_ex(t->ssl, memory, cap, &n) == 1) {
		t->has_moved = true;
		return (long)n;
	}
	err = judge(t);
	ERR_clear_error();
	return err;
}

/* One record at most. What had to wait is asked for again, with the same bytes: they are at the
 * front of a queue that only grows. Bytes, or a negative enum err. */
static long
write_record(struct tls *t, const char *at, size_t len)
{
	size_t n = 0;
	int err;

	if (t->is_broken || t->is_ended)
		return ERR_CLOSED;
	ERR_clear_error();
	t->recvs = 0;
	if (SSL_write_ex(t->ssl, at, len, &n) == 1) {
		t->is_midway = false;
		t->has_moved = true;
		return (long)n;
	}
	err = judge(t);
	t->is_midway = true;
	ERR_clear_error();
	return err == ERR_BUSY ? ERR_BUSY : ERR_CLOSED;
}

long
tls_write_bytes(struct tls *t, struct slice s)
{
	size_t sent = 0;

	while (sent < s.len) {
		size_t len = s.len - sent < TLS_RECORD_BYTES ? s.len - sent : TLS_RECORD_BYTES;
		long n = write_record(t, s.at + sent, len);

		if (n == ERR_BUSY)
			break;
		if (n < 0)
			return n;
		sent += (size_t)n;
	}
	return (long)sent;
}

/* Copies from the front of the list, files included. Bytes, or ERR_CLOSED: a file became shorter
 * than it was announced, or cannot be read. */
static long
gather(const struct chunks *out, char *memory, size_t cap)
{
	size_t len = 0;

	for (const struct chunk *c = out->head; c && len < cap; c = c->next) {
		size_t want = c->len < cap - len ? c->len : cap - len;

		if (c->kind != CHUNK_FILE) {
			memcpy(memory + len, c->at, want);
		} else {
			ssize_t n = pread(c->of.file->fd, memory + len, want, (off_t)c->offset);

			if (n != (ssize_t)want)
				return ERR_CLOSED;
		}
		len += want;
	}
	return (long)len;
}

/* A record from several pieces, or from a file, is made in a block that is borrowed for it. */
static long
write_gathered(struct tls *t, struct chunks *out, size_t want)
{
	struct block *b = block_take(out->store, TLS_RECORD_BYTES);
	long n;

	if (!b)
		return ERR_CLOSED;
	n = gather(out, b->at, want);
	if (n > 0)
		n = write_record(t, b->at, (size_t)n);
	block_unref(b);
	return n;
}

static long
write_some(struct tls *t, struct chunks *out, size_t want)
{
	const struct chunk *c = out->head;

	if (c->kind != CHUNK_FILE && (c->len >= want || !c->next))
		return write_record(t, c->at, c->len < want ? c->len : want);
	return write_gathered(t, out, want);
}

int
tls_write(struct tls *t, struct chunks *out, size_t limit)
{
	while (out->head && limit > 0) {
		long n = write_some(t, out, limit < TLS_RECORD_BYTES ? limit : TLS_RECORD_BYTES);

		if (n < 0)
			return (int)n;
		chunks_drop(out, (size_t)n);
		limit -= (size_t)n;
	}
	return 0;
}

int
tls_end(struct tls *t)
{
	int result;

	if (t->is_broken || t->is_ended || t->is_midway || !t->is_open)
		return 0;
	ERR_clear_error();
	result = SSL_shutdown(t->ssl);
	if (result < 0 && judge(t) == ERR_BUSY && SSL_want(t->ssl) == SSL_WRITING)
		return ERR_BUSY;
	t->is_ended = true;
	ERR_clear_error();
	return 0;
}

void
tls_cut(struct tls *t)
{
	t->is_ended = true;
}

/* --- edges -------------------------------------------------------------------------------------
 */

bool
tls_is_drained(const struct tls *t)
{
	return t->is_dry && !t->is_ending && !SSL_has_pending(t->ssl);
}

void
tls_look_again(struct tls *t)
{
	t->is_dry = false;
}

bool
tls_take_moved(struct tls *t)
{
	bool has_moved = t->has_moved;

	t->has_moved = false;
	return has_moved;
}

unsigned
tls_translate(struct tls *t, unsigned ready)
{
	if (ready & (IO_READ | IO_CLOSED))
		t->is_dry = false;
	if (ready & IO_CLOSED)
		t->is_ending = true;
	if ((ready & IO_WRITE) && t->wants_write)
		ready |= IO_READ;
	return ready;
}

struct slice
tls_protocol(const struct tls *t)
{
	const unsigned char *at;
	unsigned len;

	SSL_get0_alpn_selected(t->ssl, &at, &len);
	return slice_make((const char *)at, len);
}

/* What could be read as something else is escaped, bytes beyond ASCII included. */
int
tls_write_subject(const struct tls *t, struct writer *w)
{
	X509 *certificate = SSL_get0_peer_certificate(t->ssl);
	BIO *bio = certificate ? BIO_new(BIO_s_mem()) : NULL;
	char *text = NULL;
	long len = 0;

	if (!certificate)
		return ERR_MISSING;
	if (bio &&
	    X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_get_mem_data(bio, &text);
	if (len > 0)
		writer_put(w, slice_make(text, (size_t)len));
	BIO_free(bio);
	ERR_clear_error();
	return len > 0 ? 0 : bio ? ERR_MISSING : ERR_MEMORY;
}
