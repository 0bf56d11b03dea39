/*
 * The scope of templates, from an exchange; see scope.h.
 */
#include "plan/scope.h"

#include "net/lease.h"

enum { ADDRESS_BYTES = 128, NUMBER_BYTES = 24, SUBJECT_BYTES = 2048 };

struct slice
scope_request_id(struct exchange *x)
{
	char *memory = arena_alloc(&x->arena, NUMBER_BYTES);
	struct writer w = writer_over(memory, memory ? NUMBER_BYTES : 0);

	writer_hex(&w, x->id);
	return writer_slice(&w);
}

struct slice
scope_trace(struct exchange *x)
{
	const struct fields *f = &x->request.fields;

	return trace_is_ours(&x->trace) && trace_take(&x->trace, f, &x->lease->env->random)
		   ? trace_id(&x->trace, f)
		   : SLICE("");
}

static struct slice
write_host(struct exchange *x, const struct address *client)
{
	char *memory = arena_alloc(&x->arena, ADDRESS_BYTES);
	struct writer w = writer_over(memory, memory ? ADDRESS_BYTES : 0);

	if (client)
		address_write_host(client, &w);
	return writer_slice(&w);
}

struct slice
scope_client_address(struct exchange *x)
{
	return write_host(x, x->client);
}

struct slice
scope_client_share(struct exchange *x)
{
	struct address client;

	if (!x->client)
		return write_host(x, NULL);
	client = *x->client;
	address_to_client(&client);
	return write_host(x, &client);
}

int
scope_client_subject(const struct exchange *x, struct arena *a, struct slice *subject)
{
	char *memory = arena_alloc(a, SUBJECT_BYTES);
	struct writer w = writer_over(memory, memory ? SUBJECT_BYTES : 0);
	int err = memory ? exchange_write_subject(x, &w) : ERR_MEMORY;

	*subject = writer_slice(&w);
	return !err && w.is_full ? ERR_TOO_LARGE : err;
}

void
scope_fill(struct template_scope *s, struct exchange *x, const struct slice *params,
	   struct slice rest)
{
	*s = (struct template_scope){
		.params = params,
		.rest = rest,
		.request = &x->request,
		.exchange = x,
		.user = x->user,
		.claims = x->claims,
	};
}
