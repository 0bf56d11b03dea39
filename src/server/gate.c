/*
 * Gates; see gate.h.
 */
#include "server/gate.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/opening.h"
#include "server/site.h"

enum { ADDRESS_BYTES = 128 };

struct gate *
gate_open(const struct site_listener *l, struct loop *loop, io_fn on_ready, struct conf_errors *e,
	  int *err)
{
	char text[OPENING_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	struct gate *g = mem_zalloc(1, sizeof(*g));

	*err = ERR_MEMORY;
	if (!g)
		return NULL;
	g->is_new = g->is_kept = true;
	g->listener = (struct listener){
		.address = l->address,
		.fd = -1,
		.backlog = (int)l->backlog,
		.is_deferred = true,
	};
	*err = opening_listen(&g->listener, &why);
	if (*err) {
		conf_error(e, l->file, l->line, "[listen %.*s] address: %.*s", SLICE_PRINT(l->name),
			   SLICE_PRINT(writer_slice(&why)));
		mem_free(&g);
		return NULL;
	}
	io_init(&g->io, loop, g->listener.fd, on_ready);
	return g;
}

void
gate_free(struct gate **pointer)
{
	struct gate *g = *pointer;

	if (g->io.is_watched)
		io_release(&g->io);
	listener_close(&g->listener);
	tls_context_unref(&g->tls);
	networks_unref(&g->access);
	networks_unref(&g->proxies);
	mem_free(pointer);
}

void
gate_begin_closing(struct gate *g)
{
	g->is_closing = true;
	if (g->io.is_watched)
		io_release(&g->io);
	listener_stop_new(&g->listener);
}

void
gate_tell(const struct gate *g, const char *what)
{
	char text[ADDRESS_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	address_write(&g->listener.address, &w);
	log_notice("%s %.*s", what, SLICE_PRINT(writer_slice(&w)));
}
