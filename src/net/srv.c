/*
 * SRV records; see srv.h. Names are read by c-ares, which knows of compression.
 */
#include "net/srv.h"

#include <ares.h>
#include <limits.h>
#include <string.h>

enum {
	CLASS_IN = 1,
	TYPE_CNAME = 5,
	TYPE_SRV = 33,
	HEADER_BYTES = 12,
	RECORD_BYTES = 10, /* behind its name */
	SRV_BYTES = 6, /* before its target */
	QUESTION_BYTES = 4, /* behind its name */
};

struct cursor {
	const unsigned char *all, *at, *end;
};

static unsigned
get16(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* Moves behind a name, which goes to `into` unless that is NULL. */
static bool
read_name(struct cursor *c, char into[SRV_NAME_BYTES])
{
	char *name = NULL;
	long bytes = 0;
	bool is_good;

	if (ares_expand_name(c->at, c->all, (int)(c->end - c->all), &name, &bytes) != ARES_SUCCESS)
		return false;
	/* An escape takes more than the byte that it stands for. */
	is_good = bytes >= 0 && bytes <= c->end - c->at && strlen(name) < SRV_NAME_BYTES;
	if (is_good && into)
		memcpy(into, name, strlen(name) + 1);
	ares_free_string(name);
	c->at += is_good ? bytes : 0;
	return is_good;
}

static void
note_ttl(struct srv_answer *a, const unsigned char *at)
{
	uint32_t ttl = (uint32_t)get16(at) << 16 | get16(at + 2);

	/* RFC 2181 8: one with the highest bit set is 0. */
	if (ttl > INT32_MAX)
		ttl = 0;
	if (ttl < a->ttl_s)
		a->ttl_s = ttl;
}

static bool
take_service(struct srv_answer *a, const unsigned char *body, struct cursor c)
{
	struct srv_record *r = &a->at[a->count];

	if (a->count == SRV_RECORDS_MAX) {
		a->was_cut = true;
		return true;
	}
	r->priority = get16(body);
	r->weight = get16(body + 2);
	r->port = (uint16_t)get16(body + 4);
	c.at = body + SRV_BYTES;
	a->count += read_name(&c, r->target);
	return a->count > 0 && r == &a->at[a->count - 1];
}

static bool
take_record(struct srv_answer *a, struct cursor *c)
{
	const unsigned char *fixed, *body;
	unsigned type, bytes;

	if (!read_name(c, NULL) || c->end - c->at < RECORD_BYTES)
		return false;
	fixed = c->at;
	body = fixed + RECORD_BYTES;
	type = get16(fixed);
	bytes = get16(fixed + 8);
	if (c->end - body < (long)bytes)
		return false;
	c->at = body + bytes;
	if (get16(fixed + 2) != CLASS_IN || (type != TYPE_SRV && type != TYPE_CNAME))
		return true;
	note_ttl(a, fixed + 4);
	if (type != TYPE_SRV)
		return true;
	return bytes > SRV_BYTES && take_service(a, body, *c);
}

int
srv_read(struct srv_answer *a, const unsigned char *message, size_t len)
{
	struct cursor c = { message, message + HEADER_BYTES, message + len };
	unsigned questions, records;

	a->count = 0;
	a->was_cut = false;
	a->ttl_s = UINT32_MAX;
	if (!message || len < HEADER_BYTES || len > INT_MAX)
		return ERR_PROTOCOL;
	questions = get16(message + 4);
	records = get16(message + 6);
	for (unsigned i = 0; i < questions; i++) {
		if (!read_name(&c, NULL) || c.end - c.at < QUESTION_BYTES)
			return ERR_PROTOCOL;
		c.at += QUESTION_BYTES;
	}
	for (unsigned i = 0; i < records; i++) {
		if (!take_record(a, &c))
			return ERR_PROTOCOL;
	}
	return 0;
}
