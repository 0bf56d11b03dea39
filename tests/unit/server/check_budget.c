/*
 * The CPU budget, from trees of /proc and /sys made up in a folder.
 */
#include "server/budget.h"
#include "server/cgroup.h"

#include "fake_root.h"

Suite *suite_server_budget(void);

#define HEAD_1  "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
#define OTHER_1 "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

static void
expect(uint64_t declared, const char *said)
{
	char line[256];
	struct writer w = writer_over(line, sizeof(line));
	struct budget b;

	budget_find(&b, root, declared);
	budget_explain(&b, &w);
	writer_char(&w, '\0');
	ck_assert(!w.is_full);
	ck_assert_str_eq(line, said);
}

static void
expect_quota(uint64_t milli)
{
	ck_assert_uint_eq(cgroup_quota_milli(root), milli);
}

START_TEST(without_groups_all_processors_are_the_budget)
{
	expect(0, "cpu budget 8.0: 8 online, affinity 8, no quota; auto means workers = 8, compute "
		  "threads = 8");
}
END_TEST

START_TEST(affinity_bounds_the_budget)
{
	put_processors("0-7\n", "1,3-4,6");
	expect(0, "cpu budget 4.0: 8 online, affinity 4, no quota; auto means workers = 4, compute "
		  "threads = 4");
}
END_TEST

START_TEST(processors_that_are_offline_do_not_count)
{
	put_processors("0,2\n", "0-7");
	expect(0, "cpu budget 2.0: 2 online, affinity 8, no quota; auto means workers = 2, compute "
		  "threads = 2");
}
END_TEST

START_TEST(only_processors_that_are_online_and_allowed_can_be_used)
{
	struct cpus wanted = { { 0 } };
	struct budget b;

	put_processors("0-3\n", "2-63");
	budget_find(&b, root, 0);
	ck_assert_int_eq(cpus_parse(&wanted, SLICE("2-3")), 0);
	ck_assert(cpus_eq(&b.usable, &wanted));
	ck_assert_uint_eq(b.milli, 2000);
}
END_TEST

START_TEST(auto_is_not_more_than_the_processors_that_it_is_for)
{
	const struct budget_claim alone = { 8, 1, 0 };
	struct cpus none = { { 0 } }, two = { { 0 } };
	struct budget b;

	ck_assert_int_eq(cpus_parse(&two, SLICE("0,7")), 0);
	budget_find(&b, root, 0);
	ck_assert_uint_eq(budget_workers(&b, &none), 8);
	ck_assert_uint_eq(budget_workers(&b, &two), 2);
	ck_assert_uint_eq(budget_threads(&b, &alone, &none), 8);
	ck_assert_uint_eq(budget_threads(&b, &alone, &two), 2);
	put_processors("0-7\n", "0");
	budget_find(&b, root, 0);
	ck_assert_uint_eq(budget_threads(&b, &alone, &two), 1);
}
END_TEST

static void
put_quota(const char *text)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/cpu.max", text);
}

START_TEST(pools_that_compute_share_what_workers_leave_of_a_quota)
{
	static const struct {
		unsigned workers, pools, threads[3];
	} rows[] = {
		{ 3, 1, { 4 } }, { 3, 2, { 2, 2 } }, { 3, 3, { 2, 1, 1 } }, { 6, 3, { 1, 1, 1 } },
		{ 1, 1, { 6 } }, { 9, 1, { 1 } },    { 3, 0, { 4 } },
	};
	const struct cpus none = { { 0 } };
	struct budget b;

	put_quota("750000 100000\n");
	budget_find(&b, root, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct budget_claim c = { rows[i].workers, rows[i].pools, 0 };

		do
			ck_assert_uint_eq(budget_threads(&b, &c, &none), rows[i].threads[c.place]);
		while (++c.place < c.pools);
	}
}
END_TEST

START_TEST(without_a_quota_each_pool_has_as_many_as_there_are_processors)
{
	const struct budget_claim second = { 8, 2, 1 };
	const struct cpus none = { { 0 } };
	struct budget b;

	budget_find(&b, root, 0);
	ck_assert_uint_eq(budget_threads(&b, &second, &none), 8);
	ck_assert(!budget_is_exceeded(&b, 100));
	put_quota("800000 100000\n"); /* as the processors: nobody is throttled */
	budget_find(&b, root, 0);
	ck_assert(!budget_is_exceeded(&b, 100));
	put_quota("400000 100000\n");
	budget_find(&b, root, 0);
	ck_assert(!budget_is_exceeded(&b, 4));
	ck_assert(budget_is_exceeded(&b, 5));
}
END_TEST

