/*
 * TLS with servers of an upstream: each worker keeps one session for each
 * server, so that a connection after the first costs neither side a signature.
 */
#include "base/log.h"
#include "source/upstream_priv.h"

/* RFC 7301 3.1, in our order of preference. */
static const struct slice offers[] = {
	[UPSTREAM_H1] = SLICE_INIT("\x08http/1.1"),
	[UPSTREAM_H2] = SLICE_INIT("\x02h2"),
	[UPSTREAM_H1 | UPSTREAM_H2] = SLICE_INIT("\x02h2\x08http/1.1"),
};

int
upstream_tls_shake(struct io *io, struct upstream_share *share, struct upstream_peer *p,
		   unsigned protocols)
{
	const struct upstream_server *server = p->server;
	struct tls_client_hello hello = {
		.name = server->tls_name,
		.protocols = offers[protocols],
		.session = p->session,
	};
	int err = 0;

	if (!server->tls_name)
		return 0;
	if (!io->tls)
		err = io_secure_client(io, share->upstream->tls, &hello, share->env->counters);
	if (!err)
		err = io_handshake(io);
	if (err == ERR_CONNECT) {
		log_warning("upstream %.*s: TLS with %.*s: %s", SLICE_PRINT(share->upstream->name),
			    SLICE_PRINT(server->label), tls_failure(io->tls));
		tls_session_free(&p->session);
	}
	return err;
}

void
upstream_tls_keep_session(struct io *io, struct upstream_peer *p)
{
	struct ssl_session_st *session = io->tls ? tls_session(io->tls) : NULL;

	if (!session)
		return;
	tls_session_free(&p->session);
	p->session = session;
}
