/*
 * The limits of control groups, and how they were kept; see cgroup.h.
 *
 *   /proc/self/cgroup     which group: "0::/a/b" (version 2), "4:cpu,cpuacct:/a/b" (version 1)
 *   /proc/self/mountinfo  where its hierarchy is mounted, and from which group on
 *   MOUNT/a/b, MOUNT/a, MOUNT   cpu.max, or cpu.cfs_quota_us and cpu.cfs_period_us
 *
 * In a container the groups above the mount cannot be seen, and the path may be
 * that of the host: then the mount is taken for the process's own group.
 */
#include "server/cgroup.h"

#include "server/text_file.h"

#include <limits.h>

enum {
	FILE_BYTES = 16 << 20, /* mountinfo of a host with many containers is long */
	VALUE_BYTES = 256,
	STAT_BYTES = 4096,
	DEFAULT_PERIOD_US = 100000,
};

#define MEMORY_MOST (UINT64_C(1) << 60)

/* One of the two ways to have the cpu controller. */
struct version {
	const char *type; /* of the file system */
	struct slice controller; /* empty for version 2, where all share one hierarchy */
	uint64_t (*read)(const char *root, struct writer *folder);
};

/* --- one group --------------------------------------------------------------------- */

/* The text of FOLDER/name without its line end; empty when there is none. */
static struct slice
read_value(const char *root, struct writer *folder, const char *name, char *memory)
{
	struct writer path = *folder;
	struct slice text = { memory, 0 };
	struct buffer b;

	writer_char(&path, '/');
	writer_text(&path, name);
	writer_char(&path, '\0');
	buffer_init(&b, VALUE_BYTES);
	if (!path.is_full && text_file_read(&b, root, path.at) == 0) {
		text.len = b.len;
		if (b.len)
			memcpy(memory, b.at, b.len);
	}
	buffer_fini(&b);
	return slice_cut(&text, '\n');
}

static uint64_t
milli(uint64_t quota_us, uint64_t period_us)
{
	uint64_t thousandths;

	if (period_us == 0 || quota_us > UINT64_MAX / 1000)
		return 0;
	thousandths = quota_us * 1000 / period_us;
	return thousandths ? thousandths : 1;
}

/* "max 100000", "150000 100000". */
static uint64_t
read_version_2(const char *root, struct writer *folder)
{
	char memory[VALUE_BYTES];
	struct slice rest = read_value(root, folder, "cpu.max", memory);
	struct slice first = slice_cut(&rest, ' ');
	uint64_t quota, period = DEFAULT_PERIOD_US;

	if (slice_to_u64(first, &quota) != 0)
		return 0; /* max, or no such file */
	if (rest.len && slice_to_u64(rest, &period) != 0)
		return 0;
	return milli(quota, period);
}

/* -1 is no quota. */
static uint64_t
read_version_1(const char *root, struct writer *folder)
{
	char memory[VALUE_BYTES];
	uint64_t quota, period;

	if (slice_to_u64(read_value(root, folder, "cpu.cfs_quota_us", memory), &quota) != 0)
		return 0;
	if (slice_to_u64(read_value(root, folder, "cpu.cfs_period_us", memory), &period) != 0)
		period = DEFAULT_PERIOD_US;
	return milli(quota, period);
}

/* "max", or bytes. */
static uint64_t
read_memory(const char *root, struct writer *folder, const char *name)
{
	char memory[VALUE_BYTES];
	uint64_t bytes;

	if (slice_to_u64(read_value(root, folder, name, memory), &bytes) != 0)
		return 0;
	return bytes < MEMORY_MOST ? bytes : 0;
}

static uint64_t
read_memory_2(const char *root, struct writer *folder)
{
	return read_memory(root, folder, "memory.max");
}

/* No limit is a number of pages that nobody has. */
static uint64_t
read_memory_1(const char *root, struct writer *folder)
{
	return read_memory(root, folder, "memory.limit_in_bytes");
}

/* The number behind a name, in lines "NAME NUMBER"; 0 when there is none. */
static uint64_t
read_stat(const char *root, struct writer *folder, struct slice name)
{
	struct writer path = *folder;
	struct slice rest, line;
	uint64_t found = 0;
	struct buffer b;

	writer_text(&path, "/cpu.stat");
	writer_char(&path, '\0');
	buffer_init(&b, STAT_BYTES);
	if (!path.is_full && text_file_read(&b, root, path.at) == 0) {
		rest = buffer_slice(&b);
		while (text_file_line(&rest, &line)) {
			if (slice_eq(slice_cut(&line, ' '), name) &&
			    slice_to_u64(line, &found) != 0)
				found = 0;
		}
	}
	buffer_fini(&b);
	return found;
}

static uint64_t
read_throttled_2(const char *root, struct writer *folder)
{
	return read_stat(root, folder, SLICE("throttled_usec")) * 1000;
}

static uint64_t
read_throttled_1(const char *root, struct writer *folder)
{
	return read_stat(root, folder, SLICE("throttled_time"));
}

enum { VERSIONS = 2 };
static const struct version cpu[VERSIONS] = {
	{ "cgroup2", { 0 }, read_version_2 },
	{ "cgroup", SLICE_INIT("cpu"), read_version_1 },
};
static const struct version memory[VERSIONS] = {
	{ "cgroup2", { 0 }, read_memory_2 },
	{ "cgroup", SLICE_INIT("memory"), read_memory_1 },
};

static const struct version throttled[VERSIONS] = {
	{ "cgroup2", { 0 }, read_throttled_2 },
	{ "cgroup", SLICE_INIT("cpu"), read_throttled_1 },
};

