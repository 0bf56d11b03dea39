/*
 * What control groups grant this process: the CPU quota and memory, of versions
 * 1 and 2 and of both at once. Reads /proc and /sys; for start-up.
 */
#ifndef FOREBAY_SERVER_CGROUP_H
#define FOREBAY_SERVER_CGROUP_H

#include <stdint.h>

/*
 * The smallest CPU quota of all groups from the process's own up to the root
 * of what is mounted, in thousandths of a processor; 0: there is none, or none
 * that can be seen. root is "" but in tests: where /proc and /sys are.
 */
uint64_t cgroup_quota_milli(const char *root);
/* The smallest memory limit of them, in bytes; 0 as above. */
uint64_t cgroup_memory_bytes(const char *root);
/* How long these groups have been kept from running because their quotas were used up, added up. */
uint64_t cgroup_throttled_ns(const char *root);

#endif
