/*
 * Quantities on the command line of forebayctl and in what it prints: 80/s,
 * 12.5ms, p99=150ms. Unlike config/value.h they may have fractions, because they
 * are measured rather than chosen. Pure functions.
 */
#ifndef FOREBAY_CTL_QUANTITY_H
#define FOREBAY_CTL_QUANTITY_H

#include "base/err.h"
#include "base/slice.h"

/* Each takes the whole text, or gives ERR_SYNTAX; nothing is changed on error. */
int quantity_number(struct slice s, double *value) MUST_CHECK; /* 2, 0.5 */
int quantity_rate(struct slice s, double *per_s) MUST_CHECK; /* 80, 80/s, 4800/m, 5/h */
int quantity_time(struct slice s, double *seconds) MUST_CHECK; /* 20ms; units us ms s m h */
/* p99=150ms: within that time for that share. */
int quantity_percentile(struct slice s, double *share, double *seconds) MUST_CHECK;

enum { QUANTITY_BYTES = 32 };

struct quantity_text {
	char text[QUANTITY_BYTES];
};

/* Three digits for people; "-" for what is not finite. */
struct quantity_text quantity_show_time(double seconds); /* 680 us, 23.8 ms, 1.5 s */
struct quantity_text quantity_show_share(double share); /* 37 % */
struct quantity_text quantity_show_rate(double per_s); /* 80/s */

#endif
