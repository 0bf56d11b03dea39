/*
 * What a client is told that may not pass; see auth_priv.h. On its worker.
 */
#include "base/log.h"
#include "guard/auth_priv.h"
#include "plan/scope.h"

enum { VALUE_BYTES = 1024, NUMBER_BYTES = 24 };

static const struct {
	enum counter counter;
	const char *code, *text;
} faults[FAULTS] = {
#define FAULT(name, counter, code, text) [FAULT_##name] = { COUNTER_##counter, code, text },
#include "auth/faults.def"
#undef FAULT
};

/* Of the peer's doing: at debug level, with who. What was given as a user's name may be a password,
 * so it is in no log. */
static void
log_refusal(const struct auth_asking *k, const char *why)
{
	struct slice client = scope_client_address(k->asked->x);

	log_debug("%.*s: auth: %s", SLICE_PRINT(client), why);
}

/* Who waits, waits no more. */
static void
leave(struct auth_asking *k)
{
	if (k->asked->x->asked)
		guard_leave(k->asked);
}

static void
add_field(struct exchange *x, enum field_id id, struct slice value)
{
	if (value.len > 0 && exchange_add_field(x, id, value) != 0)
		log_debug("auth: no memory for a response field");
}

/* RFC 6750 3: error and error_description where a token was looked at, the scopes where they lack.
 */
static struct slice
make_challenge(const struct auth_asking *k, const struct auth_section *s)
{
	const char *code = faults[k->fault].code;
	char *memory;
	struct writer w;

	if (s != k->blamed || code[0] == '\0')
		return s->challenge;
	memory = arena_alloc(&k->asked->x->arena, VALUE_BYTES);
	w = writer_over(memory, memory ? VALUE_BYTES : 0);
	writer_put(&w, s->challenge);
	writer_format(&w, ", error=\"%s\", error_description=\"%s\"", code, faults[k->fault].text);
	if (k->fault == FAULT_SCOPE) {
		size_t before = w.len;

		writer_text(&w, ", scope=\"");
		for (size_t i = 0; i < s->conf.scope.count; i++) {
			writer_text(&w, i ? " " : "");
			writer_put(&w, s->conf.scope.at[i]);
		}
		writer_char(&w, '"');
		if (w.is_full)
			w.len = before;
	}
	return w.len ? writer_slice(&w) : s->challenge;
}

void
auth_refuse(struct auth_asking *k)
{
	struct exchange *x = k->asked->x;

	leave(k);
	auth_count(k, faults[k->fault].counter);
	log_refusal(k, faults[k->fault].text);
	for (unsigned i = 0; i < k->guard->count; i++)
		add_field(x, FIELD_WWW_AUTHENTICATE, make_challenge(k, k->guard->section[i]));
	exchange_refuse(x, k->fault == FAULT_SCOPE ? 403 : 401);
}

static void
add_refusal(struct exchange *x, const struct pool_refusal *refusal)
{
	char *memory = arena_alloc(&x->arena, NUMBER_BYTES);
	struct writer w = writer_over(memory, memory ? NUMBER_BYTES : 0);

	writer_u64(&w, refusal->retry_after_s ? refusal->retry_after_s : 1);
	add_field(x, FIELD_RETRY_AFTER, writer_slice(&w));
	add_field(x, FIELD_FOREBAY_SHED, slice_of(refusal->limit));
}

void
auth_fail(struct auth_asking *k, int err, const struct pool_refusal *refusal)
{
	struct exchange *x = k->asked->x;
	bool is_shed = err == ERR_SHED && refusal && refusal->limit, is_late = err == ERR_DEADLINE;

	leave(k);
	auth_count(k, is_shed   ? COUNTER_AUTH_SHED
		      : is_late ? COUNTER_AUTH_DEADLINE
				: COUNTER_AUTH_FAILED);
	if (err == ERR_FAILED || err == ERR_MEMORY)
		log_error("auth: credentials could not be verified: %s", err_text(err));
	log_refusal(k, err_text(err));
	if (is_shed)
		add_refusal(x, refusal);
	exchange_refuse(x, is_late ? 504 : is_shed && refusal->status ? (int)refusal->status : 503);
}
