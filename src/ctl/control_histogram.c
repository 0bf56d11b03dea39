/*
 * Histograms from files; see control_histogram.h.
 */
#include "ctl/control_histogram.h"

#include "base/mem.h"
#include "config/suggest.h"
#include "ctl/pool_reading.h"
#include "ctl/quantity.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	FILE_MAX = 4 << 20,
	SHOWN = 60, /* of a line that is wrong */
};

struct reader {
	const char *file, *pool;
	char *why;
	unsigned line;
	struct slice text; /* the line */
	double bound[MEASURED_BUCKETS], count[MEASURED_BUCKETS];
	unsigned buckets;
};

/* --- what is wrong ------------------------------------------------------------------------- */

/* Bytes that are no text are not shown. */
static bool
complain(const struct reader *r, const char *what)
{
	char shown[SHOWN + 1];
	size_t n = 0;

	while (n < r->text.len && n < SHOWN) {
		unsigned char c = (unsigned char)r->text.at[n];

		shown[n++] = c >= ' ' && c < 0x7f ? (char)c : '?';
	}
	shown[n] = '\0';
	snprintf(r->why, CONTROL_HISTOGRAM_WHY, "%s:%u: %s: %s", r->file, r->line, what, shown);
	return false;
}

static bool
complain_file(const struct reader *r, const char *what)
{
	snprintf(r->why, CONTROL_HISTOGRAM_WHY, "%s: %s", r->file, what);
	return false;
}

/* --- bounds and counts ------------------------------------------------------------------------ */

/* A time with its unit, or seconds; +Inf for the rest. */
static bool
read_bound(struct slice text, double *bound)
{
	if (slice_eq(text, SLICE("+Inf")) || slice_eq(text, SLICE("inf"))) {
		*bound = INFINITY;
		return true;
	}
	return (quantity_time(text, bound) == 0 || quantity_number(text, bound) == 0) && *bound > 0;
}

/* Up to a space or a tab. */
static size_t
bound_length(struct slice line)
{
	size_t n = 0;

	while (n < line.len && line.at[n] != ' ' && line.at[n] != '\t')
		n++;
	return n;
}

static bool
take_bucket(struct reader *r)
{
	size_t n = bound_length(r->text);
	struct slice bound = slice_make(r->text.at, n), rest = slice_after(r->text, n);
	double *to = &r->bound[r->buckets], *count = &r->count[r->buckets];

	if (r->buckets == MEASURED_BUCKETS)
		return complain(r, "more than 256 buckets");
	if (!read_bound(bound, to) || quantity_number(slice_trim(rest), count) != 0)
		return complain(r, "not a bound and a count, such as 20ms 45");
	if (r->buckets > 0 && !(*to > r->bound[r->buckets - 1]))
		return complain(r, "a bound that is not above the one before");
	if (r->buckets == 0 && isinf(*to))
		return complain(r, "the first bound must be a time");
	r->buckets++;
	return true;
}

/* Cuts the next line off that says something. */
static bool
next_line(struct reader *r, struct slice *text)
{
	while (text->len > 0) {
		r->text = slice_trim(slice_cut(text, '\n'));
		if (r->text.len > 0 && r->text.at[r->text.len - 1] == '\r')
			r->text.len--;
		r->line++;
		if (r->text.len > 0 && r->text.at[0] != '#')
			return true;
	}
	return false;
}

static bool
parse_buckets(struct reader *r, struct measured *m, struct slice text)
{
	while (next_line(r, &text)) {
		if (!take_bucket(r))
			return false;
	}
	if (measured_init(m, r->bound, r->count, r->buckets, 0) != 0)
		return complain_file(r, "there are no counts");
	return true;
}

/* --- /metrics ----------------------------------------------------------------------------------
 */

static bool
complain_pool(const struct reader *r, const struct pool_readings *all)
{
	struct suggest near;

	suggest_init(&near, slice_of(r->pool));
	for (unsigned i = 0; i < all->count; i++)
		suggest_offer(&near, slice_of(all->pool[i].name));
	snprintf(r->why, CONTROL_HISTOGRAM_WHY, "%s: there is no pool %s%s", r->file, r->pool,
		 suggest_text(&near));
	return false;
}

/* NULL: it is said which there are. */
static const struct pool_reading *
choose_pool(const struct reader *r, struct pool_readings *all)
{
	const struct pool_reading *found = NULL;

	if (r->pool) {
		found = pool_readings_find(all, slice_of(r->pool));
		if (!found)
			(void)complain_pool(r, all);
		return found;
	}
	for (unsigned i = 0; i < all->count; i++) {
		if (all->pool[i].run.total == 0)
			continue;
		if (found) {
			snprintf(r->why, CONTROL_HISTOGRAM_WHY,
				 "%s: several pools ran jobs, %s and %s among them: name one with "
				 "--pool",
				 r->file, found->name, all->pool[i].name);
			return NULL;
		}
		found = &all->pool[i];
	}
	if (!found)
		(void)complain_file(r, "no pool ran any job");
	return found;
}

static bool
parse_metrics(struct reader *r, struct measured *m, struct slice text, struct pool_readings *all)
{
	const struct pool_reading *p;

	while (next_line(r, &text)) {
		if (pool_readings_line(all, r->text) != 0)
			return complain(r, "not a line of /metrics");
	}
	p = choose_pool(r, all);
	if (!p)
		return false;
	if (p->run.total == 0 || measured_init(m, p->run.bound, p->run.count, p->run.buckets,
					       p->run.sum_s / p->run.total) != 0)
		return complain_file(r, "the pool ran no job");
	m->cv = pool_reading_cv(p);
	return true;
}

/* --- files ------------------------------------------------------------------------------------ */

static bool
is_metrics(struct slice text)
{
	while (text.len > 0) {
		if (slice_has_prefix(slice_cut(&text, '\n'), SLICE("forebay_")))
			return true;
	}
	return false;
}

bool
control_histogram_parse(struct measured *m, const char *file, struct slice text, const char *pool,
			char why[CONTROL_HISTOGRAM_WHY])
{
	struct reader r = { .file = file, .pool = pool, .why = why };
	struct pool_readings *all;
	bool is_read;

	if (!is_metrics(text) && pool)
		return complain_file(&r, "--pool is about a text of /metrics, which this is not");
	if (!is_metrics(text))
		return parse_buckets(&r, m, text);
	all = mem_zalloc(1, sizeof(*all));
	is_read = all ? parse_metrics(&r, m, text, all) : complain_file(&r, err_text(ERR_MEMORY));
	mem_free(&all);
	return is_read;
}

bool
control_histogram_read(struct measured *m, const char *file, const char *pool,
		       char why[CONTROL_HISTOGRAM_WHY])
{
	struct reader r = { .file = file, .pool = pool, .why = why };
	FILE *f = fopen(file, "re");
	char *text = f ? mem_alloc(FILE_MAX) : NULL;
	bool is_read = false;
	size_t n;

	if (!f)
		return complain_file(&r, strerror(errno));
	n = text ? fread(text, 1, FILE_MAX, f) : 0;
	if (!text)
		(void)complain_file(&r, err_text(ERR_MEMORY));
	else if (ferror(f))
		(void)complain_file(&r, strerror(errno));
	else if (n == FILE_MAX)
		(void)complain_file(&r, "larger than 4 MiB");
	else
		is_read = control_histogram_parse(m, file, slice_make(text, n), pool, why);
	mem_free(&text);
	fclose(f);
	return is_read;
}
