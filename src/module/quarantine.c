/*
 * Crashes and what follows from them; see quarantine.h.
 */
#include "module/quarantine.h"

void
quarantine_init(struct quarantine *q, const uint64_t seed[2])
{
	*q = (struct quarantine){ .key = { { seed[0], seed[1] } } };
	lock_init(&q->lock);
}

void
quarantine_fini(struct quarantine *q)
{
	lock_fini(&q->lock);
}

bool
quarantine_is_empty(struct quarantine *q)
{
	bool is_empty;

	lock_take(&q->lock);
	is_empty = q->count == 0;
	lock_give(&q->lock);
	return is_empty;
}

/* Who tells has looked at the clock before it took the lock, and may come after one that looked
 * later. */
static uint64_t
elapsed(uint64_t since_ns, uint64_t now_ns)
{
	return now_ns > since_ns ? now_ns - since_ns : 0;
}

/* NULL: it is not among them. */
static struct quarantine_entry *
find(struct quarantine *q, uint64_t digest)
{
	for (unsigned i = 0; i < q->count; i++) {
		if (q->entry[i].digest == digest)
			return &q->entry[i];
	}
	return NULL;
}

enum quarantine_verdict
quarantine_ask(struct quarantine *q, uint64_t digest, uint64_t now_ns)
{
	enum quarantine_verdict verdict = QUARANTINE_FREE;
	struct quarantine_entry *e;

	lock_take(&q->lock);
	e = find(q, digest);
	if (now_ns < q->open_until_ns)
		verdict = QUARANTINE_MODULE;
	else if (e && e->crashes >= QUARANTINE_REPEATS &&
		 elapsed(e->last_ns, now_ns) < QUARANTINE_NS)
		verdict = QUARANTINE_INPUT;
	lock_give(&q->lock);
	return verdict;
}

static void
note_input(struct quarantine *q, uint64_t digest, uint64_t now_ns)
{
	struct quarantine_entry *e = find(q, digest);

	if (!e) {
		e = &q->entry[q->next];
		q->next = (q->next + 1) % QUARANTINE_ENTRIES;
		if (q->count < QUARANTINE_ENTRIES)
			q->count++;
		*e = (struct quarantine_entry){ .digest = digest };
	}
	/* What is long ago was perhaps another's fault. */
	if (elapsed(e->last_ns, now_ns) >= QUARANTINE_NS)
		e->crashes = 0;
	e->crashes++;
	if (now_ns > e->last_ns)
		e->last_ns = now_ns;
}

static bool
note_module(struct quarantine *q, uint64_t now_ns)
{
	if (elapsed(q->window_ns, now_ns) >= BREAKER_WINDOW_NS) {
		q->window_ns = now_ns;
		q->crashes = 0;
	}
	if (++q->crashes < BREAKER_CRASHES)
		return false;
	q->crashes = 0;
	q->open_until_ns = now_ns + BREAKER_OPEN_NS;
	return true;
}

bool
quarantine_note(struct quarantine *q, uint64_t digest, uint64_t now_ns)
{
	bool has_opened;

	lock_take(&q->lock);
	note_input(q, digest, now_ns);
	has_opened = note_module(q, now_ns);
	lock_give(&q->lock);
	return has_opened;
}
