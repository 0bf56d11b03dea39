/*
 * The time of day for log lines; see access_clock.h.
 */
#include "accesslog/access_clock.h"

#include "base/clock.h"
#include "base/writer.h"

#include <time.h>

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

uint64_t
access_clock_wall(struct access_clock *c, uint64_t monotonic_ns)
{
	if (monotonic_ns >= c->until_ns) {
		uint64_t before = clock_monotonic();
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		c->offset_ns = (uint64_t)now.tv_sec * CLOCK_SEC + (uint64_t)now.tv_nsec - before;
		c->until_ns = clock_after(monotonic_ns, CLOCK_SEC);
	}
	return monotonic_ns + c->offset_ns;
}

/* Whether the text is of another second, which it is for from now on. */
static bool
is_stale(struct access_text *t, uint64_t second, struct tm *parts)
{
	time_t at = (time_t)second;

	if (t->at[0] && t->second == second)
		return false;
	t->second = second;
	gmtime_r(&at, parts);
	return true;
}

struct slice
access_clock_rfc(struct access_clock *c, uint64_t wall_ns)
{
	struct writer w = writer_over(c->rfc.at, sizeof(c->rfc.at));
	struct tm t;

	if (is_stale(&c->rfc, wall_ns / CLOCK_SEC, &t))
		writer_format(&w, "%04d-%02d-%02dT%02d:%02d:%02d", t.tm_year + 1900, t.tm_mon + 1,
			      t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
	return slice_make(c->rfc.at, ACCESS_CLOCK_RFC_BYTES);
}

struct slice
access_clock_clf(struct access_clock *c, uint64_t wall_ns)
{
	struct writer w = writer_over(c->clf.at, sizeof(c->clf.at));
	struct tm t;

	if (is_stale(&c->clf, wall_ns / CLOCK_SEC, &t))
		writer_format(&w, "%02d/%s/%04d:%02d:%02d:%02d +0000", t.tm_mday, months[t.tm_mon],
			      t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
	return slice_make(c->clf.at, ACCESS_CLOCK_CLF_BYTES);
}
