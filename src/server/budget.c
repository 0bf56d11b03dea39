/*
 * The CPU budget; see budget.h.
 */
#include "server/budget.h"

#include "server/cgroup.h"
#include "server/text_file.h"

#include <stdlib.h>
#include <unistd.h>

enum { FILE_BYTES = 65536, MILLI = 1000 };

/* 0 when there is no such file, or no list in it. */
static unsigned
find_online(const char *root, struct cpus *online)
{
	unsigned count = 0;
	struct buffer b;
	long said;

	buffer_init(&b, FILE_BYTES);
	if (text_file_read(&b, root, "/sys/devices/system/cpu/online") == 0 &&
	    cpus_parse(online, buffer_slice(&b)) == 0)
		count = cpus_count(online);
	buffer_fini(&b);
	if (count)
		return count;
	said = sysconf(_SC_NPROCESSORS_ONLN);
	return said > 0 ? (unsigned)said : 1;
}

/* Of the main thread, which is never tied to any; cpusets show here too. 0 as above. */
static unsigned
find_affinity(const char *root, struct cpus *allowed)
{
	static const struct slice name = SLICE_INIT("Cpus_allowed_list:");
	struct slice rest, line;
	struct buffer b;

	buffer_init(&b, FILE_BYTES);
	if (text_file_read(&b, root, "/proc/self/status") == 0) {
		rest = buffer_slice(&b);
		while (text_file_line(&rest, &line)) {
			if (slice_has_prefix(line, name) &&
			    cpus_parse(allowed, slice_after(line, name.len)) != 0)
				*allowed = (struct cpus){ { 0 } };
		}
	}
	buffer_fini(&b);
	return cpus_count(allowed);
}

/* What may be used counts processors that are offline, too. */
static unsigned
find_processors(struct budget *b, const char *root)
{
	struct cpus online = { { 0 } }, allowed = { { 0 } };
	unsigned both;

	b->online = find_online(root, &online);
	b->affinity = find_affinity(root, &allowed);
	b->usable = cpus_both(&online, &allowed);
	both = cpus_count(&b->usable);
	if (b->affinity == 0)
		b->affinity = b->online;
	if (both > 0)
		return both;
	return b->online < b->affinity ? b->online : b->affinity;
}

static uint64_t
at_least_one(uint64_t milli)
{
	return milli < MILLI ? 1 : milli / MILLI;
}

bool
budget_is_shared(const struct budget *b)
{
	return b->quota_milli && b->quota_milli <= b->milli;
}

static void
share_out(struct budget *b)
{
	uint64_t whole = at_least_one(b->milli);
	uint64_t workers = whole, threads = whole;

	if (budget_is_shared(b)) {
		workers = at_least_one(b->milli / 2);
		threads = whole > workers ? whole - workers : 1;
	}
	b->workers = (unsigned)workers;
	b->threads = (unsigned)threads;
}

void
budget_find(struct budget *b, const char *root, uint64_t declared_milli)
{
	unsigned processors;

	*b = (struct budget){ .declared_milli = declared_milli };
	processors = find_processors(b, root);
	b->quota_milli = cgroup_quota_milli(root);
	b->milli = (uint64_t)processors * MILLI;
	if (b->quota_milli && b->quota_milli < b->milli)
		b->milli = b->quota_milli;
	if (declared_milli)
		b->milli = declared_milli;
	share_out(b);
}

static unsigned
not_more_than(unsigned count, const struct cpus *on)
{
	unsigned processors = cpus_count(on);

	return processors > 0 && processors < count ? processors : count;
}

unsigned
budget_workers(const struct budget *b, const struct cpus *on)
{
	return not_more_than(b->workers, on);
}

/* The first ones get what cannot be divided. */
static unsigned
share_of(const struct budget *b, const struct budget_claim *c)
{
	uint64_t whole = at_least_one(b->milli);
	uint64_t left = whole > c->workers ? whole - c->workers : 0;
	uint64_t share = left / c->pools + (c->place < left % c->pools);

	return share ? (unsigned)share : 1;
}

unsigned
budget_threads(const struct budget *b, const struct budget_claim *c, const struct cpus *on)
{
	bool is_divided = c->pools > 0 && budget_is_shared(b);

	return not_more_than(is_divided ? share_of(b, c) : b->threads, on);
}

bool
budget_is_exceeded(const struct budget *b, unsigned threads)
{
	unsigned processors = b->online < b->affinity ? b->online : b->affinity;

	return b->quota_milli && b->quota_milli < processors * UINT64_C(1000) &&
	       threads * UINT64_C(1000) > b->quota_milli;
}

bool
budget_is_same(const struct budget *a, const struct budget *b)
{
	return cpus_eq(&a->usable, &b->usable) && a->online == b->online &&
	       a->affinity == b->affinity && a->quota_milli == b->quota_milli &&
	       a->milli == b->milli;
}

const char *
budget_root(void)
{
	const char *root = getenv("FOREBAY_TEST_ROOT");

	return root ? root : "";
}

uint64_t
budget_memory(const char *root)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	uint64_t all = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
	uint64_t groups = cgroup_memory_bytes(root);

	return groups && (groups < all || all == 0) ? groups : all;
}

/* 2.0, 1.5, 0.125 */
static void
write_milli(struct writer *w, uint64_t milli)
{
	uint64_t rest = milli % MILLI;

	writer_u64(w, milli / MILLI);
	writer_char(w, '.');
	do {
		writer_char(w, (char)('0' + rest / 100));
		rest = rest % 100 * 10;
	} while (rest);
}

void
budget_explain(const struct budget *b, struct writer *w)
{
	writer_text(w, "cpu budget ");
	write_milli(w, b->milli);
	if (b->declared_milli)
		writer_text(w, " as declared");
	writer_text(w, ": ");
	writer_u64(w, b->online);
	writer_text(w, " online, affinity ");
	writer_u64(w, b->affinity);
	if (b->quota_milli) {
		writer_text(w, ", quota ");
		write_milli(w, b->quota_milli);
	} else {
		writer_text(w, ", no quota");
	}
	writer_text(w, budget_is_shared(b) ? "; shared by workers and compute threads" : "");
	writer_text(w, "; auto means workers = ");
	writer_u64(w, b->workers);
	writer_text(w, ", compute threads = ");
	writer_u64(w, b->threads);
	writer_text(w, budget_is_shared(b) ? " in all" : "");
}
