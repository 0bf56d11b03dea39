/*
 * The tree of segments and its look-up; see router.h.
 */
#include "route/router.h"

#include "base/assert.h"
#include "http/uri.h"
#include "route/route.h"

/* What ends at one place: the route of each method. Slot METHOD_OTHER is `*`. */
struct leaf {
	const struct route *route[METHOD_COUNT]; /* as declared; after finish, the winner */
	unsigned declared; /* methods with a route of their own */
	unsigned allow; /* and HEAD where there is GET */
	struct leaf *next; /* all leaves of a router */
};

/*
 * An entry of the router's one table: from a node by a literal segment to its
 * child; or from a root by a whole path without parameters, which starts with a
 * slash as no segment does, to its leaf. The latter saves the most common
 * look-ups the walk: nothing is more specific than a path that is all literal.
 */
struct edge {
	uint32_t from; /* id of the node; 0: an empty place of the table */
	struct slice text;
	uint64_t hash;
	void *to; /* struct node or struct leaf */
	struct edge *next; /* all edges of a router, while building */
	struct edge *sibling; /* segments from one node, while building */
};

struct node {
	uint32_t id; /* from 1 */
	struct edge *edges; /* literal segments */
	struct node *param; /* child for one segment of any text */
	struct leaf *end; /* routes whose path ends here */
	struct leaf *rest; /* routes with {rest...} here */
};

struct host {
	struct slice name;
	enum host_kind kind;
	uint64_t hash;
	struct host *next; /* all hosts of a router */
	struct host *same_hash; /* in a bucket */
	struct host *wider; /* tried next: the longest suffix that covers this one, at last any */
	struct node *root;
};

enum { HOST_BUCKETS = 64 };

struct router {
	struct arena *arena;
	struct host any; /* the end of every `wider` chain */
	struct host *hosts;
	struct host *bucket[HOST_BUCKETS];
	struct leaf *leaves;
	struct edge *edges;
	uint32_t nodes, edge_count;
	struct edge *table; /* open addressing, at most half full */
	uint64_t mask; /* its places - 1 */
};

/* One level of a look-up: a node, and which of its children comes next. */
enum turn { TURN_LITERAL, TURN_PARAM, TURN_REST };

struct step {
	const struct node *node;
	enum turn turn;
	bool is_last; /* nothing follows the segment */
	uint32_t hash; /* of the segment */
	struct slice segment;
};

/* --- hashing ------------------------------------------------------------------ */

static const uint64_t hash_factor = 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */

static inline uint64_t
hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * hash_factor;
	return hash ^ hash >> 32;
}

/* Eight bytes at a time; the last ones overlap those before them. Only what an
 * operator declared is in the tables, so nobody can choose what collides there. */
static inline uint64_t
hash_text(uint64_t seed, const char *at, size_t len)
{
	uint64_t hash = seed ^ len, word;
	uint32_t first, last;

	if (len < 4)
		return len == 0 ? hash_word(hash, 0)
				: hash_word(hash, (uint64_t)(unsigned char)at[0] << 16 |
						      (uint64_t)(unsigned char)at[len / 2] << 8 |
						      (unsigned char)at[len - 1]);
	for (; len > 8; len -= 8, at += 8) {
		memcpy(&word, at, sizeof(word));
		hash = hash_word(hash, word);
	}
	if (len < 4) {
		at -= 4;
		len += 4;
	}
	memcpy(&first, at, sizeof(first));
	memcpy(&last, at + len - 4, sizeof(last));
	return hash_word(hash, (uint64_t)first << 32 | last);
}

/* --- building ------------------------------------------------------------------ */

struct router *
router_new(struct arena *a)
{
	struct router *r = arena_zalloc(a, 1, sizeof(*r));

	if (r)
		r->arena = a;
	return r;
}

static struct node *
node_new(struct router *r)
{
	struct node *n = arena_zalloc(r->arena, 1, sizeof(*n));

	if (n)
		n->id = ++r->nodes;
	return n;
}

static struct node *
need_param(struct router *r, struct node *n)
{
	if (!n->param)
		n->param = node_new(r);
	return n->param;
}

