/*
 * Fields of the access log; see access_field.h.
 */
#include "accesslog/access_field.h"

static struct access_value
text_of(struct slice s)
{
	return (struct access_value){ .kind = s.len ? ACCESS_TEXT : ACCESS_ABSENT, .text = s };
}

static struct access_value
number_of(uint64_t number)
{
	return (struct access_value){ .kind = ACCESS_NUMBER, .number = number };
}

static struct access_value
kind_of(enum access_kind kind)
{
	return (struct access_value){ .kind = kind };
}

static struct access_value
header_of(const struct fields *fields, enum field_id id, struct slice name)
{
	const struct field *f =
	    id == FIELD_OTHER ? fields_find_name(fields, name) : fields_find(fields, id);

	return f ? (struct access_value){ .kind = ACCESS_TEXT, .text = f->value }
		 : kind_of(ACCESS_ABSENT);
}

struct slice
access_version(int version)
{
	return version == HTTP_1_1   ? SLICE("HTTP/1.1")
	       : version == HTTP_1_0 ? SLICE("HTTP/1.0")
				     : SLICE("HTTP/2.0");
}

/* --- one for each row ----------------------------------------------------------------- */

#define GETTER(name)                                                                               \
	static struct access_value get_##name(const struct access_entry *e,                        \
					      const struct access_header *h)
#define UNUSED(x) ((void)(x))

GETTER(time)
{
	UNUSED(e), UNUSED(h);
	return kind_of(ACCESS_TIME);
}

GETTER(time_clf)
{
	UNUSED(e), UNUSED(h);
	return kind_of(ACCESS_TIME_CLF);
}

GETTER(time_unix)
{
	UNUSED(e), UNUSED(h);
	return kind_of(ACCESS_TIME_UNIX);
}

GETTER(client_address)
{
	UNUSED(h);
	return kind_of(e->x->client ? ACCESS_ADDRESS : ACCESS_ABSENT);
}

GETTER(client_port)
{
	UNUSED(h);
	return e->x->client && address_port(e->x->client) ? number_of(address_port(e->x->client))
							  : kind_of(ACCESS_ABSENT);
}

GETTER(peer_address)
{
	UNUSED(e), UNUSED(h);
	return kind_of(ACCESS_PEER);
}

GETTER(request)
{
	UNUSED(h);
	return kind_of(e->x->request.method_name.len ? ACCESS_REQUEST : ACCESS_ABSENT);
}

GETTER(request_method)
{
	UNUSED(h);
	return text_of(e->x->request.method_name);
}

GETTER(request_target)
{
	UNUSED(h);
	return text_of(e->x->request.target);
}

GETTER(request_path)
{
	UNUSED(h);
	return text_of(e->x->request.raw_path);
}

GETTER(request_query)
{
	UNUSED(h);
	return text_of(e->x->request.query);
}

GETTER(request_version)
{
	UNUSED(h);
	if (e->x->request.method_name.len == 0)
		return kind_of(ACCESS_ABSENT);
	return (struct access_value){ .kind = ACCESS_WORD,
				      .text = access_version(e->x->request.version) };
}

GETTER(request_id)
{
	UNUSED(h);
	return (struct access_value){ .kind = ACCESS_HEX, .number = e->x->id };
}

GETTER(request_trace)
{
	UNUSED(h);
	return text_of(trace_id(&e->x->trace, &e->x->request.fields));
}

GETTER(host)
{
	UNUSED(h);
	return text_of(e->x->request.authority);
}

GETTER(referer)
{
	UNUSED(h);
	return header_of(&e->x->request.fields, FIELD_REFERER, SLICE(""));
}

GETTER(user_agent)
{
	UNUSED(h);
	return header_of(&e->x->request.fields, FIELD_USER_AGENT, SLICE(""));
}

GETTER(user)
{
	UNUSED(h);
	return (struct access_value){ .kind = e->x->user.len ? ACCESS_NAME : ACCESS_ABSENT,
				      .text = e->x->user };
}

GETTER(header)
{
	return header_of(&e->x->request.fields, h->id, h->name);
}

GETTER(response_header)
{
	const struct exchange *x = e->x;
	struct access_value value = kind_of(ACCESS_ABSENT);

	if (x->is_head_sent)
		value = header_of(&x->response.fields, h->id, h->name);
	if (x->is_head_sent && x->extra && value.kind == ACCESS_ABSENT)
		value = header_of(&x->extra->fields, h->id, h->name);
	return value;
}

