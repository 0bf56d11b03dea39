/*
 * The servers of an upstream as one worker sees them, while they come and go:
 *
 *   set --> peer, new ---> peer, in the set ---> gone: no new errand, idle conns
 *                              ^   |                 closed; freed with its last conn
 *                              '---' the next set has it too: all stays as it is
 *
 * On the worker's thread. A peer is owned by the share, and holds its server.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "source/upstream_priv.h"

static void
free_peer(struct upstream_peer *p)
{
	ASSERT(p->conns == 0);
	upstream_health_stop(&p->check);
	tls_session_free(&p->session);
	upstream_server_unref(&p->server);
	list_remove(&p->link);
	mem_free(&p);
}

static struct upstream_peer *
new_peer(struct upstream_share *share, const struct upstream_entry *entry)
{
	struct upstream_peer *p = mem_zalloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->number = ++share->numbers;
	p->server = upstream_server_ref(entry->server);
	/* Where all are new, none is behind another. */
	p->since_ns = share->count > 0 ? loop_now(&share->env->loop) : 0;
	list_init(&p->idle);
	list_init(&p->shared);
	list_init(&p->link);
	p->streams = upstream_h2_is_hoped(share->upstream, p->server)
			 ? share->upstream->conf->max_streams
			 : 1;
	if (!share->checks_health)
		return p;
	p->check = upstream_health_start(share, p);
	if (!p->check) {
		free_peer(p);
		return NULL;
	}
	return p;
}

static struct upstream_peer *
find(const struct upstream_share *share, const struct upstream_server *server)
{
	for (unsigned i = 0; i < share->count; i++) {
		if (share->peers[i]->server == server)
			return share->peers[i];
	}
	return NULL;
}

/* --- those that leave -------------------------------------------------------------- */

/* At the end of the turn: whoever closed the last conn may still look at its peer. */
static void
on_sweep(struct deferred *d)
{
	struct upstream_share *share = CONTAINER_OF(d, struct upstream_share, sweep);
	struct list *item, *keep;

	LIST_EACH(item, keep, &share->gone) {
		struct upstream_peer *p = CONTAINER_OF(item, struct upstream_peer, link);

		if (p->conns == 0)
			free_peer(p);
	}
}

static void
sweep_later(struct upstream_share *share)
{
	share->sweep.run = on_sweep;
	loop_last(&share->env->loop, &share->sweep);
}

static void
retire(struct upstream_share *share, struct upstream_peer *p)
{
	p->is_gone = true;
	upstream_health_stop(&p->check);
	list_append(&share->gone, &p->link);
	upstream_share_forget(p);
	sweep_later(share);
}

void
upstream_peers_close(struct upstream_share *share, struct upstream_peer *p)
{
	ASSERT(p->conns > 0);
	p->conns--;
	if (p->is_gone && p->conns == 0)
		sweep_later(share);
}

/* --- the whole ----------------------------------------------------------------------- */

/* Frees those of a list that are not in the share. */
static void
drop_new(struct upstream_share *share, struct upstream_peer **list, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!find(share, list[i]->server))
			free_peer(list[i]);
	}
	mem_free(&list);
}

static struct upstream_peer **
make_list(struct upstream_share *share, const struct upstream_set *set)
{
	struct upstream_peer **list =
	    mem_zalloc(set->count ? set->count : 1, sizeof(struct upstream_peer *));

	for (unsigned i = 0; list && i < set->count; i++) {
		list[i] = find(share, set->at[i].server);
		if (!list[i])
			list[i] = new_peer(share, &set->at[i]);
		if (!list[i]) {
			drop_new(share, list, i);
			return NULL;
		}
	}
	return list;
}

int
upstream_peers_set(struct upstream_share *share, const struct upstream_set *set)
{
	struct upstream_peer **list = make_list(share, set), **old = share->peers;
	unsigned count = share->count;

	if (!list)
		return ERR_MEMORY;
	share->peers = list;
	share->count = set->count;
	for (unsigned i = 0; i < set->count; i++) {
		list[i]->weight = set->at[i].weight;
		list[i]->rank = set->at[i].rank;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!find(share, old[i]->server))
			retire(share, old[i]);
	}
	mem_free(&old);
	upstream_share_learn(share);
	return 0;
}

void
upstream_peers_free(struct upstream_share *share)
{
	struct list *item;

	for (unsigned i = 0; i < share->count; i++)
		free_peer(share->peers[i]);
	share->count = 0;
	mem_free(&share->peers);
	while ((item = share->gone.next) != &share->gone)
		free_peer(CONTAINER_OF(item, struct upstream_peer, link));
	loop_forget(&share->env->loop, &share->sweep);
}