static struct edge *
edge_new(struct router *r, const struct node *from, struct slice text, void *to)
{
	struct edge *e = to ? arena_zalloc(r->arena, 1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	*e = (struct edge){ .from = from->id, .text = text, .to = to, .next = r->edges };
	r->edges = e;
	r->edge_count++;
	return e;
}

static struct node *
need_literal(struct router *r, struct node *n, struct slice text)
{
	struct edge *e = n->edges;

	while (e && !slice_eq(e->text, text))
		e = e->sibling;
	if (e)
		return e->to;
	e = edge_new(r, n, text, node_new(r));
	if (!e)
		return NULL;
	e->sibling = n->edges;
	n->edges = e;
	return e->to;
}

static struct leaf *
need_leaf(struct router *r, struct leaf **at)
{
	if (*at)
		return *at;
	*at = arena_zalloc(r->arena, 1, sizeof(**at));
	if (*at) {
		(*at)->next = r->leaves;
		r->leaves = *at;
	}
	return *at;
}

static struct host *
need_host(struct router *r, const struct pattern *p)
{
	struct host *h = r->hosts;

	if (p->host_kind == HOST_ANY)
		return &r->any;
	while (h && (h->kind != p->host_kind || !slice_eq(h->name, p->host)))
		h = h->next;
	if (h)
		return h;
	h = arena_zalloc(r->arena, 1, sizeof(*h));
	if (!h)
		return NULL;
	h->name = p->host;
	h->kind = p->host_kind;
	h->next = r->hosts;
	r->hosts = h;
	return h;
}

/* The path of a pattern without parameters, in the form of request.path. */
static struct slice
literal_path(struct router *r, const struct pattern *p)
{
	size_t len = 0;
	struct writer w;
	char *memory;

	for (unsigned i = 0; i < p->count; i++)
		len += 1 + p->segment[i].text.len;
	memory = arena_alloc(r->arena, len);
	if (!memory)
		return slice_make(NULL, 0);
	w = writer_over(memory, len);
	for (unsigned i = 0; i < p->count; i++) {
		writer_char(&w, '/');
		writer_put(&w, p->segment[i].text);
	}
	return writer_slice(&w);
}

/* The leaf at a node where a path ends; the first time, a way to it from the root. */
static struct leaf *
need_end(struct router *r, const struct host *h, struct node *n, const struct pattern *p)
{
	struct slice path;

	if (n->end)
		return n->end;
	if (!need_leaf(r, &n->end) || p->captures > 0)
		return n->end;
	path = literal_path(r, p);
	return path.at && edge_new(r, h->root, path, n->end) ? n->end : NULL;
}

/* The leaf where a pattern's path ends, made with all that leads to it. */
static struct leaf *
need_path(struct router *r, struct host *h, const struct pattern *p)
{
	struct node *n = h->root ? h->root : node_new(r);

	h->root = n;
	for (unsigned i = 0; n && i < p->count; i++) {
		const struct segment *s = &p->segment[i];

		if (s->kind == SEGMENT_REST)
			return need_leaf(r, &n->rest);
		n = s->kind == SEGMENT_PARAM ? need_param(r, n) : need_literal(r, n, s->text);
	}
	return n ? need_end(r, h, n, p) : NULL;
}

int
router_add(struct router *r, const struct route *route, const struct route **rival)
{
	const struct pattern *p = &route->pattern;
	struct host *h = need_host(r, p);
	struct leaf *leaf = h ? need_path(r, h, p) : NULL;

	ASSERT(!r->table);
	if (!leaf)
		return ERR_MEMORY;
	for (unsigned m = 0; m < METHOD_COUNT; m++) {
		if (p->methods >> m & 1 && leaf->route[m]) {
			*rival = leaf->route[m];
			return ERR_CONFLICT;
		}
	}
	for (unsigned m = 0; m < METHOD_COUNT; m++) {
		if (p->methods >> m & 1)
			leaf->route[m] = route;
	}
	leaf->declared |= p->methods;
	return 0;
}

/* Every method's winner, so that a look-up is one load. */
static void
leaf_finish(struct leaf *leaf)
{
	leaf->allow = leaf->declared;
	if (leaf->declared >> METHOD_GET & 1)
		leaf->allow |= 1u << METHOD_HEAD;
	/* RFC 9110 9.3.2: HEAD is GET without the content. */
	if (!leaf->route[METHOD_HEAD])
		leaf->route[METHOD_HEAD] = leaf->route[METHOD_GET];
	for (unsigned m = 0; m < METHOD_COUNT; m++) {
		if (!leaf->route[m])
			leaf->route[m] = leaf->route[METHOD_OTHER];
	}
}

static int
finish_edges(struct router *r)
{
	uint32_t places = 8;

	while (places < 2 * r->edge_count)
		places *= 2;
	r->table = arena_zalloc(r->arena, places, sizeof(*r->table));
	if (!r->table)
		return ERR_MEMORY;
	r->mask = places - 1;
	for (struct edge *e = r->edges; e; e = e->next) {
		uint64_t i;

		e->hash = hash_text(e->from, e->text.at, e->text.len);
		for (i = e->hash & r->mask; r->table[i].from; i = (i + 1) & r->mask)
			;
		r->table[i] = *e;
	}
	return 0;
}

static bool
ends_with(struct slice s, struct slice end)
{
	return s.len > end.len && slice_eq(slice_after(s, s.len - end.len), end);
}

/* Names are hashed from their end, so that one pass finds every suffix. */
static uint64_t
hash_backwards(struct slice s)
{
	uint64_t hash = 0;

	while (s.len > 0)
		hash = hash_word(hash, (unsigned char)s.at[--s.len]);
	return hash;
}

static void
finish_host(struct router *r, struct host *h)
{
	struct host **bucket;

	h->hash = hash_backwards(h->name);
	bucket = &r->bucket[h->hash % HOST_BUCKETS];
	h->same_hash = *bucket;
	*bucket = h;
	h->wider = &r->any;
	for (struct host *o = r->hosts; o; o = o->next) {
		if (o->kind == HOST_SUFFIX && ends_with(h->name, o->name) &&
		    o->name.len > h->wider->name.len)
			h->wider = o;
	}
}

int
router_finish(struct router *r)
{
	for (struct leaf *leaf = r->leaves; leaf; leaf = leaf->next)
		leaf_finish(leaf);
	for (struct host *h = r->hosts; h; h = h->next)
		finish_host(r, h);
	return finish_edges(r);
}

/* --- look-up ------------------------------------------------------------------- */

static const struct host *
host_at(const struct router *r, enum host_kind kind, uint64_t hash, struct slice name)
{
	const struct host *h = r->bucket[hash % HOST_BUCKETS];

	while (h && (h->hash != hash || h->kind != kind || !slice_eq_nocase(h->name, name)))
		h = h->same_hash;
	return h;
}

/* The most specific host that covers an authority; `any` at the least. */
static const struct host *
host_find(const struct router *r, struct slice authority)
{
	struct slice name = uri_host(authority);
	const struct host *best = &r->any, *found;
	uint64_t hash = 0;

	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > PATTERN_HOST_BYTES)
		return best;
	for (size_t i = name.len; i-- > 0;) {
		hash = hash_word(hash, (unsigned char)ascii_lower(name.at[i]));
		if (name.at[i] != '.' || i == 0)
			continue;
		found = host_at(r, HOST_SUFFIX, hash, slice_after(name, i));
		if (found)
			best = found;
	}
	found = host_at(r, HOST_EXACT, hash, name);
	return found ? found : best;
}

