/*
 * Listeners at work; see acceptor_listener.h.
 */
#include "server/acceptor_listener.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/opening.h"
#include "server/site.h"

enum { ADDRESS_BYTES = 128 };

struct acceptor_listener *
acceptor_listener_open(const struct site_listener *wanted, struct loop *loop, io_fn on_ready,
		       struct conf_errors *e, int *err)
{
	char text[OPENING_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	struct acceptor_listener *l = mem_zalloc(1, sizeof(*l));

	*err = ERR_MEMORY;
	if (!l)
		return NULL;
	l->is_new = l->is_kept = true;
	l->socket = (struct listener){
		.address = wanted->address,
		.fd = -1,
		.backlog = (int)wanted->backlog,
		.is_deferred = true,
	};
	*err = opening_listen(&l->socket, &why);
	if (*err) {
		conf_error(e, wanted->file, wanted->line, "[listen %.*s] address: %.*s",
			   SLICE_PRINT(wanted->name), SLICE_PRINT(writer_slice(&why)));
		mem_free(&l);
		return NULL;
	}
	io_init(&l->io, loop, l->socket.fd, on_ready);
	return l;
}

void
acceptor_listener_free(struct acceptor_listener **pointer)
{
	struct acceptor_listener *l = *pointer;

	if (io_is_watched(&l->io))
		io_release(&l->io);
	listener_close(&l->socket);
	tls_context_unref(&l->tls);
	networks_unref(&l->access);
	networks_unref(&l->proxies);
	mem_free(pointer);
}

void
acceptor_listener_begin_closing(struct acceptor_listener *l)
{
	l->is_closing = true;
	if (io_is_watched(&l->io))
		io_release(&l->io);
	listener_stop_new(&l->socket);
}

void
acceptor_listener_tell(const struct acceptor_listener *l, const char *what)
{
	char text[ADDRESS_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	address_write(&l->socket.address, &w);
	log_notice("%s %.*s", what, SLICE_PRINT(writer_slice(&w)));
}