START_TEST(a_budget_is_another_when_processors_or_quota_are)
{
	struct budget before, after;

	budget_find(&before, root, 0);
	budget_find(&after, root, 0);
	ck_assert(budget_is_same(&before, &after));
	put_processors("0-7\n", "0-3");
	budget_find(&before, root, 0);
	put_processors("0-7\n", "4-7"); /* as many */
	budget_find(&after, root, 0);
	ck_assert(!budget_is_same(&before, &after));
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
	budget_find(&before, root, 0);
	ck_assert(!budget_is_same(&before, &after));
}
END_TEST

START_TEST(what_cannot_be_understood_does_not_bound)
{
	struct budget b;

	put_processors("gibberish\n", "4-2");
	put("/proc/self/cgroup", "no group\n0\n:\n\n");
	put("/proc/self/mountinfo", "-\n\n1 2 3\n");
	budget_find(&b, root, 0);
	ck_assert_uint_ge(b.online, 1);
	ck_assert_uint_eq(b.affinity, b.online);
	ck_assert_uint_eq(b.quota_milli, 0);
	ck_assert_uint_ge(b.workers, 1);
	ck_assert_uint_ge(b.threads, 1);
}
END_TEST

START_TEST(a_folder_without_anything_gives_the_machine)
{
	struct budget b;

	budget_find(&b, "/nowhere", 0);
	ck_assert_uint_ge(b.online, 1);
	ck_assert_uint_eq(b.milli, b.online * 1000u);
}
END_TEST

START_TEST(the_real_machine_has_a_budget)
{
	struct budget b;

	budget_find(&b, "", 0);
	ck_assert_uint_ge(b.online, 1);
	ck_assert_uint_ge(b.affinity, 1);
	ck_assert_uint_ge(b.milli, 1);
}
END_TEST

/* --- version 2 --------------------------------------------------------------------- */

START_TEST(version_2_quota_is_shared_by_workers_and_threads)
{
	put("/proc/self/cgroup", "0::/system.slice/forebay.service\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/system.slice/forebay.service/cpu.max", "350000 100000\n");
	expect(0, "cpu budget 3.5: 8 online, affinity 8, quota 3.5; shared by workers and compute "
		  "threads; auto means workers = 1, compute threads = 2 in all");
}
END_TEST

START_TEST(the_smallest_quota_on_the_path_counts)
{
	put("/proc/self/cgroup", "0::/a/b/c\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/a/b/c/cpu.max", "300000 100000\n");
	put("/sys/fs/cgroup/a/x/cpu.max", "1000 100000\n");
	expect_quota(2000);
	put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
	expect_quota(500);
}
END_TEST

START_TEST(groups_without_the_file_are_passed_over)
{
	put("/proc/self/cgroup", "0::/a/b/c\n");
	put("/proc/self/mountinfo", HEAD_2);
	expect_quota(0);
	put("/sys/fs/cgroup/a/cpu.max", "250000 50000\n");
	expect_quota(5000);
}
END_TEST

START_TEST(max_is_no_quota)
{
	put("/proc/self/cgroup", "0::/a\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
	expect(0, "cpu budget 8.0: 8 online, affinity 8, no quota; auto means workers = 8, compute "
		  "threads = 8");
}
END_TEST

START_TEST(a_broken_value_is_no_quota)
{
	static const char *const texts[] = { "",
					     "\n",
					     "-1 100000\n",
					     "100000 0\n",
					     "1 x\n",
					     "99999999999999999999 1\n",
					     "18446744073709551615 100000\n" };

	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put("/sys/fs/cgroup/cpu.max", texts[i]);
		expect_quota(0);
	}
}
END_TEST

START_TEST(a_value_without_its_period_has_the_usual_one)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/cpu.max", "150000");
	expect_quota(1500);
}
END_TEST

START_TEST(a_container_with_a_namespace_of_its_own_sees_its_group_as_the_root)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
	expect_quota(1000);
}
END_TEST

