/*
 * The servers of an upstream at a time: a set that is immutable and counted, so
 * that workers may keep the one that they have while another is made. A server
 * that was found by its name is counted as well: who stays in the next set is the
 * same server there, by which the workers know it.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "source/upstream_priv.h"

enum { LABEL_BYTES = 64 }; /* [IPv6]:PORT */

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

/* --- what a name is found to be ------------------------------------------------------- */

/* A server at an address, with its memory. */
struct place {
	struct upstream_server server;
	struct address address;
	char label[LABEL_BYTES];
};

static struct upstream_server *
new_server(const struct upstream_server *name, const struct address *at)
{
	struct place *p = mem_zalloc(1, sizeof(*p));
	struct writer w;

	if (!p)
		return NULL;
	p->server = (struct upstream_server){
		.authority = name->authority,
		.tls_name = name->tls_name,
		.addresses = &p->address,
		.address_count = 1,
		.health = name->health,
		.name = name,
	};
	p->address = *at;
	w = writer_over(p->label, sizeof(p->label));
	address_write(at, &w);
	p->server.label = writer_slice(&w);
	p->server.identity = upstream_balance_hash(p->server.label);
	ref_init(&p->server.users);
	return &p->server;
}

static unsigned
heaviest(const struct resolver_answer *a)
{
	unsigned most = 0;

	for (unsigned i = 0; i < a->count; i++) {
		if (a->at[i].weight > most)
			most = a->at[i].weight;
	}
	return most;
}

/* RFC 2782 has weights up to 65535; one of 0 gets little, which here is the least. */
static unsigned
weight_of(const struct upstream_server *name, const struct resolver_answer *a, unsigned i)
{
	unsigned most = heaviest(a), weight = a->at[i].weight;

	if (name->kind != RESOLVER_SERVICE)
		return name->weight;
	if (most > UPSTREAM_WEIGHT_MAX)
		weight = weight * UPSTREAM_WEIGHT_MAX / most;
	return weight > 0 ? weight : 1;
}

/* Priorities as they follow one another; the answer has them in order. */
static unsigned
rank_of(const struct resolver_answer *a, unsigned i)
{
	unsigned rank = 0;

	for (unsigned k = 1; k <= i; k++)
		rank += a->at[k].priority != a->at[k - 1].priority;
	return rank;
}

static struct upstream_entry
entry_of(const struct upstream_server *name, const struct resolver_answer *a, unsigned i,
	 struct upstream_server *server)
{
	return (struct upstream_entry){ server, weight_of(name, a, i), rank_of(a, i) };
}

static unsigned
find_address(const struct resolver_answer *a, const struct address *at)
{
	unsigned i = 0;

	while (i < a->count && !address_eq(&a->at[i].at, at))
		i++;
	return i;
}

/* Those of the old set that stay; had[]: of the answer. */
static void
keep(struct upstream_set *set, const struct upstream_set *old, const struct upstream_server *name,
     const struct resolver_answer *a, bool *had, struct upstream_change *change)
{
	for (unsigned k = 0; k < old->count; k++) {
		struct upstream_entry entry = old->at[k];

		if (entry.server->name == name) {
			unsigned i = find_address(a, &entry.server->addresses[0]);

			if (i == a->count) {
				change->removed++;
				continue;
			}
			had[i] = true;
			entry = entry_of(name, a, i, entry.server);
			change->is_any |=
			    entry.weight != old->at[k].weight || entry.rank != old->at[k].rank;
		}
		upstream_set_add(set, entry);
	}
}

struct upstream_set *
upstream_set_merge(const struct upstream_set *old, const struct upstream_server *name,
		   const struct resolver_answer *a, struct upstream_change *change)
{
	struct upstream_set *set = upstream_set_new(old->count + a->count);
	bool had[RESOLVER_FOUND_MAX] = { false };

	*change = (struct upstream_change){ 0 };
	if (!set)
		return NULL;
	ASSERT(a->count <= RESOLVER_FOUND_MAX);
	keep(set, old, name, a, had, change);
	for (unsigned i = 0; i < a->count; i++) {
		struct upstream_server *server = had[i] ? NULL : new_server(name, &a->at[i].at);

		if (had[i])
			continue;
		if (!server) {
			upstream_set_unref(&set);
			return NULL;
		}
		upstream_set_add(set, entry_of(name, a, i, server));
		upstream_server_unref(&server);
		change->added++;
	}
	change->is_any |= change->added > 0 || change->removed > 0;
	return set;
}
