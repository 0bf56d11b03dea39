/*
 * The guard `access`: which clients may ask a route, by their address. 403 for the others.
 * On workers.
 */
#include "guard/guard.h"

#include "base/log.h"
#include "net/network_list.h"

enum { ADDRESS_BYTES = 64 };

struct access_conf {
	struct conf_list allow, deny;
};

static const struct conf_key keys[] = {
	{ "allow", CONF_LIST, CONF_FIELD(struct access_conf, allow),
	  .help = "networks, or unix, that may ask; set: others may not" },
	{ "deny", CONF_LIST, CONF_FIELD(struct access_conf, deny),
	  .help =
	      "networks, or unix, that may not; of networks within one another, in either list, "
	      "the narrowest decides" },
	CONF_KEYS_END
};

struct access {
	struct guard guard;
	struct access *next; /* of the site */
	struct networks *networks; /* counted */
};

struct access_state {
	struct access *all;
};

const struct guard_kind guard_access;

static int
open_state(void **state, const void *prior, struct guard_build *b)
{
	(void)prior;
	*state = arena_zalloc(b->arena, 1, sizeof(struct access_state));
	return *state ? 0 : ERR_MEMORY;
}

static void
close_state(void **pointer)
{
	struct access_state *state = *pointer;

	for (struct access *a = state ? state->all : NULL; a; a = a->next)
		networks_unref(&a->networks);
	*pointer = NULL;
}

static const struct guard *
load(void *pointer, const void *memory, struct conf_section *route, struct guard_build *b)
{
	struct access_state *state = pointer;
	const struct access_conf *conf = memory;
	struct networks *set = network_list_access(&conf->allow, &conf->deny, route, b->errors);
	struct access *a;

	if (!set)
		return NULL;
	a = arena_zalloc(b->arena, 1, sizeof(*a));
	if (!a) {
		networks_unref(&set);
		return NULL;
	}
	*a = (struct access){ { &guard_access }, state->all, set };
	state->all = a;
	return &a->guard;
}

static enum guard_verdict
check(const struct guard *g, struct guard_asked *asked)
{
	const struct access *a = (const struct access *)g;
	char text[ADDRESS_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	if (networks_find(a->networks, asked->x->client) != NETWORK_DENIED)
		return GUARD_PASS;
	count_add(asked->lease->env->counters, COUNTER_REFUSED_ACCESS, 1);
	address_write_host(asked->x->client, &w);
	log_debug("%.*s: refused by allow and deny", SLICE_PRINT(writer_slice(&w)));
	exchange_refuse(asked->x, 403);
	return GUARD_ENDED;
}

const struct guard_kind guard_access = {
	.name = "access",
	.keys = keys,
	.conf_size = sizeof(struct access_conf),
	.open = open_state,
	.load = load,
	.close = close_state,
	.check = check,
};