START_TEST(a_mount_that_begins_at_the_group_is_the_group)
{
	put("/proc/self/cgroup", "0::/docker/f00/inner\n");
	put("/proc/self/mountinfo",
	    "38 31 0:38 /docker/f00 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
	put("/sys/fs/cgroup/inner/cpu.max", "300000 100000\n");
	put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
	expect_quota(3000);
}
END_TEST

START_TEST(a_mount_of_a_group_with_a_like_name_is_not_taken_for_it)
{
	put("/proc/self/cgroup", "0::/docker/f001\n");
	put("/proc/self/mountinfo",
	    "38 31 0:38 /docker/f00 /mnt/other rw - cgroup2 cgroup2 rw\n" HEAD_2);
	put("/mnt/other/cpu.max", "100000 100000\n");
	put("/sys/fs/cgroup/docker/f001/cpu.max", "600000 100000\n");
	expect_quota(6000);
}
END_TEST

START_TEST(a_path_of_the_host_falls_back_to_the_mount)
{
	put("/proc/self/cgroup", "0::/kubepods/pod1/c1\n");
	put("/proc/self/mountinfo",
	    "38 31 0:38 /elsewhere /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
	put("/sys/fs/cgroup/cpu.max", "700000 100000\n");
	expect_quota(7000);
}
END_TEST

START_TEST(a_path_outside_of_the_namespace_never_leaves_the_mount)
{
	put("/proc/self/cgroup", "0::/../other\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
	put("/sys/fs/other/cpu.max", "100000 100000\n");
	expect_quota(2000);
}
END_TEST

START_TEST(a_mount_point_with_a_space_is_found)
{
	put("/proc/self/cgroup", "0::/a\n");
	put("/proc/self/mountinfo", "38 31 0:38 / /mnt/c\\040g\\134x rw - cgroup2 cgroup2 rw\n");
	put("/mnt/c g\\x/a/cpu.max", "200000 100000\n");
	expect_quota(2000);
}
END_TEST

/* --- version 1 and both -------------------------------------------------------------- */

START_TEST(version_1_quota_is_that_of_the_cpu_controller)
{
	put("/proc/self/cgroup", "5:cpuset:/wrong\n4:cpu,cpuacct:/docker/f00\n1:name=systemd:/w\n");
	put("/proc/self/mountinfo", OTHER_1 HEAD_1);
	put("/sys/fs/cgroup/cpu/docker/f00/cpu.cfs_quota_us", "600000\n");
	put("/sys/fs/cgroup/cpu/docker/f00/cpu.cfs_period_us", "100000\n");
	put("/sys/fs/cgroup/cpuset/wrong/cpu.cfs_quota_us", "100000\n");
	expect(0, "cpu budget 6.0: 8 online, affinity 8, quota 6.0; shared by workers and compute "
		  "threads; auto means workers = 3, compute threads = 3 in all");
}
END_TEST

START_TEST(version_1_minus_one_is_no_quota)
{
	put("/proc/self/cgroup", "4:cpu,cpuacct:/a\n");
	put("/proc/self/mountinfo", HEAD_1);
	put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
	put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
	expect_quota(0);
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "200000\n");
	expect_quota(250);
}
END_TEST

START_TEST(hybrid_takes_the_smaller_of_both)
{
	put("/proc/self/cgroup", "4:cpu:/a\n0::/b\n");
	put("/proc/self/mountinfo",
	    HEAD_1 "38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n");
	put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
	expect_quota(3000);
	put("/sys/fs/cgroup/unified/b/cpu.max", "200000 100000\n");
	expect_quota(2000);
	put("/sys/fs/cgroup/unified/b/cpu.max", "400000 100000\n");
	expect_quota(3000);
}
END_TEST

/* --- what follows ---------------------------------------------------------------------- */

START_TEST(less_than_one_processor_is_one_worker_and_one_thread)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/cpu.max", "12500 100000\n");
	expect(0, "cpu budget 0.125: 8 online, affinity 8, quota 0.125; shared by workers and "
		  "compute threads; auto means workers = 1, compute threads = 1 in all");
}
END_TEST

START_TEST(a_quota_above_the_processors_does_not_bound)
{
	put_processors("0-1\n", "0-1");
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/cpu.max", "1600000 100000\n");
	expect(0, "cpu budget 2.0: 2 online, affinity 2, quota 16.0; auto means workers = 2, "
		  "compute threads = 2");
}
END_TEST

START_TEST(a_declared_budget_stands)
{
	expect(
	    1500,
	    "cpu budget 1.5 as declared: 8 online, affinity 8, no quota; auto means workers = 1, "
	    "compute threads = 1");
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
	expect(4000,
	       "cpu budget 4.0 as declared: 8 online, affinity 8, quota 2.0; shared by workers "
	       "and compute threads; auto means workers = 2, compute threads = 2 in all");
}
END_TEST

START_TEST(the_smallest_memory_limit_on_the_path_counts)
{
	put("/proc/self/cgroup", "4:memory:/a/b\n0::/\n");
	put("/proc/self/mountinfo",
	    "32 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n");
	ck_assert_uint_eq(cgroup_memory_bytes(root), 0);
	put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
	ck_assert_uint_eq(cgroup_memory_bytes(root), 0);
	put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "2000000\n");
	put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000000\n");
	ck_assert_uint_eq(cgroup_memory_bytes(root), 1000000);
	ck_assert_uint_eq(budget_memory(root), 1000000);
}
END_TEST

