/*
 * The CPU budget; see budget.h.
 */
#include "server/budget.h"

#include "server/cgroup.h"
#include "server/text_file.h"

#include <unistd.h>

enum { FILE_BYTES = 65536, MILLI = 1000 };

/* How many numbers a list such as "0-3,8" names; 0 when it is no such list. */
static unsigned
count_list(struct slice list)
{
	uint64_t count = 0;

	list = slice_trim(list);
	while (list.len) {
		struct slice range = slice_cut(&list, ',');
		struct slice low = slice_cut(&range, '-');
		uint64_t first, last;

		if (slice_to_u64(low, &first) != 0)
			return 0;
		last = first;
		if (range.len && slice_to_u64(range, &last) != 0)
			return 0;
		if (last < first || last > UINT16_MAX)
			return 0;
		count += last - first + 1;
	}
	return (unsigned)count;
}

static unsigned
find_online(const char *root)
{
	unsigned count = 0;
	struct buffer b;
	long said;

	buffer_init(&b, FILE_BYTES);
	if (text_file_read(&b, root, "/sys/devices/system/cpu/online") == 0) {
		struct slice rest = buffer_slice(&b);

		count = count_list(slice_cut(&rest, '\n'));
	}
	buffer_fini(&b);
	if (count)
		return count;
	said = sysconf(_SC_NPROCESSORS_ONLN);
	return said > 0 ? (unsigned)said : 1;
}

/* cpusets show here too. */
static unsigned
find_affinity(const char *root, unsigned online)
{
	static const struct slice name = SLICE_INIT("Cpus_allowed_list:");
	struct slice rest, line;
	unsigned count = 0;
	struct buffer b;

	buffer_init(&b, FILE_BYTES);
	if (text_file_read(&b, root, "/proc/self/status") == 0) {
		rest = buffer_slice(&b);
		while (text_file_line(&rest, &line)) {
			if (slice_has_prefix(line, name))
				count = count_list(slice_after(line, name.len));
		}
	}
	buffer_fini(&b);
	return count ? count : online;
}

static uint64_t
at_least_one(uint64_t milli)
{
	return milli < MILLI ? 1 : milli / MILLI;
}

static bool
is_bound_by_quota(const struct budget *b)
{
	return b->quota_milli && b->quota_milli <= b->milli;
}

static void
share_out(struct budget *b)
{
	uint64_t whole = at_least_one(b->milli);
	uint64_t workers = whole, threads = whole;

	if (is_bound_by_quota(b)) {
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
	b->online = find_online(root);
	b->affinity = find_affinity(root, b->online);
	b->quota_milli = cgroup_quota_milli(root);
	processors = b->online < b->affinity ? b->online : b->affinity;
	b->milli = (uint64_t)processors * MILLI;
	if (b->quota_milli && b->quota_milli < b->milli)
		b->milli = b->quota_milli;
	if (declared_milli)
		b->milli = declared_milli;
	share_out(b);
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
	writer_text(w, is_bound_by_quota(b) ? "; shared by workers and compute threads" : "");
	writer_text(w, "; auto means workers = ");
	writer_u64(w, b->workers);
	writer_text(w, ", compute threads = ");
	writer_u64(w, b->threads);
}
