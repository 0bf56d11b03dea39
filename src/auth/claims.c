/*
 * Judging claims; see claims.h.
 */
#include "auth/claims.h"

#include "auth/members.h"
#include "base/clock.h"
#include "base/json.h"

/* Longest string or number that is compared with a value of the configuration. */
enum { EXPONENT_MAX = 40, PATH_MAX_STEPS = 16 };

/* Seconds beyond which no sum of ours can overflow: some hundred million years. */
static const int64_t TIME_MAX = INT64_C(1) << 52;

struct judging {
	const struct claims_terms *terms;
	struct members members;
	struct slice json;
	struct arena *arena;
	int64_t now_s, leeway_s;
};

/* --- numbers ------------------------------------------------------------------------- */

static int64_t
clamp(uint64_t value)
{
	return value > (uint64_t)TIME_MAX ? TIME_MAX : (int64_t)value;
}

static int
take_exponent(struct slice *rest, int *exponent)
{
	bool is_negative = false;
	int value = 0;

	*exponent = 0;
	if (rest->len == 0)
		return 0;
	*rest = slice_after(*rest, 1); /* e, E: json_validate has seen to it */
	if (rest->len && (rest->at[0] == '-' || rest->at[0] == '+')) {
		is_negative = rest->at[0] == '-';
		*rest = slice_after(*rest, 1);
	}
	for (; rest->len && ascii_is_digit(rest->at[0]); *rest = slice_after(*rest, 1)) {
		value = value * 10 + (rest->at[0] - '0');
		if (value > EXPONENT_MAX)
			value = EXPONENT_MAX;
	}
	*exponent = is_negative ? -value : value;
	return rest->len ? ERR_SYNTAX : 0;
}

/* Digits up to a bound; those behind the point are counted in *places. */
static uint64_t
take_digits(struct slice *rest, int *places)
{
	uint64_t value = 0;
	bool is_fraction = false;

	*places = 0;
	for (; rest->len; *rest = slice_after(*rest, 1)) {
		char c = rest->at[0];

		if (c == '.') {
			is_fraction = true;
			continue;
		}
		if (!ascii_is_digit(c))
			break;
		if (value > UINT64_MAX / 10 - 9) { /* more digits than count */
			*places -= !is_fraction;
			continue;
		}
		value = value * 10 + (uint64_t)(c - '0');
		*places += is_fraction;
	}
	return value;
}

int
claims_time(struct slice raw, int64_t *seconds)
{
	bool is_negative = raw.len && raw.at[0] == '-';
	struct slice rest = is_negative ? slice_after(raw, 1) : raw;
	uint64_t value;
	int places, exponent;

	if (rest.len == 0 || !ascii_is_digit(rest.at[0]))
		return ERR_SYNTAX;
	value = take_digits(&rest, &places);
	if (take_exponent(&rest, &exponent) != 0)
		return ERR_SYNTAX;
	for (exponent -= places; exponent < 0 && value; exponent++)
		value /= 10;
	for (; exponent > 0 && value && value <= (uint64_t)TIME_MAX; exponent--)
		value *= 10;
	*seconds = is_negative ? -clamp(value) : clamp(value);
	return 0;
}

/* --- times --------------------------------------------------------------------------- */

/* ERR_MISSING, ERR_SYNTAX. */
static int
find_time(const struct judging *j, struct slice name, int64_t *seconds)
{
	struct slice raw;

	return members_find(&j->members, name, &raw) ? claims_time(raw, seconds) : ERR_MISSING;
}

static int
check_times(const struct judging *j, struct claims *c)
{
	int64_t at;
	int err = find_time(j, SLICE("exp"), &at);

	if (err == ERR_SYNTAX)
		return FAULT_TOKEN;
	if (err && j->terms->must_expire)
		return FAULT_CLAIM;
	c->expires_s = err ? INT64_MAX : at;
	/* RFC 7519 4.1.4: on or after it, it is over. */
	if (!err && at <= j->now_s - j->leeway_s)
		return FAULT_EXPIRED;
	err = find_time(j, SLICE("nbf"), &at);
	if (err == ERR_SYNTAX || (!err && at > j->now_s + j->leeway_s))
		return err ? FAULT_TOKEN : FAULT_EARLY;
	err = find_time(j, SLICE("iat"), &at);
	if (err == ERR_SYNTAX || (!err && at > j->now_s + j->leeway_s))
		return err ? FAULT_TOKEN : FAULT_EARLY;
	return 0;
}

/* --- texts --------------------------------------------------------------------------- */

/* Whether a value is the wanted text: a string, or a number, true or false as it stands. */
static bool
is_text(const struct judging *j, struct slice raw, struct slice wanted)
{
	struct slice text = raw;

	switch (json_kind(raw)) {
	case JSON_STRING:
		return members_unescape(raw, j->arena, &text) == 0 && slice_eq(text, wanted);
	case JSON_NUMBER:
	case JSON_BOOLEAN:
		return slice_eq(raw, wanted);
	default:
		return false;
	}
}

