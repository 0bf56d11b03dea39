/*
 * The resolver on c-ares; see resolver.h.
 *
 *   loop: readable, writable, timer --> ares_process_fd --> on_service, on_addresses
 *         <--- watch, alarm -----------    its sockets           |
 *   on_answer <-- soon -- lookup, when nothing of it is pending -'
 *
 * The channel that reads the system's files is made with the resolver; each time
 * it is bound a copy of it is, which ends with that.
 */
#include "net/resolver.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/found.h"
#include "net/loop.h"
#include "net/srv.h"
#include "thread/thread.h"

#include <ares.h>
#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <netdb.h>

enum {
	CLASS_IN = 1,
	TYPE_SRV = 33,
	SERVERS_BYTES = 1024,
	DNS_PORT = 53,
};

struct resolver {
	struct resolver_conf conf;
	ares_channel origin; /* as configured */
	ares_channel channel; /* while it is bound */
	struct loop *loop; /* borrowed, while it is bound */
	unsigned users; /* that have bound it */
	struct timer timer; /* c-ares wants to be asked again */
	struct list watches; /* of watch.link: its sockets */
	struct list lookups; /* of lookup.link */
	bool is_silent; /* resolver_run() waited in vain */
};

struct watch {
	struct list link;
	struct resolver *resolver;
	struct event event;
	int fd;
};

struct target {
	struct lookup *lookup;
	unsigned priority, weight;
	uint16_t port;
};

struct lookup {
	struct list link;
	struct resolver *resolver;
	struct resolver_question *question; /* borrowed; NULL: nobody waits for it any more */
	struct deferred end;
	unsigned pending; /* queries */
	int nothing,
	    failed; /* ARES_ codes: there is nothing of a kind; it could not be found out */
	uint32_t ttl_s; /* the least of all records; UINT32_MAX: there was none */
	bool had_unusable;
	struct found found;
	unsigned targets;
	struct target target[SRV_RECORDS_MAX];
};

const char *
resolver_library_version(void)
{
	return ares_version(NULL);
}

/* --- the end of a lookup ----------------------------------------------------------- */

static void
free_lookup(struct lookup *k)
{
	if (k->question)
		k->question->lookup = NULL;
	loop_forget(k->resolver->loop, &k->end);
	list_remove(&k->link);
	mem_free(&k);
}

static int
err_of(int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
		return ERR_NOT_FOUND;
	case ARES_ETIMEOUT:
	case ARES_ECONNREFUSED:
		return ERR_TIMEOUT;
	case ARES_ENOMEM:
		return ERR_MEMORY;
	case ARES_EBADRESP:
	case ARES_EFORMERR:
		return ERR_PROTOCOL;
	default:
		return ERR_FAILED;
	}
}

static uint64_t
bounded_ttl(const struct resolver_conf *conf, uint32_t ttl_s)
{
	uint64_t ns = ttl_s * CLOCK_SEC;

	if (ns < conf->min_ttl)
		return conf->min_ttl;
	return ns > conf->max_ttl ? conf->max_ttl : ns;
}

/* Half an answer is none: who is missing in it may be there. */
static struct resolver_answer
answer_of(const struct lookup *k)
{
	struct resolver_answer a = {
		.ttl_ns = bounded_ttl(&k->resolver->conf, k->ttl_s),
		.count = k->found.count,
		.was_cut = k->found.was_cut,
		.at = k->found.at,
	};
	int status = k->failed ? k->failed : k->nothing;

	if (!k->failed && k->found.count > 0)
		return a;
	a.count = 0;
	a.ttl_ns = k->resolver->conf.min_ttl;
	if (!k->failed && k->had_unusable) {
		a.err = ERR_PROTOCOL;
		a.why = "no address in it can be used";
		return a;
	}
	a.err = status ? err_of(status) : ERR_NOT_FOUND;
	a.why = status ? ares_strerror(status) : "there is no address in it";
	return a;
}

static void
on_end(struct deferred *d)
{
	struct lookup *k = CONTAINER_OF(d, struct lookup, end);
	struct resolver_question *q = k->question;
	struct resolver_answer a;

	if (!k->failed)
		found_drop_unreachable(&k->found);
	a = answer_of(k);
	k->question = NULL;
	if (q) {
		q->lookup = NULL;
		q->on_answer(q, &a);
	}
	free_lookup(k);
}

static void
release(struct lookup *k)
{
	ASSERT(k->pending > 0);
	if (--k->pending == 0)
		loop_soon(k->resolver->loop, &k->end);
}