/* As slice_eq; segments are short, and a call of memcmp costs more than they do. */
static inline bool
same_text(struct slice a, struct slice b)
{
	size_t i = 0;
	uint64_t x, y;

	if (a.len != b.len)
		return false;
	for (; i + sizeof(x) <= a.len; i += sizeof(x)) {
		memcpy(&x, a.at + i, sizeof(x));
		memcpy(&y, b.at + i, sizeof(y));
		if (x != y)
			return false;
	}
	while (i < a.len && a.at[i] == b.at[i])
		i++;
	return i == a.len;
}

/* What an edge leads to, or NULL. */
static inline const void *
edge_find(const struct router *r, uint32_t from, struct slice text)
{
	uint64_t hash = hash_text(from, text.at, text.len);
	const struct edge *e = &r->table[hash & r->mask];

	for (uint64_t i = hash; e->from; e = &r->table[++i & r->mask]) {
		if (e->hash == hash && e->from == from && same_text(e->text, text))
			return e->to;
	}
	return NULL;
}

/* Cuts the segment that starts at `at`. */
static inline void
step_init(struct step *s, const struct node *n, const char *at, const char *end)
{
	const char *from = at;

	while (at < end && *at != '/')
		at++;
	s->node = n;
	s->turn = TURN_LITERAL;
	s->is_last = at == end;
	s->segment = slice_make(from, (size_t)(at - from));
}