START_TEST(memory_of_version_2_has_its_own_file)
{
	put("/proc/self/cgroup", "0::/a\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/a/memory.max", "max\n");
	ck_assert_uint_eq(cgroup_memory_bytes(root), 0);
	ck_assert_uint_gt(budget_memory(root), 1 << 20);
	put("/sys/fs/cgroup/a/memory.max", "3000000\n");
	ck_assert_uint_eq(cgroup_memory_bytes(root), 3000000);
}
END_TEST

START_TEST(throttling_of_all_groups_on_the_path_is_added_up)
{
	put("/proc/self/cgroup", "4:cpu,cpuacct:/a/b\n0::/c\n");
	put("/proc/self/mountinfo", HEAD_1 OTHER_1);
	ck_assert_uint_eq(cgroup_throttled_ns(root), 0);
	put("/sys/fs/cgroup/cpu/a/b/cpu.stat",
	    "nr_periods 10\nnr_throttled 3\nthrottled_time 2500000000\n");
	put("/sys/fs/cgroup/cpu/a/cpu.stat",
	    "nr_periods 1\nnr_throttled 1\nthrottled_time 500000000\n");
	ck_assert_uint_eq(cgroup_throttled_ns(root), 3000000000);
}
END_TEST

START_TEST(throttling_of_version_2_is_in_microseconds)
{
	put("/proc/self/cgroup", "0::/c\n");
	put("/proc/self/mountinfo", HEAD_2);
	put("/sys/fs/cgroup/c/cpu.stat", "usage_usec 5\nnr_throttled 3\nthrottled_usec 1500000\n");
	ck_assert_uint_eq(cgroup_throttled_ns(root), 1500000000);
	put("/sys/fs/cgroup/c/cpu.stat", "throttled_usec many\n");
	ck_assert_uint_eq(cgroup_throttled_ns(root), 0);
}
END_TEST

Suite *
suite_server_budget(void)
{
	Suite *s = suite_create("server/budget");
	TCase *t = tcase_create("budget");

	tcase_add_checked_fixture(t, fake_root_make, fake_root_remove);
	tcase_add_test(t, without_groups_all_processors_are_the_budget);
	tcase_add_test(t, affinity_bounds_the_budget);
	tcase_add_test(t, processors_that_are_offline_do_not_count);
	tcase_add_test(t, only_processors_that_are_online_and_allowed_can_be_used);
	tcase_add_test(t, auto_is_not_more_than_the_processors_that_it_is_for);
	tcase_add_test(t, pools_that_compute_share_what_workers_leave_of_a_quota);
	tcase_add_test(t, without_a_quota_each_pool_has_as_many_as_there_are_processors);
	tcase_add_test(t, a_budget_is_another_when_processors_or_quota_are);
	tcase_add_test(t, what_cannot_be_understood_does_not_bound);
	tcase_add_test(t, a_folder_without_anything_gives_the_machine);
	tcase_add_test(t, the_real_machine_has_a_budget);
	tcase_add_test(t, version_2_quota_is_shared_by_workers_and_threads);
	tcase_add_test(t, the_smallest_quota_on_the_path_counts);
	tcase_add_test(t, groups_without_the_file_are_passed_over);
	tcase_add_test(t, max_is_no_quota);
	tcase_add_test(t, a_broken_value_is_no_quota);
	tcase_add_test(t, a_value_without_its_period_has_the_usual_one);
	tcase_add_test(t, a_container_with_a_namespace_of_its_own_sees_its_group_as_the_root);
	tcase_add_test(t, a_mount_that_begins_at_the_group_is_the_group);
	tcase_add_test(t, a_mount_of_a_group_with_a_like_name_is_not_taken_for_it);
	tcase_add_test(t, a_path_of_the_host_falls_back_to_the_mount);
	tcase_add_test(t, a_path_outside_of_the_namespace_never_leaves_the_mount);
	tcase_add_test(t, a_mount_point_with_a_space_is_found);
	tcase_add_test(t, version_1_quota_is_that_of_the_cpu_controller);
	tcase_add_test(t, version_1_minus_one_is_no_quota);
	tcase_add_test(t, hybrid_takes_the_smaller_of_both);
	tcase_add_test(t, less_than_one_processor_is_one_worker_and_one_thread);
	tcase_add_test(t, a_quota_above_the_processors_does_not_bound);
	tcase_add_test(t, a_declared_budget_stands);
	tcase_add_test(t, the_smallest_memory_limit_on_the_path_counts);
	tcase_add_test(t, memory_of_version_2_has_its_own_file);
	tcase_add_test(t, throttling_of_all_groups_on_the_path_is_added_up);
	tcase_add_test(t, throttling_of_version_2_is_in_microseconds);
	suite_add_tcase(s, t);
	return s;
}