GETTER(status)
{
	UNUSED(h);
	return number_of(e->x->is_head_sent ? (uint64_t)e->x->response.status : ACCESS_STATUS_CUT);
}

GETTER(bytes_in)
{
	UNUSED(h);
	return number_of(e->x->body_received);
}

GETTER(bytes_out)
{
	UNUSED(h);
	/* What a source gives for HEAD is dropped on the way. */
	return number_of(e->x->request.method == METHOD_HEAD ? 0 : e->x->body_sent);
}

GETTER(duration)
{
	UNUSED(h);
	return (struct access_value){ .kind = ACCESS_SECONDS,
				      .number = e->ended_ns - e->x->begun_ns };
}

GETTER(route)
{
	UNUSED(h);
	return text_of(e->route);
}

GETTER(parts)
{
	UNUSED(h);
	return kind_of(e->parts ? ACCESS_PARTS : ACCESS_ABSENT);
}

GETTER(cut)
{
	UNUSED(h);
	return (struct access_value){ .kind = ACCESS_FLAG, .number = e->x->is_cut };
}

const struct access_field access_fields[] = {
	{ "time", get_time, "When the request's head was complete: 2026-01-02T03:04:05.678Z." },
	{ "time.clf", get_time_clf, "The same as 02/Jan/2026:03:04:05 +0000." },
	{ "time.unix", get_time_unix, "The same as seconds since 1970." },
	{ "client.address", get_client_address,
	  "The client's address; of a unix socket the word unix." },
	{ "client.port", get_client_port, "The client's port." },
	{ "peer.address", get_peer_address,
	  "The address at the other end of the connection: the client's, or that of a proxy." },
	{ "request", get_request, "The request line." },
	{ "request.method", get_request_method, "As it was sent." },
	{ "request.target", get_request_target, "As it was sent, with the query." },
	{ "request.path", get_request_path, "The target's path as it was sent." },
	{ "request.query", get_request_query, "What stands behind the question mark." },
	{ "request.version", get_request_version, "HTTP/1.1 or the like." },
	{ "request.id", get_request_id, "As {request.id} of templates." },
	{ "request.trace", get_request_trace,
	  "The id of its trace (traceparent): the client's, or, where a server was asked, the one "
	  "that "
	  "began here." },
	{ "host", get_host, "The host that was asked for, with its port if it has one." },
	{ "referer", get_referer, "The header field of that name." },
	{ "user_agent", get_user_agent, "The header field User-Agent." },
	{ "user", get_user, "Who asked, once [auth NAME] knew." },
	{ "header.", get_header, "The first header field of that name in the request." },
	{ "response.header.", get_response_header,
	  "The first of that name in the response, but for those that every response has "
	  "(Content-Length, Date, Server, Connection)." },
	{ "status", get_status, "Of the response; 499 if the exchange was cut before it began." },
	{ "bytes_in", get_bytes_in, "Of the request's body, read so far." },
	{ "bytes_out", get_bytes_out, "Of the response's body." },
	{ "duration", get_duration,
	  "Seconds from the complete head to the last byte that was queued for the client." },
	{ "route", get_route, "The name of the route." },
	{ "parts", get_parts,
	  "The subrequests as in Forebay-Parts, how each ended and after how long; the one of a "
	  "route without [subrequest] sections bears the name of its source." },
	{ "cut", get_cut,
	  "Whether it was cut: the client went away, or the response could not be completed." },
	{ NULL, NULL, NULL },
};

static bool
is_family(const struct access_field *f)
{
	return f->name[strlen(f->name) - 1] == '.';
}

const struct access_field *
access_field_find(struct slice name, struct slice *header)
{
	for (const struct access_field *f = access_fields; f->name; f++) {
		struct slice known = slice_of(f->name);

		*header = slice_after(name, known.len);
		if (is_family(f) ? slice_has_prefix(name, known) && field_is_token(*header)
				 : slice_eq(name, known))
			return f;
	}
	return NULL;
}

void
access_field_offer(struct suggest *near)
{
	for (const struct access_field *f = access_fields; f->name; f++)
		suggest_offer(near, slice_of(f->name));
}
