/*
 * Prometheus' text format (version 0.0.4), appended to a buffer: families with
 * their help and type, samples with escaped labels, histograms in seconds. Called
 * by the monitor, which knows what there is to show.
 */
#ifndef FOREBAY_METRICS_EXPORT_H
#define FOREBAY_METRICS_EXPORT_H

#include "base/buffer.h"
#include "metrics/histogram.h"

/* The media type of the text. */
#define EXPORT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum export_kind { EXPORT_COUNTER, EXPORT_GAUGE, EXPORT_HISTOGRAM };

struct export_label {
	const char *name;
	struct slice value; /* any bytes: escaped here */
};

/* The head of a metric, once, before its samples. Help is one line. */
void export_family(struct buffer *b, const char *name, enum export_kind kind, const char *help);
/* One sample; count labels, perhaps none. */
void export_u64(struct buffer *b, const char *name, const struct export_label *labels,
		unsigned count, uint64_t value);
/* The same of a value in nanoseconds, shown in seconds; and of thousandths. */
void export_seconds(struct buffer *b, const char *name, const struct export_label *labels,
		    unsigned count, uint64_t ns);
void export_milli(struct buffer *b, const char *name, const struct export_label *labels,
		  unsigned count, uint64_t milli);
/* Cumulative buckets with `le`, the sum and the count. */
void export_histogram(struct buffer *b, const char *name, const struct export_label *labels,
		      unsigned count, const struct histogram_sum *h);
/* Every row of counters.def, families included, added up over the blocks. */
void export_counters(struct buffer *b, const struct counters *const blocks[], unsigned count);

#endif