static void
note_status(struct lookup *k, int status)
{
	if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
		k->nothing = status;
	else if (status != ARES_SUCCESS)
		k->failed = status;
}

static void
note_ttl(struct lookup *k, long ttl_s)
{
	/* RFC 2181 8: one with the highest bit set is 0. */
	uint32_t ttl = ttl_s < 0 || ttl_s > INT32_MAX ? 0 : (uint32_t)ttl_s;

	if (ttl < k->ttl_s)
		k->ttl_s = ttl;
}

/* --- A and AAAA ------------------------------------------------------------------------ */

static void
add_node(struct target *t, const struct ares_addrinfo_node *node)
{
	struct resolver_found one = { .priority = t->priority, .weight = t->weight };

	note_ttl(t->lookup, node->ai_ttl);
	if (node->ai_addrlen > sizeof(one.at.of))
		return;
	memcpy(&one.at.of, node->ai_addr, node->ai_addrlen);
	one.at.len = node->ai_addrlen;
	address_unmap(&one.at);
	if (!found_is_usable(&one.at)) {
		t->lookup->had_unusable = true;
		return;
	}
	if (one.at.of.any.sa_family == AF_INET)
		one.at.of.v4.sin_port = htons(t->port);
	else
		one.at.of.v6.sin6_port = htons(t->port);
	found_add(&t->lookup->found, &one);
}

static void
on_addresses(void *argument, int status, int timeouts, struct ares_addrinfo *info)
{
	struct target *t = argument;
	struct lookup *k = t->lookup;

	(void)timeouts;
	note_status(k, status);
	if (info && status == ARES_SUCCESS) {
		for (struct ares_addrinfo_cname *c = info->cnames; c; c = c->next)
			note_ttl(k, c->ttl);
		for (struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
			add_node(t, node);
	}
	if (info)
		ares_freeaddrinfo(info);
	release(k);
}

static void
find_addresses(struct lookup *k, const char *name, unsigned priority, unsigned weight,
	       uint16_t port)
{
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
						   .ai_socktype = SOCK_STREAM,
						   .ai_flags = ARES_AI_NOSORT };
	struct target *t = &k->target[k->targets++];

	*t = (struct target){ k, priority, weight, port };
	k->pending++;
	ares_getaddrinfo(k->resolver->channel, name, NULL, &hints, on_addresses, t);
}

/* --- SRV ------------------------------------------------------------------------------- */

/* RFC 2782: a target of "." says that there is no such service. */
static void
take_services(struct lookup *k, const struct srv_answer *a)
{
	if (a->ttl_s < k->ttl_s)
		k->ttl_s = a->ttl_s;
	k->found.was_cut = a->was_cut;
	for (unsigned i = 0; i < a->count; i++) {
		const struct srv_record *r = &a->at[i];

		if (r->target[0] == '\0' || r->port == 0)
			k->nothing = ARES_ENODATA;
		else
			find_addresses(k, r->target, r->priority, r->weight, r->port);
	}
}

static void
on_service(void *argument, int status, int timeouts, unsigned char *message, int len)
{
	struct lookup *k = argument;
	struct srv_answer a;

	(void)timeouts;
	note_status(k, status);
	if (status == ARES_SUCCESS && srv_read(&a, message, (size_t)len) == 0)
		take_services(k, &a);
	else if (status == ARES_SUCCESS)
		k->failed = ARES_EBADRESP;
	release(k);
}

/* --- its sockets and its time ------------------------------------------------------------ */

static void
set_alarm(struct resolver *r)
{
	struct timeval tv, *in = ares_timeout(r->channel, NULL, &tv);
	uint64_t wait;

	if (!in) {
		loop_clear_timer(r->loop, &r->timer);
		return;
	}
	wait = (uint64_t)in->tv_sec * CLOCK_SEC + (uint64_t)in->tv_usec * 1000;
	/* Without a timer nothing would ever time out. */
	if (loop_set_timer(r->loop, &r->timer, clock_after(loop_now(r->loop), wait)) != 0)
		ares_cancel(r->channel);
}

static void
process(struct resolver *r, int readable, int writable)
{
	ares_process_fd(r->channel, readable, writable);
	set_alarm(r);
}

