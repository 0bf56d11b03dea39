/*
 * Prometheus' text format; see export.h.
 */
#include "metrics/export.h"

enum { NUMBER_BYTES = 32, BILLION = 1000000000, THOUSAND = 1000 };

/* --- pieces ------------------------------------------------------------------------- */

static void
put_u64(struct buffer *b, uint64_t value)
{
	struct writer w = buffer_room(b, NUMBER_BYTES);

	writer_u64(&w, value);
	buffer_wrote(b, &w);
}

/* value / scale as a decimal number, without zeros at its end. scale: a power of ten. */
static void
put_scaled(struct buffer *b, uint64_t value, uint64_t scale)
{
	struct writer w = buffer_room(b, NUMBER_BYTES);
	uint64_t rest = value % scale;

	writer_u64(&w, value / scale);
	if (rest)
		writer_char(&w, '.');
	while (rest) {
		scale /= 10;
		writer_char(&w, (char)('0' + rest / scale));
		rest %= scale;
	}
	buffer_wrote(b, &w);
}

static void
put_escaped(struct buffer *b, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (c == '\n') {
			buffer_text(b, "\\n");
			continue;
		}
		if (c == '\\' || c == '"')
			buffer_char(b, '\\');
		buffer_char(b, c);
	}
}

/* a="x",b="y" */
static void
put_labels(struct buffer *b, const struct export_label *labels, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		buffer_text(b, i ? "," : "");
		buffer_text(b, labels[i].name);
		buffer_text(b, "=\"");
		put_escaped(b, labels[i].value);
		buffer_char(b, '"');
	}
}

/* The name, the labels in braces if there are any, and the blank before the value. */
static void
put_name(struct buffer *b, const char *name, const char *suffix, const struct export_label *labels,
	 unsigned count)
{
	buffer_text(b, name);
	buffer_text(b, suffix);
	buffer_text(b, count ? "{" : "");
	put_labels(b, labels, count);
	buffer_text(b, count ? "} " : " ");
}

/* --- what is exported ------------------------------------------------------------------ */

void
export_family(struct buffer *b, const char *name, enum export_kind kind, const char *help)
{
	static const char *const kinds[] = {
		[EXPORT_COUNTER] = "counter",
		[EXPORT_GAUGE] = "gauge",
		[EXPORT_HISTOGRAM] = "histogram",
	};

	buffer_text(b, "# HELP ");
	buffer_text(b, name);
	buffer_char(b, ' ');
	buffer_text(b, help);
	buffer_text(b, "\n# TYPE ");
	buffer_text(b, name);
	buffer_char(b, ' ');
	buffer_text(b, kinds[kind]);
	buffer_char(b, '\n');
}

void
export_u64(struct buffer *b, const char *name, const struct export_label *labels, unsigned count,
	   uint64_t value)
{
	put_name(b, name, "", labels, count);
	put_u64(b, value);
	buffer_char(b, '\n');
}

void
export_seconds(struct buffer *b, const char *name, const struct export_label *labels,
	       unsigned count, uint64_t ns)
{
	put_name(b, name, "", labels, count);
	put_scaled(b, ns, BILLION);
	buffer_char(b, '\n');
}

void
export_milli(struct buffer *b, const char *name, const struct export_label *labels, unsigned count,
	     uint64_t milli)
{
	put_name(b, name, "", labels, count);
	put_scaled(b, milli, THOUSAND);
	buffer_char(b, '\n');
}

/* One bucket; the last has no bound. */
static void
put_bucket(struct buffer *b, const char *name, const struct export_label *labels, unsigned count,
	   unsigned index)
{
	buffer_text(b, name);
	buffer_text(b, "_bucket{");
	put_labels(b, labels, count);
	buffer_text(b, count ? "," : "");
	buffer_text(b, "le=\"");
	if (index < HISTOGRAM_BUCKETS - 1)
		put_scaled(b, histogram_bounds[index], BILLION);
	else
		buffer_text(b, "+Inf");
	buffer_text(b, "\"} ");
}

void
export_histogram(struct buffer *b, const char *name, const struct export_label *labels,
		 unsigned count, const struct histogram_sum *h)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		sum += h->bucket[i];
		put_bucket(b, name, labels, count, i);
		put_u64(b, sum);
		buffer_char(b, '\n');
	}
	put_name(b, name, "_sum", labels, count);
	put_scaled(b, h->sum_ns, BILLION);
	buffer_char(b, '\n');
	put_name(b, name, "_count", labels, count);
	put_u64(b, sum);
	buffer_char(b, '\n');
}

/* --- counters.def ---------------------------------------------------------------------- */

static const struct row {
	const char *metric, *labels, *help;
} rows[COUNTER_COUNT] = {
#define COUNTER(id, metric, labels, help) { metric, labels, help },
#include "metrics/counters.def"
#undef COUNTER
};

static void
put_row_name(struct buffer *b, const struct row *r)
{
	bool has_labels = *r->labels != '\0';

	buffer_text(b, r->metric);
	buffer_text(b, has_labels ? "{" : "");
	buffer_text(b, r->labels);
	buffer_text(b, has_labels ? "} " : " ");
}

void
export_counters(struct buffer *b, const struct counters *const blocks[], unsigned count)
{
	const char *last = "";

	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const struct row *r = &rows[i];
		uint64_t sum = 0;

		if (strcmp(last, r->metric) != 0)
			export_family(b, r->metric, EXPORT_COUNTER, r->help);
		last = r->metric;
		for (unsigned k = 0; k < count; k++)
			sum += count_read(blocks[k], (enum counter)i);
		put_row_name(b, r);
		put_u64(b, sum);
		buffer_char(b, '\n');
	}
}
