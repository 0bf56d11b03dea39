/*
 * Sets of processors, written as Linux writes them: 0-3,7; 0-30:2 is each
 * second one. Pure functions, but none for what the kernel grants: threads have
 * their processors in thread/thread.h.
 */
#ifndef FOREBAY_BASE_CPUS_H
#define FOREBAY_BASE_CPUS_H

#include "base/err.h"
#include "base/writer.h"

#include <limits.h>
#include <stdbool.h>

enum {
	CPUS_MAX = 1024, /* as many as the C library's cpu_set_t has */
	CPUS_WORD_BITS = sizeof(unsigned long) * CHAR_BIT,
	CPUS_WORDS = CPUS_MAX / CPUS_WORD_BITS
};

/* All zeros: none. The bits are as the kernel's calls have them. */
struct cpus {
	unsigned long word[CPUS_WORDS];
};

/* The whole text, spaces around items allowed. ERR_SYNTAX: it is no such list, or one of none;
 * ERR_TOO_LARGE: it is, of numbers from CPUS_MAX on. Nothing is changed on error. */
int cpus_parse(struct cpus *c, struct slice text) MUST_CHECK;
/* The shortest text that says the same, without spaces and steps; nothing for none. */
void cpus_write(const struct cpus *c, struct writer *w);

void cpus_add(struct cpus *c, unsigned cpu); /* below CPUS_MAX */
bool cpus_has(const struct cpus *c, unsigned cpu);
unsigned cpus_count(const struct cpus *c);
bool cpus_is_empty(const struct cpus *c);
bool cpus_eq(const struct cpus *a, const struct cpus *b);
/* The n-th of them, from 0 on; CPUS_MAX: there are not so many. */
unsigned cpus_at(const struct cpus *c, unsigned n);
/* Those that are in both; those of a that are not in b. */
struct cpus cpus_both(const struct cpus *a, const struct cpus *b);
struct cpus cpus_without(const struct cpus *a, const struct cpus *b);
/* Which of them the member number `at` of `count` has: one of its own if there are as many, else
 * all. */
struct cpus cpus_share(const struct cpus *c, unsigned at, unsigned count);

#endif