static void
on_time(struct timer *t)
{
	process(CONTAINER_OF(t, struct resolver, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void
on_ready(evutil_socket_t fd, short what, void *argument)
{
	struct watch *w = argument;

	process(w->resolver, what & EV_READ ? fd : ARES_SOCKET_BAD,
		what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static struct watch *
find_watch(struct resolver *r, int fd)
{
	for (struct list *i = r->watches.next; i != &r->watches; i = i->next) {
		struct watch *w = CONTAINER_OF(i, struct watch, link);

		if (w->fd == fd)
			return w;
	}
	return NULL;
}

static void
end_watch(struct watch *w)
{
	event_del(&w->event);
	list_remove(&w->link);
	mem_free(&w);
}

/* c-ares: this socket is to be watched for that from now on. Without memory for it the query times
 * out. */
static void
on_socket(void *argument, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = argument;
	struct watch *w = find_watch(r, fd);
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	if (!what) {
		if (w)
			end_watch(w);
		return;
	}
	if (!w) {
		w = mem_zalloc(1, sizeof(*w));
		if (!w)
			return;
		w->resolver = r;
		w->fd = fd;
		list_append(&r->watches, &w->link);
	} else {
		event_del(&w->event);
	}
	event_assign(&w->event, r->loop->base, fd, (short)(what | EV_PERSIST), on_ready, w);
	if (event_add(&w->event, NULL) != 0)
		end_watch(w);
}

/* --- asking -------------------------------------------------------------------------------- */

int
resolver_ask(struct resolver *r, struct resolver_question *q)
{
	struct lookup *k = mem_zalloc(1, sizeof(*k));

	if (!k)
		return ERR_MEMORY;
	ASSERT(!q->lookup && r->loop);
	k->resolver = r;
	k->question = q;
	k->ttl_s = UINT32_MAX;
	k->end.run = on_end;
	k->pending = 1; /* c-ares may answer from inside */
	q->lookup = k;
	list_append(&r->lookups, &k->link);
	if (q->kind == RESOLVER_SERVICE) {
		k->pending++;
		ares_search(r->channel, q->name, CLASS_IN, TYPE_SRV, on_service, k);
	} else {
		find_addresses(k, q->name, 0, 0, q->port);
	}
	release(k);
	set_alarm(r);
	return 0;
}

void
resolver_forget(struct resolver_question *q)
{
	if (q->lookup)
		q->lookup->question = NULL;
	q->lookup = NULL;
}

int
resolver_bind(struct resolver *r, struct loop *l)
{
	if (r->users == 0) {
		r->loop = l;
		if (ares_dup(&r->channel, r->origin) != ARES_SUCCESS)
			return ERR_MEMORY;
	}
	ASSERT(r->loop == l);
	r->users++;
	return 0;
}

void
resolver_unbind(struct resolver *r)
{
	struct list *item, *keep;

	ASSERT(r->users > 0);
	if (--r->users > 0)
		return;
	ares_destroy(r->channel);
	r->channel = NULL;
	LIST_EACH(item, keep, &r->watches)
		end_watch(CONTAINER_OF(item, struct watch, link));
	LIST_EACH(item, keep, &r->lookups)
		free_lookup(CONTAINER_OF(item, struct lookup, link));
	loop_clear_timer(r->loop, &r->timer);
	r->loop = NULL;
}

/* --- waiting for answers --------------------------------------------------------------------- */

static bool
is_asking(struct resolver_question *const questions[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (questions[i]->lookup)
			return true;
	}
	return false;
}

static void
on_patience(struct timer *t)
{
	/* It is set to end the turn's wait. */
	(void)t;
}

/* Those that have no answer yet. */
static void
give_up(struct resolver_question *const questions[], size_t n)
{
	const struct resolver_answer late = { .err = ERR_TIMEOUT, .why = "no answer in time" };

	for (size_t i = 0; i < n; i++) {
		if (!questions[i]->lookup)
			continue;
		resolver_forget(questions[i]);
		questions[i]->on_answer(questions[i], &late);
	}
}

static void
answer_all(struct resolver_question *const questions[], size_t n, int err, const char *why)
{
	const struct resolver_answer a = { .err = err, .why = why };

	for (size_t i = 0; i < n; i++)
		questions[i]->on_answer(questions[i], &a);
}

static void
run_on(struct resolver *r, struct loop *l, struct resolver_question *const questions[], size_t n)
{
	uint64_t until = clock_after(loop_now(l), r->conf.timeout * r->conf.attempts);
	struct timer patience;
	size_t asked = 0;

	timer_init(&patience, on_patience);
	while (asked < n && resolver_ask(r, questions[asked]) == 0)
		asked++;
	if (loop_set_timer(l, &patience, until) == 0) {
		while (is_asking(questions, asked) && timer_is_set(&patience))
			loop_turn(l, true);
	}
	loop_clear_timer(l, &patience);
	r->is_silent = is_asking(questions, asked);
	give_up(questions, asked);
	answer_all(questions + asked, n - asked, ERR_MEMORY, "out of memory");
}

void
resolver_run(struct resolver *r, struct resolver_question *const questions[], size_t n)
{
	struct loop l;

	ASSERT(thread_role() != THREAD_WORKER);
	if (r->is_silent) {
		answer_all(questions, n, ERR_TIMEOUT, "DNS does not answer");
		return;
	}
	if (loop_init(&l, NULL) != 0) {
		answer_all(questions, n, ERR_SYSTEM, "no loop can be made");
		return;
	}
	if (resolver_bind(r, &l) == 0) {
		run_on(r, &l, questions, n);
		resolver_unbind(r);
	} else {
		answer_all(questions, n, ERR_MEMORY, "out of memory");
	}
	loop_fini(&l);
}

/* --- the hosts file -----------------------------------------------------------------------------
 */

static unsigned
take_hosts(const struct hostent *host, uint16_t port, struct address *at, unsigned cap)
{
	unsigned count = 0;

	for (char **ip = host->h_addr_list; *ip && count < cap; ip++) {
		char text[INET6_ADDRSTRLEN];

		if (inet_ntop(host->h_addrtype, *ip, text, sizeof(text)) &&
		    address_parse_host(&at[count], slice_of(text), port) == 0)
			count++;
	}
	return count;
}

unsigned
resolver_find_in_hosts(struct resolver *r, const char *name, uint16_t port, struct address *at,
		       unsigned cap)
{
	static const int families[] = { AF_INET6, AF_INET };
	unsigned count = 0;

	ASSERT(thread_role() != THREAD_WORKER);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct hostent *host = NULL;

		if (ares_gethostbyname_file(r->origin, name, families[i], &host) != ARES_SUCCESS)
			continue;
		count += take_hosts(host, port, at + count, cap - count);
		ares_free_hostent(host);
	}
	return count;
}

/* --- its life
 * --------------------------------------------------------------------------------------- */

/* As c-ares wants them: 127.0.0.1:53,[::1]:53. What is wrong with one, or NULL. */
static const char *
write_server(struct writer *w, struct slice text)
{
	struct address a;

	if (address_parse_host(&a, text, DNS_PORT) != 0 &&
	    (address_parse(&a, text) != 0 || address_is_unix(&a) || address_port(&a) == 0))
		return "is not an address as 10.0.0.2, 10.0.0.2:53 or [::1]:53";
	if (w->len > 0)
		writer_text(w, ",");
	address_write(&a, w);
	return w->is_full ? "is one too many" : NULL;
}

static int
set_servers(struct resolver *r, const struct conf_section *section, struct conf_errors *e)
{
	const struct conf_list *list = &r->conf.servers;
	char text[SERVERS_BYTES + 1] = "";
	struct writer w = writer_over(text, SERVERS_BYTES);

	for (size_t i = 0; i < list->count; i++) {
		const char *wrong = write_server(&w, list->at[i]);

		if (!wrong)
			continue;
		conf_error_at(e, section, "servers", "%s %s", conf_quote(list->at[i]).text, wrong);
		return ERR_SYNTAX;
	}
	text[w.len] = '\0';
	if (w.len > 0 && ares_set_servers_ports_csv(r->origin, text) != ARES_SUCCESS)
		return ERR_MEMORY;
	return 0;
}

struct resolver *
resolver_new(const struct resolver_conf *conf, const struct conf_section *section,
	     struct conf_errors *e)
{
	struct resolver *r = mem_zalloc(1, sizeof(*r));
	struct ares_options options = {
		.timeout = (int)(conf->timeout / CLOCK_MS),
		.tries = (int)conf->attempts,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = r,
	};
	char lookups[] = "b"; /* DNS alone: the hosts file is read by the builder */
	int err;

	if (!r)
		return NULL;
	options.lookups = lookups;
	r->conf = *conf;
	list_init(&r->watches);
	list_init(&r->lookups);
	timer_init(&r->timer, on_time);
	err = ares_init_options(&r->origin, &options,
				ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
				    ARES_OPT_SOCK_STATE_CB);
	if (err) {
		conf_error(e, "", 0, "resolver: %s", ares_strerror(err));
		r->origin = NULL;
		resolver_free(&r);
	} else if (set_servers(r, section, e) != 0) {
		resolver_free(&r);
	}
	return r;
}

void
resolver_free(struct resolver **resolver)
{
	struct resolver *r = *resolver;

	if (!r)
		return;
	ASSERT(r->users == 0);
	if (r->origin)
		ares_destroy(r->origin);
	mem_free(resolver);
}
