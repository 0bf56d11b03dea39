/*
 * The servers of an upstream at a time: a set that is immutable and counted, so
 * that workers may keep the one that they have while another is made. A server
 * that was found by its name is counted as well: who stays in the next set is the
 * same server there, by which the workers know it.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "source/upstream_priv.h"

struct upstream_server *
upstream_server_ref(struct upstream_server *server)
{
	if (server->name)
		ref_take(&server->users);
	return server;
}

void
upstream_server_unref(struct upstream_server **server)
{
	struct upstream_server *s = *server;

	*server = NULL;
	if (s && s->name && ref_drop(&s->users))
		mem_free(&s);
}

struct upstream_set *
upstream_set_new(unsigned cap)
{
	struct upstream_set *set = mem_zalloc(1, sizeof(*set) + cap * sizeof(set->at[0]));

	if (set)
		ref_init(&set->users);
	return set;
}

void
upstream_set_add(struct upstream_set *set, struct upstream_entry entry)
{
	upstream_server_ref(entry.server);
	set->at[set->count++] = entry;
}

struct upstream_set *
upstream_set_ref(struct upstream_set *set)
{
	ref_take(&set->users);
	return set;
}

void
upstream_set_unref(struct upstream_set **set)
{
	struct upstream_set *s = *set;

	*set = NULL;
	if (!s || !ref_drop(&s->users))
		return;
	for (unsigned i = 0; i < s->count; i++)
		upstream_server_unref(&s->at[i].server);
	mem_free(&s);
}