/* The same, or one of an array's elements. */
static bool
holds_text(const struct judging *j, struct slice raw, struct slice wanted)
{
	struct json_walk walk;
	struct slice element;

	if (json_kind(raw) != JSON_ARRAY)
		return is_text(j, raw, wanted);
	walk = json_walk_over(raw);
	while (json_walk_element(&walk, &element)) {
		if (is_text(j, element, wanted))
			return true;
	}
	return false;
}

static bool
holds_any(const struct judging *j, struct slice raw, const struct conf_list *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		if (holds_text(j, raw, wanted->at[i]))
			return true;
	}
	return false;
}

static int
check_issuer(const struct judging *j)
{
	struct slice raw;

	if (j->terms->issuer.count == 0)
		return 0;
	if (!members_find(&j->members, SLICE("iss"), &raw) || json_kind(raw) != JSON_STRING)
		return FAULT_ISSUER;
	return holds_any(j, raw, &j->terms->issuer) ? 0 : FAULT_ISSUER;
}

/* RFC 7519 4.1.3: who is not among those that a token is for must refuse it. */
static int
check_audience(const struct judging *j)
{
	struct slice raw;

	if (!members_find(&j->members, SLICE("aud"), &raw))
		return j->terms->audience.count ? FAULT_AUDIENCE : 0;
	return holds_any(j, raw, &j->terms->audience) ? 0 : FAULT_AUDIENCE;
}

/* RFC 8693 4.2: words with spaces between them; some issuers write an array, or name it scp. */
static bool
has_scope(const struct judging *j, struct slice wanted)
{
	struct slice raw, text;

	if (!members_find(&j->members, SLICE("scope"), &raw) &&
	    !members_find(&j->members, SLICE("scp"), &raw))
		return false;
	if (json_kind(raw) == JSON_ARRAY)
		return holds_text(j, raw, wanted);
	if (members_unescape(raw, j->arena, &text) != 0)
		return false;
	while (text.len > 0) {
		if (slice_eq(slice_cut(&text, ' '), wanted))
			return true;
	}
	return false;
}

static int
check_scope(const struct judging *j)
{
	for (size_t i = 0; i < j->terms->scope.count; i++) {
		if (!has_scope(j, j->terms->scope.at[i]))
			return FAULT_SCOPE;
	}
	return 0;
}

/* A claim of just that name, else what its points lead to. */
static bool
find_claim(const struct judging *j, struct slice name, struct slice *raw)
{
	struct slice path[PATH_MAX_STEPS];
	size_t n = 0;

	if (members_find(&j->members, name, raw))
		return true;
	while (name.len > 0 && n < PATH_MAX_STEPS)
		path[n++] = slice_cut(&name, '.');
	return name.len == 0 && json_find(j->json, path, n, raw) == 0;
}

static int
check_required(const struct judging *j)
{
	struct slice raw;

	for (size_t i = 0; i < j->terms->require.count; i++) {
		const struct conf_named *wanted = &j->terms->require.at[i];

		if (!find_claim(j, wanted->name, &raw) || !holds_text(j, raw, wanted->value))
			return FAULT_CLAIM;
	}
	return 0;
}

/* A value that is text at all, and may stand in a log line and in a header field. */
static int
find_user(const struct judging *j, struct claims *c)
{
	struct slice raw;
	int err;

	c->user = slice_make("", 0);
	if (!find_claim(j, j->terms->user, &raw))
		return j->terms->must_name_user ? FAULT_CLAIM : 0;
	if (json_kind(raw) == JSON_NUMBER) {
		c->user = raw;
		return 0;
	}
	err = members_unescape(raw, j->arena, &c->user);
	if (err)
		return err == ERR_MEMORY ? err : FAULT_TOKEN;
	for (size_t i = 0; i < c->user.len; i++) {
		if ((unsigned char)c->user.at[i] < 0x20 || c->user.at[i] == 0x7f)
			return FAULT_TOKEN;
	}
	return c->user.len == 0 && j->terms->must_name_user ? FAULT_CLAIM : 0;
}

int
claims_check(struct claims *c, const struct claims_terms *t, struct slice json, int64_t now_s,
	     struct arena *a)
{
	struct judging j = { .terms = t,
			     .json = json,
			     .arena = a,
			     .now_s = now_s,
			     .leeway_s = (int64_t)(t->leeway_ns / CLOCK_SEC) };
	int (*const checks[])(const struct judging *) = { check_issuer, check_audience,
							  check_required, check_scope };
	int err = members_read(&j.members, json, a);

	if (err)
		return err == ERR_MEMORY ? err : FAULT_TOKEN;
	err = check_times(&j, c);
	for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]) && !err; i++)
		err = checks[i](&j);
	return err ? err : find_user(&j, c);
}