/* --- where it is ------------------------------------------------------------------- */

static bool
list_has(struct slice list, struct slice word)
{
	while (list.len) {
		if (slice_eq(slice_cut(&list, ','), word))
			return true;
	}
	return false;
}

/* The process's group, from the lines "ID:CONTROLLERS:PATH". */
static bool
find_group(struct slice lines, const struct version *v, struct slice *path)
{
	struct slice line, id, controllers;

	while (text_file_line(&lines, &line)) {
		id = slice_cut(&line, ':');
		controllers = slice_cut(&line, ':');
		*path = line;
		if (v->controller.len ? list_has(controllers, v->controller)
				      : slice_eq(id, SLICE("0")) && controllers.len == 0)
			return true;
	}
	return false;
}

struct mount {
	struct slice from; /* the group that is seen at the mount point */
	struct slice point; /* escaped */
};

/* "36 35 98:0 /from /point rw,noatime shared:1 - cgroup cgroup rw,cpu" */
static bool
is_mount(struct slice line, const struct version *v, struct mount *m)
{
	struct slice word, type, options;

	for (unsigned i = 0; i < 3; i++)
		slice_cut(&line, ' ');
	m->from = slice_cut(&line, ' ');
	m->point = slice_cut(&line, ' ');
	do {
		word = slice_cut(&line, ' ');
	} while (line.len && !slice_eq(word, SLICE("-")));
	type = slice_cut(&line, ' ');
	slice_cut(&line, ' '); /* the device */
	options = slice_cut(&line, ' ');
	return slice_eq(type, slice_of(v->type)) &&
	       (!v->controller.len || list_has(options, v->controller));
}

/* Whether path is `from` or below it; *below is what follows, empty or with a slash. */
static bool
is_below(struct slice path, struct slice from, struct slice *below)
{
	if (slice_eq(from, SLICE("/")))
		from.len = 0;
	if (!slice_has_prefix(path, from))
		return false;
	*below = slice_after(path, from.len);
	if (slice_eq(*below, SLICE("/")))
		below->len = 0;
	/* "/.." is a group outside of what this namespace may see. */
	return (below->len == 0 || below->at[0] == '/') && !slice_has_prefix(*below, SLICE("/.."));
}

/* The mount that shows the group; else the first there is, as the group itself. */
static bool
find_mount(struct slice lines, const struct version *v, struct slice path, struct mount *m,
	   struct slice *below)
{
	struct slice line;
	struct mount found;
	bool is_found = false;

	*below = (struct slice){ 0 };
	while (text_file_line(&lines, &line)) {
		if (!is_mount(line, v, &found))
			continue;
		if (is_below(path, found.from, below)) {
			*m = found;
			return true;
		}
		if (!is_found)
			*m = found;
		is_found = true;
	}
	*below = (struct slice){ 0 };
	return is_found;
}

/* mountinfo writes space, tab, line end and backslash as \ooo. */
static void
write_unescaped(struct writer *w, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		const char *at = s.at + i;

		if (*at != '\\' || s.len - i < 4) {
			writer_char(w, *at);
			continue;
		}
		writer_char(w, (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0')));
		i += 3;
	}
}

/* --- all of them --------------------------------------------------------------------- */

typedef uint64_t (*combine_fn)(uint64_t a, uint64_t b);

static uint64_t
sum(uint64_t a, uint64_t b)
{
	return a + b;
}

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/* From the group up to the mount point. */
static uint64_t
walk_up(const char *root, const struct version *v, const struct mount *m, struct slice below,
	combine_fn combine)
{
	char path[PATH_MAX];
	struct writer folder = writer_over(path, sizeof(path));
	uint64_t all = 0;
	size_t top;

	write_unescaped(&folder, m->point);
	top = folder.len;
	writer_put(&folder, below);
	if (folder.is_full)
		return 0;
	for (;;) {
		all = combine(all, v->read(root, &folder));
		if (folder.len <= top)
			return all;
		while (folder.len > top && folder.at[folder.len - 1] != '/')
			folder.len--;
		if (folder.len > top)
			folder.len--;
	}
}

static uint64_t
value_of(const char *root, const struct version *v, struct slice groups, struct slice mounts,
	 combine_fn combine)
{
	struct slice path, below;
	struct mount m;

	if (!find_group(groups, v, &path) || !find_mount(mounts, v, path, &m, &below))
		return 0;
	return walk_up(root, v, &m, below, combine);
}

/* Of all groups from the process's own on, of both versions. */
static uint64_t
find(const char *root, const struct version *versions, combine_fn combine)
{
	struct buffer groups, mounts;
	uint64_t all = 0;

	buffer_init(&groups, FILE_BYTES);
	buffer_init(&mounts, FILE_BYTES);
	if (text_file_read(&groups, root, "/proc/self/cgroup") == 0 &&
	    text_file_read(&mounts, root, "/proc/self/mountinfo") == 0) {
		for (unsigned i = 0; i < VERSIONS; i++)
			all = combine(all, value_of(root, &versions[i], buffer_slice(&groups),
						    buffer_slice(&mounts), combine));
	}
	buffer_fini(&groups);
	buffer_fini(&mounts);
	return all;
}

uint64_t
cgroup_quota_milli(const char *root)
{
	return find(root, cpu, smaller);
}

uint64_t
cgroup_memory_bytes(const char *root)
{
	return find(root, memory, smaller);
}

uint64_t
cgroup_throttled_ns(const char *root)
{
	return find(root, throttled, sum);
}