/* Whether the leaf answers the method; if not, what it would have answered is kept. */
static bool
leaf_takes(const struct leaf *leaf, enum method method, struct router_match *m)
{
	m->route = leaf->route[method];
	if (m->route)
		return true;
	m->allow |= leaf->allow;
	return false;
}

/* The segments of all steps that went through a {param}; a step that did has
 * had its turn for it. */
static void
take_captures(const struct step *step, const struct step *last, struct router_match *m)
{
	unsigned count = 0;

	for (; step <= last; step++) {
		if (step->turn == TURN_REST)
			m->capture[count++] = step->segment;
	}
	m->captures = count;
}

/* The child to try next, or NULL: none is left but {rest...}. */
static inline const struct node *
next_child(const struct router *r, struct step *s)
{
	const struct node *child = NULL;

	if (s->turn == TURN_LITERAL) {
		s->turn = TURN_PARAM;
		if (s->node->edges)
			child = edge_find(r, s->node->id, s->segment);
	}
	if (!child && s->turn == TURN_PARAM) {
		s->turn = TURN_REST;
		if (s->segment.len > 0)
			child = s->node->param;
	}
	return child;
}

/*
 * Depth first, the most specific child first. A node is reached by one way only
 * and its turns never come back, so that each is visited at most once. The tree
 * is at most PATTERN_SEGMENTS deep, so the steps suffice for any path.
 */
static bool
tree_find(const struct router *r, const struct node *root, enum method method, struct slice path,
	  struct router_match *m)
{
	struct step step[PATTERN_SEGMENTS + 1];
	struct step *s = step;
	const char *end = path.at + path.len;

	step_init(s, root, path.at + 1, end);
	for (;;) {
		const struct node *child = next_child(r, s);

		if (child && !s->is_last) {
			const char *after = s->segment.at + s->segment.len + 1;

			step_init(++s, child, after, end);
		} else if (child) {
			if (child->end && leaf_takes(child->end, method, m)) {
				take_captures(step, s, m);
				return true;
			}
		} else {
			if (s->node->rest && leaf_takes(s->node->rest, method, m)) {
				take_captures(step, s - 1, m);
				m->rest = slice_make(s->segment.at, (size_t)(end - s->segment.at));
				m->capture[m->captures++] = m->rest;
				return true;
			}
			if (s == step)
				return false;
			s--;
		}
	}
}

/* A path that is declared literally as a whole, for this method. */
static bool
path_find(const struct router *r, const struct node *root, enum method method, struct slice path,
	  struct router_match *m)
{
	const struct leaf *leaf = edge_find(r, root->id, path);

	m->captures = 0;
	return leaf && leaf_takes(leaf, method, m);
}

int
router_find(const struct router *r, enum method method, struct slice authority, struct slice path,
	    struct router_match *m)
{
	const struct host *h = r->hosts ? host_find(r, authority) : &r->any;

	m->route = NULL;
	m->captures = 0;
	m->rest = slice_make(NULL, 0);
	m->allow = 0;
	if (path.len == 0 || path.at[0] != '/')
		return ERR_NOT_FOUND;
	for (; h; h = h->wider) {
		if (h->root && (path_find(r, h->root, method, path, m) ||
				tree_find(r, h->root, method, path, m)))
			return 0;
	}
	return m->allow ? ERR_UNSUPPORTED : ERR_NOT_FOUND;
}

int
router_decode(struct router_match *m, struct arena *a)
{
	for (unsigned i = 0; i < m->captures; i++) {
		struct slice *s = &m->capture[i];
		char *memory;

		if (slice_find(*s, '%') == s->len)
			continue;
		memory = arena_alloc(a, s->len);
		if (!memory)
			return ERR_MEMORY;
		if (m->rest.at && i == m->captures - 1)
			*s = uri_rest_decode(*s, memory);
		else if (uri_decode(*s, memory, s) < 0)
			return ERR_SYNTAX;
	}
	return 0;
}

void
router_write_allow(unsigned allow, struct writer *w)
{
	bool is_first = true;

	for (unsigned m = METHOD_OTHER + 1; m < METHOD_COUNT; m++) {
		if (!(allow >> m & 1))
			continue;
		if (!is_first)
			writer_text(w, ", ");
		writer_put(w, method_name((enum method)m));
		is_first = false;
	}
}
