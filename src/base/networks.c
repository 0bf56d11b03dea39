/*
 * Sets of networks; see networks.h. Nested networks are laid out flat when a set is
 * made: a row says from which key on which value holds, and asking is one binary
 * search, however the networks overlap.
 */
#include "base/networks.h"

#include "base/mem.h"
#include "base/ref.h"

#include <stdlib.h>

enum { FAMILY_UNIX = 1, FAMILY_V4 = 4, FAMILY_V6 = 6, V4_BITS = 32, V6_BITS = 128 };
enum { FAMILY_BITS = 8, MAPPED_BITS = 96, DEPTH_MAX = FAMILY_BITS + V6_BITS + 1 };

/* From this key on. */
struct edge {
	uint8_t key[NETWORK_KEY_BYTES];
	uint8_t value;
};

struct networks {
	struct ref ref;
	size_t count;
	struct edge edge[];
};

/* --- one -------------------------------------------------------------------------- */

static void
set_key(uint8_t key[NETWORK_KEY_BYTES], const struct address *a)
{
	memset(key, 0, NETWORK_KEY_BYTES);
	if (a->of.any.sa_family == AF_INET) {
		key[0] = FAMILY_V4;
		memcpy(key + 1, &a->of.v4.sin_addr, 4);
	} else if (a->of.any.sa_family == AF_INET6) {
		key[0] = FAMILY_V6;
		memcpy(key + 1, &a->of.v6.sin6_addr, 16);
	} else {
		key[0] = FAMILY_UNIX;
	}
}

/* Clears what is behind the length, or sets it; true if that changed anything. */
static bool
fill_behind(uint8_t key[NETWORK_KEY_BYTES], unsigned bits, bool is_set)
{
	bool has_changed = false;

	for (unsigned i = bits / 8; i < NETWORK_KEY_BYTES; i++) {
		uint8_t mask = (uint8_t)(i == bits / 8 ? 0xff >> bits % 8 : 0xff);
		uint8_t byte = is_set ? (uint8_t)(key[i] | mask) : (uint8_t)(key[i] & ~mask);

		has_changed |= byte != key[i];
		key[i] = byte;
	}
	return has_changed;
}

static int
parse_length(struct slice text, unsigned most, unsigned *length)
{
	uint64_t value;

	if (text.len > 1 && text.at[0] == '0')
		return ERR_SYNTAX;
	if (slice_to_u64(text, &value) != 0 || value > most)
		return ERR_SYNTAX;
	*length = (unsigned)value;
	return 0;
}

int
network_parse(struct network *n, struct slice text)
{
	bool has_length = slice_find(text, '/') < text.len;
	struct slice host = slice_cut(&text, '/');
	struct address a;
	unsigned most, length;

	if (!has_length && slice_eq(host, SLICE("unix"))) {
		*n = (struct network){ .key = { FAMILY_UNIX }, .bits = FAMILY_BITS };
		return 0;
	}
	if (address_parse_host(&a, host, 0) != 0)
		return ERR_SYNTAX;
	most = length = a.of.any.sa_family == AF_INET ? V4_BITS : V6_BITS;
	if (has_length && parse_length(text, most, &length) != 0)
		return ERR_SYNTAX;
	*n = (struct network){ 0 };
	if (most == V6_BITS && length >= MAPPED_BITS && IN6_IS_ADDR_V4MAPPED(&a.of.v6.sin6_addr)) {
		address_unmap(&a);
		length -= MAPPED_BITS;
	}
	set_key(n->key, &a);
	n->bits = (uint8_t)(FAMILY_BITS + length);
	n->has_host_bits = fill_behind(n->key, n->bits, false);
	return 0;
}

void
network_write(const struct network *n, struct writer *w)
{
	struct address a = { .of.any.sa_family = AF_INET };

	if (n->key[0] == FAMILY_UNIX) {
		writer_text(w, "unix");
		return;
	}
	if (n->key[0] == FAMILY_V4) {
		memcpy(&a.of.v4.sin_addr, n->key + 1, 4);
	} else {
		a.of.any.sa_family = AF_INET6;
		memcpy(&a.of.v6.sin6_addr, n->key + 1, 16);
	}
	address_write_host(&a, w);
	writer_char(w, '/');
	writer_u64(w, n->bits - FAMILY_BITS);
}

