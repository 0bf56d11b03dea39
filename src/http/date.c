/*
 * HTTP dates; see date.h. Days are counted in the proleptic Gregorian calendar
 * by arithmetic alone: no time zone, no locale, no library state.
 */
#include "http/date.h"

#include "base/writer.h"

static const char week_days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char *const long_days[7] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
					  "Thursday", "Friday", "Saturday" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

enum { DAY_SECONDS = 86400, ERA_DAYS = 146097 /* of 400 years */ };

struct civil {
	int64_t year;
	int month, day; /* from 1 */
	int hour, minute, second;
};

/* Days since 1970-01-01. Years are taken to start in March, so that the leap
 * day is the last of its year. */
static int64_t
days_of(const struct civil *t)
{
	int64_t year = t->month <= 2 ? t->year - 1 : t->year;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t month = (t->month + 9) % 12;
	int64_t of_year = (153 * month + 2) / 5 + t->day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void
civil_of_days(int64_t days, struct civil *t)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - ERA_DAYS + 1) / ERA_DAYS;
	int64_t day = shifted - era * ERA_DAYS;
	int64_t of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
	int64_t month = (5 * of_year + 2) / 153;

	t->day = (int)(of_year - (153 * month + 2) / 5 + 1);
	t->month = (int)(month < 10 ? month + 3 : month - 9);
	t->year = of_era + era * 400 + (t->month <= 2);
}

static void
put_digits(struct writer *w, int64_t value, int count)
{
	for (int64_t unit = count == 4 ? 1000 : 10; unit; unit /= 10)
		writer_char(w, (char)('0' + value / unit % 10));
}

void
date_write(char *text, int64_t second)
{
	int64_t day = second / DAY_SECONDS - (second % DAY_SECONDS < 0);
	int64_t rest = second - day * DAY_SECONDS;
	struct writer w = writer_over(text, DATE_BYTES);
	struct civil t;

	civil_of_days(day, &t);
	writer_put(&w, slice_make(week_days[((day + 4) % 7 + 7) % 7], 3));
	writer_put(&w, SLICE(", "));
	put_digits(&w, t.day, 2);
	writer_char(&w, ' ');
	writer_put(&w, slice_make(months[t.month - 1], 3));
	writer_char(&w, ' ');
	put_digits(&w, t.year, 4);
	writer_char(&w, ' ');
	put_digits(&w, rest / 3600, 2);
	writer_char(&w, ':');
	put_digits(&w, rest / 60 % 60, 2);
	writer_char(&w, ':');
	put_digits(&w, rest % 60, 2);
	writer_put(&w, SLICE(" GMT"));
}

/* The takers below read one item off the front of *s; false if it is not there. */
static bool
take_text(struct slice *s, struct slice text)
{
	bool found = slice_has_prefix(*s, text);

	if (found)
		*s = slice_after(*s, text.len);
	return found;
}

static bool
take_digits(struct slice *s, size_t count, int *value)
{
	uint64_t number;

	if (s->len < count || slice_to_u64(slice_make(s->at, count), &number) < 0)
		return false;
	*value = (int)number;
	*s = slice_after(*s, count);
	return true;
}

static bool
take_month(struct slice *s, int *month)
{
	for (*month = 1; *month <= 12; ++*month) {
		if (take_text(s, slice_make(months[*month - 1], 3)))
			return true;
	}
	return false;
}

static bool
take_week_day(struct slice *s)
{
	for (int i = 0; i < 7; i++) {
		if (take_text(s, slice_make(week_days[i], 3)))
			return true;
	}
	return false;
}

static bool
take_long_day(struct slice *s)
{
	for (int i = 0; i < 7; i++) {
		if (take_text(s, slice_of(long_days[i])))
			return true;
	}
	return false;
}

static bool
take_time(struct slice *s, struct civil *t)
{
	return take_digits(s, 2, &t->hour) && take_text(s, SLICE(":")) &&
	       take_digits(s, 2, &t->minute) && take_text(s, SLICE(":")) &&
	       take_digits(s, 2, &t->second);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool
parse_fixed(struct slice s, struct civil *t)
{
	int year;

	if (!take_week_day(&s) || !take_text(&s, SLICE(", ")) || !take_digits(&s, 2, &t->day) ||
	    !take_text(&s, SLICE(" ")) || !take_month(&s, &t->month) ||
	    !take_text(&s, SLICE(" ")) || !take_digits(&s, 4, &year) || !take_text(&s, SLICE(" ")))
		return false;
	t->year = year;
	return take_time(&s, t) && slice_eq(s, SLICE(" GMT"));
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool
parse_rfc850(struct slice s, struct civil *t)
{
	int year;

	if (!take_long_day(&s) || !take_text(&s, SLICE(", ")) || !take_digits(&s, 2, &t->day) ||
	    !take_text(&s, SLICE("-")) || !take_month(&s, &t->month) ||
	    !take_text(&s, SLICE("-")) || !take_digits(&s, 2, &year) || !take_text(&s, SLICE(" ")))
		return false;
	t->year = year + (year < 70 ? 2000 : 1900);
	return take_time(&s, t) && slice_eq(s, SLICE(" GMT"));
}

/* Sun Nov  6 08:49:37 1994 */
static bool
parse_asctime(struct slice s, struct civil *t)
{
	int year;

	if (!take_week_day(&s) || !take_text(&s, SLICE(" ")) || !take_month(&s, &t->month) ||
	    !take_text(&s, SLICE(" ")))
		return false;
	if (take_text(&s, SLICE(" ")) ? !take_digits(&s, 1, &t->day) : !take_digits(&s, 2, &t->day))
		return false;
	if (!take_text(&s, SLICE(" ")) || !take_time(&s, t) || !take_text(&s, SLICE(" ")) ||
	    !take_digits(&s, 4, &year))
		return false;
	t->year = year;
	return slice_is_empty(s);
}

static bool
is_possible(const struct civil *t)
{
	static const uint8_t lengths[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);

	if (t->day < 1 || t->day > lengths[t->month - 1])
		return false;
	if (t->month == 2 && t->day == 29 && !is_leap)
		return false;
	/* RFC 9110 5.6.7: a leap second is 60 */
	return t->hour < 24 && t->minute < 60 && t->second <= 60;
}

bool
date_parse(struct slice s, int64_t *second)
{
	struct civil t;

	if (!parse_fixed(s, &t) && !parse_rfc850(s, &t) && !parse_asctime(s, &t))
		return false;
	if (!is_possible(&t))
		return false;
	*second = days_of(&t) * DAY_SECONDS + t.hour * 3600 + t.minute * 60 + t.second;
	return true;
}

struct slice
date_text(struct date *d, int64_t second)
{
	if (d->text[0] == 0 || d->second != second) {
		date_write(d->text, second);
		d->second = second;
	}
	return slice_make(d->text, DATE_BYTES);
}