/* Outer ones before those within them. */
static int
compare(const void *a, const void *b)
{
	const struct network *x = a, *y = b;
	int order = memcmp(x->key, y->key, NETWORK_KEY_BYTES);

	return order ? order : x->bits - y->bits;
}

const struct network *
network_find_clash(struct network *list, size_t count)
{
	if (count > 1)
		qsort(list, count, sizeof(*list), compare);
	for (size_t i = 1; i < count; i++) {
		if (compare(&list[i - 1], &list[i]) == 0 && list[i - 1].value != list[i].value)
			return &list[i];
	}
	return NULL;
}

/* --- sets -------------------------------------------------------------------------- */

/* The networks that are open at a key, the widest first. */
struct stack {
	const struct network *at[DEPTH_MAX];
	unsigned depth;
};

static void
add_edge(struct networks *n, const uint8_t key[NETWORK_KEY_BYTES], uint8_t value)
{
	struct edge *last = n->count ? &n->edge[n->count - 1] : NULL;

	if (last && memcmp(last->key, key, NETWORK_KEY_BYTES) == 0) {
		last->value = value;
		return;
	}
	memcpy(n->edge[n->count].key, key, NETWORK_KEY_BYTES);
	n->edge[n->count++].value = value;
}

static void
last_key(const struct network *n, uint8_t key[NETWORK_KEY_BYTES])
{
	memcpy(key, n->key, NETWORK_KEY_BYTES);
	fill_behind(key, n->bits, true);
}

/* Behind the innermost one, what is around it holds again. */
static void
close_innermost(struct networks *n, struct stack *s)
{
	uint8_t key[NETWORK_KEY_BYTES];

	last_key(s->at[--s->depth], key);
	for (unsigned i = NETWORK_KEY_BYTES; i-- > 0;) {
		if (++key[i] != 0)
			break; /* the family is never the one that overflows */
	}
	add_edge(n, key, s->depth ? s->at[s->depth - 1]->value : 0);
}

static bool
is_behind(const struct network *n, const struct network *other)
{
	uint8_t key[NETWORK_KEY_BYTES];

	last_key(other, key);
	return memcmp(n->key, key, NETWORK_KEY_BYTES) > 0;
}

static void
lay_out(struct networks *n, const struct network *sorted, size_t count)
{
	struct stack s = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (i > 0 && compare(&sorted[i - 1], &sorted[i]) == 0)
			continue;
		while (s.depth > 0 && is_behind(&sorted[i], s.at[s.depth - 1]))
			close_innermost(n, &s);
		add_edge(n, sorted[i].key, sorted[i].value);
		s.at[s.depth++] = &sorted[i];
	}
	while (s.depth > 0)
		close_innermost(n, &s);
}

struct networks *
networks_new(const struct network *list, size_t count)
{
	struct network *sorted = mem_zalloc(count + 1, sizeof(*sorted));
	struct networks *n = NULL;
	size_t bytes;

	if (sorted && mem_multiply(2 * count + 1, sizeof(n->edge[0]), &bytes))
		n = mem_zalloc(1, sizeof(*n) + bytes);
	if (n) {
		if (count)
			memcpy(sorted, list, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), compare);
		ref_init(&n->ref);
		lay_out(n, sorted, count);
	}
	mem_free(&sorted);
	return n;
}

struct networks *
networks_ref(struct networks *n)
{
	ref_take(&n->ref);
	return n;
}

void
networks_unref(struct networks **pointer)
{
	struct networks *n = *pointer;

	*pointer = NULL;
	if (n && ref_drop(&n->ref))
		mem_free(&n);
}

unsigned
networks_find(const struct networks *n, const struct address *of)
{
	uint8_t key[NETWORK_KEY_BYTES];
	size_t low = 0, high = n->count;
	struct address a = *of;

	address_unmap(&a);
	set_key(key, &a);
	while (low < high) { /* edges before low begin at the key or before it */
		size_t middle = low + (high - low) / 2;

		if (memcmp(n->edge[middle].key, key, NETWORK_KEY_BYTES) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? n->edge[low - 1].value : 0;
}
